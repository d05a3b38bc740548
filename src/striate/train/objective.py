"""What a training by steps makes small and what it is judged by, for each task.

Legend: `N` images, `K` outputs. Targets are class numbers N (`label`), 0 or 1 for every label
N x K (`labels`), or the number less its mean over its spread N x 1 (`number`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.measures import average_precision
from striate.train.loss import labels_loss, loss, number_loss
from striate.values import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """How outputs N x K are held against targets.

    `loss` takes outputs, targets, label smoothing and class weights. `noted` is what of a batch
    the measure needs, a row an image, and `measure` what all of it together is worth: accuracy,
    mean average precision, or R² not below 0, in [0, 1]; `metric` is its name.
    """

    metric: str
    loss: Callable[[Tensor, Tensor, float, Tensor | None], Tensor]
    noted: Callable[[Tensor, Tensor], Tensor]
    measure: Callable[[Tensor], float]


def objective_of(task: Task) -> Objective:
    """The objective of a task."""
    return OBJECTIVES[task]


def _right(outputs_NK: Tensor, labels_N: Tensor) -> Tensor:
    return (outputs_NK.argmax(dim=1) == labels_N).cpu()


def _share(right_N: Tensor) -> float:
    return int(right_N.sum()) / len(right_N)


def _both(outputs_NK: Tensor, targets_NK: Tensor) -> Tensor:
    return torch.stack([outputs_NK.float(), targets_NK], dim=1).cpu()


def _mean_average_precision(both_N2K: Tensor) -> float:
    """The mean over the labels that some image has; 0 where none has any."""
    scores, marks = both_N2K.numpy().transpose(1, 2, 0)
    found = [average_precision(s, m)[0] for s, m in zip(scores, marks, strict=True) if m.any()]
    return float(np.mean(found)) if found else 0.0


def _r_squared(both_N2K: Tensor) -> float:
    """1 less the mean squared error over the variance, held at 0 and above."""
    answers, truth = both_N2K.double().unbind(dim=1)
    spread = float((truth - truth.mean()).square().mean())
    return max(0.0, 1.0 - float((answers - truth).square().mean()) / max(spread, 1e-12))


OBJECTIVES: dict[Task, Objective] = {
    "label": Objective(metric="accuracy", loss=loss, noted=_right, measure=_share),
    "labels": Objective(
        metric="mean_average_precision",
        loss=labels_loss,
        noted=_both,
        measure=_mean_average_precision,
    ),
    "number": Objective(metric="r_squared", loss=number_loss, noted=_both, measure=_r_squared),
}
