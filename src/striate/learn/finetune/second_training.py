"""A training of the next promising strategy, if time is left; the better model is delivered."""

from dataclasses import replace
from functools import partial

from striate.learn.context import FitContext, FitResult
from striate.learn.finetune.gradient_training import Exact, train_by_gradient
from striate.learn.finetune.lr_range_test import apply_lr_range_test
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.side_run import scoped_cache
from striate.learn.task import task_spec
from striate.store.plan_files import PLAN
from striate.strategy.choose import choose_plan
from striate.strategy.expected_gain import LITTLE
from striate.strategy.plans import best_probe
from striate.values import Choice, Evidence, Plan, say

TRAIN = "choose.train"


def try_second_strategy(
    context: FitContext, learned: FitResult, tried: str, read: BackboneFeatures, exact: Exact
) -> FitResult:
    """The model as it is, or that of a second strategy if it is better.

    `tried` is the strategy that was trained first; the second must beat its model, or the linear
    model delivered in its place. Only if `auto` chose, the training fits into the time that is
    left, and more than a few validation images are still wrong: short trials and expected gains
    predict badly which of two strategies will be better.
    """
    port = context.port
    if context.given_plan is not None or context.options.strategy != "auto":
        return learned
    if task_spec(context.data).correct is None:
        return learned
    passed = learned.plan.strategy.value == tried
    if passed and learned.evidence.trials[-1].accuracy.value >= 1 - LITTLE:
        return learned
    plan = port.keep(
        "next.json",
        lambda: _choose_next_strategy(context, learned, tried),
        PLAN,
        also=context.budget.minutes,
    )
    if not plan.epochs.value:
        return learned
    own = replace(
        port,
        checkpoints=port.checkpoints / "next",
        keep=scoped_cache(port.keep, "next"),
    )
    beside = replace(context, port=own)
    plan, evidence = apply_lr_range_test(beside, plan, read, learned.evidence)
    rival = partial(_keep_result, learned) if passed else exact
    return train_by_gradient(beside, plan, evidence, read, rival)


def _keep_result(learned: FitResult, evidence: Evidence, _: Choice[str]) -> FitResult:
    return replace(learned, evidence=evidence)


def _choose_next_strategy(context: FitContext, learned: FitResult, tried: str) -> Plan:
    """The plan chosen when the tried strategy is excluded; no reason is repeated."""
    evidence = learned.evidence
    if learned.plan.strategy.value == tried:
        evidence = _raise_baseline(evidence)
    plan = choose_plan(
        evidence, context.budget.seconds_left(), context.options, context.machine, without=(tried,)
    )
    told = {sentence.code for sentence in learned.plan.because}
    why = say(
        "next.try",
        "There is time left, so the strategy {strategy} is tried next.",
        strategy=plan.strategy.value,
    )
    new = tuple(sentence for sentence in plan.because if sentence.code not in told - {TRAIN})
    return replace(plan, because=(*learned.plan.because, why, *new))


def _raise_baseline(evidence: Evidence) -> Evidence:
    """The evidence with the delivered model's accuracy in place of the linear model's."""
    best, passed = best_probe(evidence), evidence.trials[-1].accuracy
    probes = tuple(
        replace(probe, val_accuracy=passed) if probe is best else probe for probe in evidence.probes
    )
    return replace(evidence, probes=probes)
