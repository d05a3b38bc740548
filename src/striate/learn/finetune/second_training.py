"""After the first training the next promising one, if there is time left: the best is delivered."""

from dataclasses import replace
from functools import partial

from striate.learn.context import FitContext, FitResult
from striate.learn.finetune.gradient_training import Exact, learn_by_steps
from striate.learn.finetune.lr_range_test import with_found_rate
from striate.learn.linear.linear_model import Read
from striate.learn.side_run import kept_in
from striate.store.plan_files import PLAN
from striate.strategy.choose import choose
from striate.strategy.expected_gain import LITTLE
from striate.strategy.plans import best_probe
from striate.values import Choice, Evidence, Plan, say


def or_next_best(
    context: FitContext, learned: FitResult, tried: str, read: Read, exact: Exact
) -> FitResult:
    """The model as it is, or that of the next training where it is better.

    `tried` is the strategy that was trained first; what came of it, or the linear model in its
    place, is what the next must beat. Only where `auto` chose: whatever else may still be better
    and fits into the time that is left, unless hardly a validation image is missed. Which of two
    promises more is told badly before they are trained, by a short trial and a habit.
    """
    port = context.port
    if context.given_plan is not None or context.options.strategy != "auto":
        return learned
    passed = learned.plan.strategy.value == tried
    if passed and learned.evidence.trials[-1].accuracy.value >= 1 - LITTLE:
        return learned
    plan = port.keep(
        "next.json", lambda: _next(context, learned, tried), PLAN, also=context.budget.minutes
    )
    if not plan.epochs.value:
        return learned
    own = replace(
        port,
        checkpoints=port.checkpoints / "next",
        keep=kept_in(port.keep, "next"),
    )
    beside = replace(context, port=own)
    plan, evidence = with_found_rate(beside, plan, read, learned.evidence)
    rival = partial(_as_it_is, learned) if passed else exact
    return learn_by_steps(beside, plan, evidence, read, rival)


def _as_it_is(learned: FitResult, evidence: Evidence, _: Choice[str]) -> FitResult:
    return replace(learned, evidence=evidence)


def _next(context: FitContext, learned: FitResult, tried: str) -> Plan:
    """What is chosen without the strategy that was tried; no reason is told twice."""
    evidence = learned.evidence
    if learned.plan.strategy.value == tried:
        evidence = _to_beat(evidence)
    plan = choose(
        evidence, context.budget.seconds_left(), context.options, context.machine, without=(tried,)
    )
    told = {sentence.code for sentence in learned.plan.because}
    why = say(
        "next.try",
        "There is time left, so {strategy} is tried next.",
        strategy=plan.strategy.value,
    )
    new = tuple(sentence for sentence in plan.because if sentence.code not in told - {TRAIN})
    return replace(plan, because=(*learned.plan.because, why, *new))


def _to_beat(evidence: Evidence) -> Evidence:
    """The evidence with the accuracy of what passed in the place of the linear model's."""
    best, passed = best_probe(evidence), evidence.trials[-1].accuracy
    probes = tuple(
        replace(probe, val_accuracy=passed) if probe is best else probe for probe in evidence.probes
    )
    return replace(evidence, probes=probes)


TRAIN = "choose.train"
