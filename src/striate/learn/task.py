"""Per-task functions for gradient training: targets, initial head, calibration.

Legend: `N` images, `K` outputs: classes, labels, or one number.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.learn.context import FitData
from striate.learn.linear.linear_model import fit_ridge_on_taps
from striate.learn.linear.target_heads import solve_labels, solve_number
from striate.metrics import target_metrics
from striate.metrics.probability_calibration import choose_calibration, fit_temperature
from striate.predict.classifier import Classifier
from striate.probe.features import FeatureTable
from striate.probe.ridge import RidgeFit
from striate.train.head import Network
from striate.values import ModelSpec, Plan, Rows, Targets, Task

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """How one task is trained.

    `targets` are the training targets of every row of the index. `head` is the exact head on frozen
    features, in the unit of the targets, with which fine-tuning starts. `finished` turns the
    trained network into a model that predicts probabilities, or numbers in their own unit.
    """

    targets: Callable[[FitData], Targets]
    head: Callable[[FitData, FeatureTable, Plan], RidgeFit]
    finished: Callable[[FitData, ModelSpec, Network], Classifier]
    correct: Callable[[FitData, Answers, Rows], NDArray[np.bool_]] | None
    answers: Callable[[Classifier, Answers], Answers]


def task_spec(data: FitData) -> TaskSpec:
    """The functions for the task of a fit."""
    return TASK_SPECS[data.index.task]


def _class_targets(data: FitData) -> Targets:
    return data.labels


def _label_targets(data: FitData) -> Targets:
    return data.index.targets().astype(np.float32)


def _number_targets(data: FitData) -> Targets:
    """The numbers standardised by the mean and deviation of the training images."""
    mean, spread = _number_scale(data)
    return ((data.index.targets() - mean) / spread).astype(np.float32)


def _number_scale(data: FitData) -> tuple[float, float]:
    numbers = data.index.targets()[data.train]
    return float(numbers.mean()), float(numbers.std()) or 1.0


def _class_head(data: FitData, table: FeatureTable, plan: Plan) -> RidgeFit:
    """The exact head with scores divided by its temperature, so that their softmax is calibrated.

    Training then starts at a calibrated model instead of at scores between 0 and 1.
    """
    fit = fit_ridge_on_taps(data, table, plan.taps.value, data.train, plan.balance.value)
    return replace(fit, weights=fit.weights / fit.temperature, bias=fit.bias / fit.temperature)


def _label_head(data: FitData, table: FeatureTable, plan: Plan) -> RidgeFit:
    return solve_labels(data, table, plan.taps.value, data.train).fit


def _number_head(data: FitData, table: FeatureTable, plan: Plan) -> RidgeFit:
    mean, spread = _number_scale(data)
    fit = solve_number(data, table, plan.taps.value, data.train).fit
    return replace(fit, weights=fit.weights / spread, bias=(fit.bias - mean) / spread)


def _calibrate_classes(data: FitData, spec: ModelSpec, network: Network) -> Classifier:
    """Probabilities by one temperature or two-step calibration, as the validation images prefer."""
    classifier = Classifier(spec=spec, network=network.eval())
    if not len(data.val):
        return classifier
    logits, truth = classifier.logits(data.cache.images, data.val), data.labels[data.val]
    temperature = fit_temperature(logits, truth)
    how = choose_calibration(logits, truth, data.groups[data.val], temperature, data.seed)
    spec = replace(spec, temperature=temperature, calibration=how)
    return Classifier(spec=spec, network=network)


def _calibrate_labels(data: FitData, spec: ModelSpec, network: Network) -> Classifier:
    """Probabilities calibrated on the validation images, and the best threshold of each label.

    One slope and offset serve all labels: a rare one has too few images for its own. Without
    validation images the threshold is a half.
    """
    half = (0.5,) * spec.outputs
    classifier = Classifier(spec=replace(spec, thresholds=half), network=network.eval())
    if not len(data.val):
        return classifier
    logits, marks = classifier.logits(data.cache.images, data.val), data.index.targets()[data.val]
    slope, offset = target_metrics.fit_logistic(logits.ravel(), marks.ravel())
    _rescale(network, slope, offset)
    chances: NDArray[np.float32] = target_metrics.logistic(slope * logits + offset)
    found = target_metrics.best_thresholds(chances, marks)
    return Classifier(spec=replace(spec, thresholds=found), network=network)


def _restore_number_unit(data: FitData, spec: ModelSpec, network: Network) -> Classifier:
    mean, spread = _number_scale(data)
    _rescale(network, spread, mean)
    return Classifier(spec=spec, network=network.eval())


def _rescale(network: Network, slope: float, offset: float) -> None:
    """Outputs times a slope, plus an offset."""
    with torch.no_grad():
        network.head.weight.mul_(slope)
        network.head.bias.mul_(slope).add_(offset)


def _correct_classes(data: FitData, answers_NK: Answers, rows: Rows) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = answers_NK.argmax(axis=1) == data.labels[rows]
    return right


def _answers_as_they_are(_: Classifier, found_NK: Answers) -> Answers:
    return found_NK


def _with_labels_said(model: Classifier, found_NK: Answers) -> Answers:
    """Probabilities, then as many columns of 1 where a label is said, by the fold's thresholds."""
    said = found_NK >= np.asarray(model.spec.thresholds, np.float32)
    return np.concatenate([found_NK, said.astype(np.float32)], axis=1)


TASK_SPECS: dict[Task, TaskSpec] = {
    "label": TaskSpec(
        targets=_class_targets,
        head=_class_head,
        finished=_calibrate_classes,
        correct=_correct_classes,
        answers=_answers_as_they_are,
    ),
    "labels": TaskSpec(
        targets=_label_targets,
        head=_label_head,
        finished=_calibrate_labels,
        correct=None,
        answers=_with_labels_said,
    ),
    "number": TaskSpec(
        targets=_number_targets,
        head=_number_head,
        finished=_restore_number_unit,
        correct=None,
        answers=_answers_as_they_are,
    ),
}
