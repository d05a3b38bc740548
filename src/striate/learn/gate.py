"""The gate: a trained model is delivered only if it beats the exact one on validation images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.learn.context import FitData, FitResult
from striate.learn.task import Answers
from striate.metrics import intervals, target_metrics
from striate.metrics.probability_calibration import fit_temperature
from striate.metrics.score import paired_loss_pvalue
from striate.strategy.expected_gain import GATE_LEVEL
from striate.values import CLOSED_FORM, Figure, Interval, Plan, Rows, Sentence, Task, Trial, say

DRAWS = 1000  # bootstrap draws


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether the trained model is kept, why, and how good it is."""

    kept: bool
    why: Sentence
    found: Interval


def apply_gate(data: FitData, learned: FitResult, exact: FitResult) -> FitResult:
    """The trained model if significantly better on validation images, else the exact linear one.

    Better means a one-sided p-value below 0.1; otherwise the model with the cheaper exact head is
    kept. For one label it is the paired test of the images' log losses, each model at its best
    temperature: with few images more powerful than counting correct ones. For several labels or a
    number it is the share of group bootstrap draws in which the mean average precision or the mean
    absolute error is no better. `exact` may be a trained model that passed before.
    """
    new, old = learned.val_probabilities, exact.val_probabilities
    assert new is not None
    assert old is not None
    judged = JUDGES[data.index.task](data, learned.plan, exact.plan.strategy.value, new, old)
    trial = _make_trial(learned, judged)
    before = learned.evidence.trials
    if judged.kept:
        before = tuple(replace(earlier, kept=False) for earlier in before)
    evidence = replace(learned.evidence, trials=(*before, trial))
    delivered = learned if judged.kept else exact
    plan = replace(delivered.plan, because=(*learned.plan.because, judged.why))
    return replace(delivered, plan=plan, evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLossTest:
    """A paired comparison of two models: mean losses, p-value, and whether the new one is kept."""

    new: float
    old: float
    chance: float
    kept: bool


def compare_losses(new_NK: Answers, old_NK: Answers, truth: Rows, groups: Rows) -> PairedLossTest:
    """Whether the losses of the new model are significantly smaller, with the p-value."""
    new, old = (_tempered_losses(found, truth) for found in (new_NK, old_NK))
    chance = paired_loss_pvalue(new, old, groups)
    return PairedLossTest(
        new=float(new.mean()), old=float(old.mean()), chance=chance, kept=chance < GATE_LEVEL
    )


def _judge_classes(
    data: FitData, plan: Plan, rival: str, new_NK: Answers, old_NK: Answers
) -> GateResult:
    truth, groups = data.labels[data.val], data.groups[data.val]
    right = new_NK.argmax(axis=1) == truth
    held = compare_losses(new_NK, old_NK, truth, groups)
    figures: dict[str, Figure] = {
        "strategy": plan.strategy.value,
        "right": int(right.sum()),
        "old_right": int((old_NK.argmax(axis=1) == truth).sum()),
        "n": len(truth),
        "new": held.new,
        "old": held.old,
        "chance": held.chance,
    }
    if rival not in CLOSED_FORM:
        why = _describe_against_trained(held.kept, rival, figures)
    else:
        start = (
            "After training, {strategy} predicts {right} of {n} validation images correctly with "
            "a log loss of {new:.3f}, the linear model {old_right} with {old:.3f}. "
        )
        end = (
            "The loss is significantly lower (p = {chance:.3f}), so the trained model is used."
            if held.kept
            else "The loss is not significantly lower (p = {chance:.2f}), so the linear model is "
            "used."
        )
        why = say("gate.kept" if held.kept else "gate.not_kept", start + end, **figures)
    found = intervals.accuracy_interval(right, groups, data.seed)
    return GateResult(kept=held.kept, why=why, found=found)


def _describe_against_trained(kept: bool, rival: str, figures: dict[str, Figure]) -> Sentence:
    start = (
        "After training, {strategy} predicts {right} of {n} validation images correctly with a "
        "log loss of {new:.3f}, {rival} {old_right} with {old:.3f}. "
    )
    end = (
        "The loss is significantly lower (p = {chance:.3f}), so {strategy} is used."
        if kept
        else "The loss is not significantly lower (p = {chance:.2f}), so {rival} is still used."
    )
    code = "gate.kept_over" if kept else "gate.not_kept_over"
    return say(code, start + end, rival=rival, **figures)


def _tempered_losses(found_NK: Answers, truth: Rows) -> NDArray[np.float64]:
    """Log loss of each image at the model's best temperature."""
    scores_NK = np.log(np.maximum(found_NK, 1e-12))
    found = intervals.softmax(scores_NK, fit_temperature(scores_NK, truth))
    return intervals.log_losses(found, truth)


def _judge_labels(
    data: FitData, plan: Plan, _: str, new_NK: Answers, old_NK: Answers
) -> GateResult:
    marks, groups, seed = data.index.targets()[data.val], data.groups[data.val], data.seed
    new, old, chance = target_metrics.compare_labels(new_NK, old_NK, marks, groups, seed)
    kept = chance < GATE_LEVEL
    template = (
        "After training, {strategy} has a mean average precision of {new:.1%} on {n} validation "
        "images, the linear model {old:.1%}. It is significantly better (p = {chance:.3f}), so the "
        "trained model is used."
        if kept
        else "After training, {strategy} has a mean average precision of {new:.1%} on {n} "
        "validation images, the linear model {old:.1%}. It is not significantly better "
        "(p = {chance:.2f}), so the linear model is used."
    )
    why = say(
        "gate.kept_labels" if kept else "gate.not_kept_labels",
        template,
        strategy=plan.strategy.value,
        new=new,
        old=old,
        n=len(marks),
        chance=chance,
    )
    said = np.zeros(new_NK.shape, np.bool_)
    found = target_metrics.label_measures(new_NK, said, marks, groups, seed, DRAWS)[-1][0]
    return GateResult(
        kept=kept, why=why, found=target_metrics.measure_to_interval(found, len(marks))
    )


def _judge_numbers(
    data: FitData, plan: Plan, _: str, new_N1: Answers, old_N1: Answers
) -> GateResult:
    truth = data.index.targets()[data.val, 0]
    groups, seed = data.groups[data.val], data.seed
    new, old, chance = target_metrics.compare_numbers(
        new_N1[:, 0], old_N1[:, 0], truth, groups, seed
    )
    kept = chance < GATE_LEVEL
    template = (
        "After training, {strategy} has a mean absolute error of {new:.3g} on {n} validation "
        "images, the linear model {old:.3g}. It is significantly better (p = {chance:.3f}), so the "
        "trained model is used."
        if kept
        else "After training, {strategy} has a mean absolute error of {new:.3g} on {n} validation "
        "images, the linear model {old:.3g}. It is not significantly better (p = {chance:.2f}), "
        "so the linear model is used."
    )
    why = say(
        "gate.kept_number" if kept else "gate.not_kept_number",
        template,
        strategy=plan.strategy.value,
        new=new,
        old=old,
        n=len(truth),
        chance=chance,
    )
    explained = target_metrics.number_measures(new_N1[:, 0], truth, groups, seed, DRAWS)[1]
    return GateResult(
        kept=kept, why=why, found=target_metrics.measure_to_interval(explained, len(truth))
    )


def _make_trial(learned: FitResult, judged: GateResult) -> Trial:
    history = learned.history
    seconds = sum(epoch.seconds for epoch in history.epochs) if history else 0.0
    best = history.epochs[history.kept_epoch - 1] if history and history.kept_epoch else None
    return Trial(
        strategy=learned.plan.strategy.value,
        net=learned.plan.net.value,
        settings={"epochs": learned.plan.epochs.value, "lr": learned.plan.learning_rate.value},
        accuracy=judged.found,
        log_loss=best.val_loss if best else 0.0,
        epochs=len(history.epochs) if history else 0,
        seconds=seconds,
        kept=judged.kept,
        why=judged.why,
    )


JUDGES: dict[Task, Callable[[FitData, Plan, str, Answers, Answers], GateResult]] = {
    "label": _judge_classes,
    "labels": _judge_labels,
    "number": _judge_numbers,
}
