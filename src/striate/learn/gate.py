"""The gate: a trained model is delivered where it beats the exact one on validation images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate import measures, statistics
from striate.learn.job import Job, Learned
from striate.strategy.promise import GATE_LEVEL
from striate.values import Interval, Plan, Sentence, Task, Trial, say

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether the trained model is kept, why, and how good it is."""

    kept: bool
    why: Sentence
    found: Interval


def gate(job: Job, learned: Learned, exact: Learned) -> Learned:
    """The trained model if it is better on the validation images, else the exact linear one.

    Better means a chance of luck below 0.1, one-sided: on so few images a smaller difference is
    chance, and then the model with the cheaper and exact head is kept. Of one label it is the
    mid-p of a paired sign test; of several labels or a number the share of bootstrap draws, of
    whole groups, in which the mean average precision or the mean absolute error is no better.
    """
    new, old = learned.val_probabilities, exact.val_probabilities
    assert new is not None
    assert old is not None
    judged = JUDGES[job.index.task](job, learned.plan, new, old)
    trial = _as_trial(learned, judged)
    evidence = replace(learned.evidence, trials=(*learned.evidence.trials, trial))
    delivered = learned if judged.kept else exact
    plan = replace(delivered.plan, because=(*learned.plan.because, judged.why))
    return replace(delivered, plan=plan, evidence=evidence)


def _on_classes(job: Job, plan: Plan, new_NK: Answers, old_NK: Answers) -> Judged:
    truth, groups = job.labels[job.val], job.groups[job.val]
    new, old = new_NK.argmax(axis=1) == truth, old_NK.argmax(axis=1) == truth
    chance = statistics.better(new, old, groups)
    kept = chance < GATE_LEVEL
    template = (
        "Trained, {strategy} got {new} of {n} validation images right and the linear model "
        "{old}: it is kept (chance of that by luck: {chance:.3f})."
        if kept
        else "Trained, {strategy} got {new} of {n} validation images right and the linear model "
        "{old}: not enough to tell from luck ({chance:.2f}), so the linear model is delivered."
    )
    why = say(
        "gate.kept" if kept else "gate.not_kept",
        template,
        strategy=plan.strategy.value,
        new=int(new.sum()),
        old=int(old.sum()),
        n=len(new),
        chance=float(chance),
    )
    found = statistics.accuracy_interval(new, groups, job.options.seed)
    return Judged(kept=kept, why=why, found=found)


def _on_labels(job: Job, plan: Plan, new_NK: Answers, old_NK: Answers) -> Judged:
    marks, groups, seed = job.index.targets()[job.val], job.groups[job.val], job.options.seed
    new, old, chance = measures.compared_labels(new_NK, old_NK, marks, groups, seed)
    kept = chance < GATE_LEVEL
    template = (
        "Trained, {strategy} has a mean average precision of {new:.1%} on {n} validation images "
        "and the linear model {old:.1%}: it is kept (chance of that by luck: {chance:.3f})."
        if kept
        else "Trained, {strategy} has a mean average precision of {new:.1%} on {n} validation "
        "images and the linear model {old:.1%}: not enough to tell from luck ({chance:.2f}), so "
        "the linear model is delivered."
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
    found = measures.label_measures(new_NK, said, marks, groups, seed, DRAWS)[-1][0]
    return Judged(kept=kept, why=why, found=measures.as_share(found, len(marks)))


def _on_numbers(job: Job, plan: Plan, new_N1: Answers, old_N1: Answers) -> Judged:
    truth = job.index.targets()[job.val, 0]
    groups, seed = job.groups[job.val], job.options.seed
    new, old, chance = measures.compared_numbers(new_N1[:, 0], old_N1[:, 0], truth, groups, seed)
    kept = chance < GATE_LEVEL
    template = (
        "Trained, {strategy} is off by {new:.3g} on average on {n} validation images and the "
        "linear model by {old:.3g}: it is kept (chance of that by luck: {chance:.3f})."
        if kept
        else "Trained, {strategy} is off by {new:.3g} on average on {n} validation images and "
        "the linear model by {old:.3g}: not enough to tell from luck ({chance:.2f}), so the "
        "linear model is delivered."
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
    explained = measures.number_measures(new_N1[:, 0], truth, groups, seed, DRAWS)[1]
    return Judged(kept=kept, why=why, found=measures.as_share(explained, len(truth)))


def _as_trial(learned: Learned, judged: Judged) -> Trial:
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


JUDGES: dict[Task, Callable[[Job, Plan, Answers, Answers], Judged]] = {
    "label": _on_classes,
    "labels": _on_labels,
    "number": _on_numbers,
}
DRAWS = 1000
