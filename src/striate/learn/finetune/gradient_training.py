"""Gradient training of a plan: retried if it diverges, gated, and followed by a second."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from striate.errors import UsageError
from striate.learn.context import FitContext, FitResult
from striate.learn.finetune.lr_range_test import apply_lr_range_test
from striate.learn.finetune.remedy_trials import try_remedies
from striate.learn.finetune.train_plan import (
    initial_network,
    model_spec_of,
    predict_rows,
    train_plan,
)
from striate.learn.finetune.weight_interpolation import interpolate_weights
from striate.learn.gate import apply_gate
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.side_run import scoped_cache
from striate.learn.task import task_spec
from striate.predict.classifier import Classifier
from striate.store.plan_files import PLAN
from striate.strategy.choose import choose_plan
from striate.strategy.expected_gain import LITTLE
from striate.strategy.plans import best_probe
from striate.train.divergence import DivergedError
from striate.train.head import Network
from striate.values import Choice, Evidence, History, Plan, say

Exact = Callable[[Evidence, Choice[str]], FitResult]


RATE_DIVISOR = 10.0
GRADIENT_LENGTH = 1.0  # norm of all gradients together


def train_by_gradient(
    context: FitContext,
    plan: Plan,
    evidence: Evidence,
    read: BackboneFeatures | None,
    exact: Exact | None,
) -> FitResult:
    """The trained model, or the exact linear one if that is as good on the validation images.

    `exact` makes the linear model given a choice and its reason; None if no pretrained network was
    read. A strategy that was requested is delivered whatever the linear model reaches.
    """
    data = context.data
    asked = plan.strategy.ground == "asked"
    try:
        trained, history, plan = train_with_retry(context, plan, read, evidence)
    except DivergedError as fault:
        if exact is None or asked:
            raise
        return _fall_back_to_linear(plan, evidence, exact, fault)
    found = predict_rows(data, trained, data.val) if len(data.val) else None
    learned = FitResult(
        classifier=trained,
        plan=plan,
        evidence=evidence,
        history=history,
        val_probabilities=found,
    )
    learned = interpolate_weights(context, try_remedies(context, learned, read))
    if exact is None or learned.val_probabilities is None or asked:
        return learned
    won = Choice(
        value="linear",
        why=say("gate.linear", "the exact head was better on the validation images"),
        ground="measured",
    )
    return apply_gate(data, learned, exact(learned.evidence, won))


def _fall_back_to_linear(
    plan: Plan, evidence: Evidence, exact: Exact, fault: DivergedError
) -> FitResult:
    """The linear model, if training diverged twice before its first epoch was done."""
    why = say(
        "gate.diverged",
        "The second training diverged too, at step {step}, so the linear model is used.",
        step=fault.step,
    )
    learned = exact(evidence, Choice(value="linear", why=why, ground="measured"))
    return replace(learned, plan=replace(learned.plan, because=(*plan.because, why)))


def train_with_retry(
    context: FitContext, plan: Plan, linear: BackboneFeatures | None, evidence: Evidence
) -> tuple[Classifier, History, Plan]:
    """`train_plan`; if the loss diverges, once more with `stabilise_plan`, which is reported.

    Raises `UsageError` if the settings were requested, and `DivergedError` if the second training
    diverges before its first epoch is done.
    """
    try:
        return train_plan(context, plan, linear, evidence)
    except DivergedError as fault:
        _publish_partial_model(context, plan, linear, fault)
        if context.given_plan is not None or any(
            choice.ground == "asked" for choice in _divergence_settings(plan)
        ):
            raise UsageError(fault.sentence, fault.hint) from fault
        again = stabilise_plan(plan, fault)
    try:
        return train_plan(context, again, linear, evidence, "training-mended")
    except DivergedError as fault:
        if fault.state is None or fault.history is None:
            raise
        classifier = _partial_classifier(context, again, linear, fault)
        said = say(
            "mend.stopped",
            "The second training diverged too, at step {step}; the weights of epoch {epoch}, "
            "the best before that, are used.",
            step=fault.step,
            epoch=fault.history.kept_epoch,
        )
        return classifier, fault.history, replace(again, because=(*again.because, said))


def stabilise_plan(plan: Plan, fault: DivergedError) -> Plan:
    """The plan with a tenth of the learning rate and gradients clipped to norm 1; the reason."""
    rate = plan.learning_rate.value
    figures = {
        "step": fault.step,
        "rate": rate,
        "slower": rate / RATE_DIVISOR,
        "length": GRADIENT_LENGTH,
    }
    where = str(fault.origin) if fault.origin else "?"
    why = say("mend.why", "with {rate:g} the loss became NaN or infinite", rate=rate)
    said = say(
        "mend.again",
        "The training diverged: at step {step} the loss became NaN or infinite, first in "
        "{where}. It was run again with a learning rate of {slower:g} instead of {rate:g} and "
        "gradient norms clipped to {length:g}.",
        where=where,
        **figures,
    )
    return replace(
        plan,
        learning_rate=Choice(value=rate / RATE_DIVISOR, why=why, ground="measured"),
        clip=Choice(value=GRADIENT_LENGTH, why=why, ground="measured"),
        because=(*plan.because, said),
    )


def _divergence_settings(plan: Plan) -> tuple[Choice[float] | Choice[str], ...]:
    """The plan's choices that decide whether a training diverges."""
    return plan.learning_rate, plan.clip, plan.optimizer, plan.initialisation, plan.schedule


def _publish_partial_model(
    context: FitContext, plan: Plan, linear: BackboneFeatures | None, fault: DivergedError
) -> None:
    """Publish the best epoch's weights as a usable model, if there is none yet."""
    if fault.state is not None:
        context.port.usable(_partial_classifier(context, plan, linear, fault))


def _partial_classifier(
    context: FitContext, plan: Plan, linear: BackboneFeatures | None, fault: DivergedError
) -> Classifier:
    spec = model_spec_of(context, plan)
    network: Network = initial_network(context, plan, spec, linear)
    assert fault.state is not None
    network.load_state_dict(fault.state)
    return task_spec(context.data).finished(context.data, spec, network)


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
