"""Losses and measures: cross-entropy, binary cross-entropy, Huber's loss."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.metrics.intervals import balanced_weights
from striate.metrics.target_metrics import average_precision
from striate.values import Plan, Rows, Targets, Task
from striate.values.seeds import make_rng


def cross_entropy(
    logits_NK: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy (natural log) with label smoothing.

    `labels` are class numbers N or soft targets N x K. With class weights, the weighted mean.
    Szegedy et al. 2016, section 7.
    """
    return F.cross_entropy(
        logits_NK.float(), labels, weight=class_weights_K, label_smoothing=label_smoothing
    )


def binary_cross_entropy(
    logits_NK: Tensor,
    marks_NK: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy (natural log), summed over labels, mean over images.

    `marks_NK` are 0 or 1 or soft targets; smoothing moves them towards a half. Weights apply per
    label.
    """
    smooth_NK = marks_NK * (1 - label_smoothing) + label_smoothing / 2
    each_NK = F.binary_cross_entropy_with_logits(
        logits_NK.float(), smooth_NK, weight=class_weights_K, reduction="none"
    )
    return each_NK.sum(dim=1).mean()


def huber_loss(
    answers_N1: Tensor,
    truth_N1: Tensor,
    label_smoothing: float = 0.0,
    class_weights_K: Tensor | None = None,
) -> Tensor:
    """Mean Huber loss: half the squared error up to 1, linear beyond.

    Targets are standardised, so that errors beyond one standard deviation count less than their
    square. Label smoothing and class weights are ignored. Huber 1964.
    """
    return F.huber_loss(answers_N1.float(), truth_N1)


def class_loss_weights(plan: Plan, labels_N: Targets) -> tuple[float, ...]:
    """Class weights of the loss; empty unless the plan weighs classes.

    Every class present has the same total weight, with a mean of 1 per image. Only single labels
    are classes: `strategy.target_plans` refuses class weights for other tasks.
    """
    if plan.balance.value != "weights":
        return ()
    classes_N = labels_N.astype(np.int64)
    found = np.zeros(max(len(plan.classes), int(classes_N.max()) + 1))
    found[classes_N] = balanced_weights(classes_N)
    return tuple(float(weight) for weight in found)


def sample_epoch_rows(plan: Plan, labels: Targets, train_rows: Rows, epoch: int) -> Rows:
    """The rows of an epoch: each once; for `sampling` as many, classes equally frequent."""
    if plan.balance.value != "sampling":
        return train_rows
    chances = balanced_weights(labels[train_rows].astype(np.int64)) / len(train_rows)
    generator = make_rng(plan.seed, f"balance/{epoch}")
    return generator.choice(train_rows, len(train_rows), p=chances / chances.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss and the measure of a task on outputs N x K.

    `loss` takes outputs, targets, label smoothing and class weights. `noted` extracts what the
    measure needs of a batch, a row per image, and `measure` computes it over all: accuracy, mean
    average precision, or R² clipped at 0, in [0, 1]; `metric` is its name.
    """

    metric: str
    loss: Callable[[Tensor, Tensor, float, Tensor | None], Tensor]
    noted: Callable[[Tensor, Tensor], Tensor]
    measure: Callable[[Tensor], float]


def task_objective(task: Task) -> Objective:
    """The objective of a task."""
    return OBJECTIVES[task]


def _correct_predictions(outputs_NK: Tensor, labels_N: Tensor) -> Tensor:
    return (outputs_NK.argmax(dim=1) == labels_N).cpu()


def _correct_share(right_N: Tensor) -> float:
    return int(right_N.sum()) / len(right_N)


def _stack_with_targets(outputs_NK: Tensor, targets_NK: Tensor) -> Tensor:
    return torch.stack([outputs_NK.float(), targets_NK], dim=1).cpu()


def _mean_average_precision(both_N2K: Tensor) -> float:
    """Mean average precision over the labels that occur; 0 if none does."""
    scores, marks = both_N2K.numpy().transpose(1, 2, 0)
    found = [average_precision(s, m)[0] for s, m in zip(scores, marks, strict=True) if m.any()]
    return float(np.mean(found)) if found else 0.0


def _r_squared(both_N2K: Tensor) -> float:
    """One minus mean squared error over variance, clipped at 0."""
    answers, truth = both_N2K.double().unbind(dim=1)
    spread = float((truth - truth.mean()).square().mean())
    return max(0.0, 1.0 - float((answers - truth).square().mean()) / max(spread, 1e-12))


OBJECTIVES: dict[Task, Objective] = {
    "label": Objective(
        metric="accuracy", loss=cross_entropy, noted=_correct_predictions, measure=_correct_share
    ),
    "labels": Objective(
        metric="mean_average_precision",
        loss=binary_cross_entropy,
        noted=_stack_with_targets,
        measure=_mean_average_precision,
    ),
    "number": Objective(
        metric="r_squared", loss=huber_loss, noted=_stack_with_targets, measure=_r_squared
    ),
}
