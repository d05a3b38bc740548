"""What tasks differ in where a network is trained by steps: a row of functions for each.

Legend: `N` images, `K` outputs: classes, labels, or one number.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate import measures
from striate.calibration import choose_calibration, fit_temperature
from striate.classifier import Classifier
from striate.learn.job import Job
from striate.learn.linear import fit_on
from striate.learn.target_heads import solve
from striate.probe.features import FeatureTable
from striate.probe.ridge import RidgeFit
from striate.train.head import Network
from striate.values import ModelSpec, Plan, Targets, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one task is learnt by steps.

    `lesson` is what the outputs are to be for every row of the index. `head` is the exact head
    on frozen features in the unit of the lesson, where tuning starts. `finished` turns what was
    trained into a model whose answers are probabilities, or numbers in their own unit.
    """

    lesson: Callable[[Job], Targets]
    head: Callable[[Job, FeatureTable, Plan], RidgeFit]
    finished: Callable[[Job, ModelSpec, Network], Classifier]


def kind_of(job: Job) -> Kind:
    """The functions for the task of a job."""
    return KINDS[job.index.task]


def _classes(job: Job) -> Targets:
    return job.labels


def _marks(job: Job) -> Targets:
    return job.index.targets().astype(np.float32)


def _standard_numbers(job: Job) -> Targets:
    """The numbers less their mean, over their spread: both of the training images."""
    mean, spread = _scale(job)
    return ((job.index.targets() - mean) / spread).astype(np.float32)


def _scale(job: Job) -> tuple[float, float]:
    numbers = job.index.targets()[job.train]
    return float(numbers.mean()), float(numbers.std()) or 1.0


def _class_head(job: Job, table: FeatureTable, plan: Plan) -> RidgeFit:
    """Scores over their temperature: their softmax is what the exact head means by them.

    The training then starts at a calibrated model instead of at timid scores between 0 and 1.
    """
    fit = fit_on(job, table, plan.taps.value, job.train, plan.balance.value)
    return replace(fit, weights=fit.weights / fit.temperature, bias=fit.bias / fit.temperature)


def _label_head(job: Job, table: FeatureTable, plan: Plan) -> RidgeFit:
    return solve(job, table, plan.taps.value, job.train).fit


def _number_head(job: Job, table: FeatureTable, plan: Plan) -> RidgeFit:
    mean, spread = _scale(job)
    fit = solve(job, table, plan.taps.value, job.train).fit
    return replace(fit, weights=fit.weights / spread, bias=(fit.bias - mean) / spread)


def _with_true_probabilities(job: Job, spec: ModelSpec, network: Network) -> Classifier:
    """Probabilities by the temperature, or the two steps, that the validation images prefer."""
    classifier = Classifier(spec=spec, network=network.eval())
    if not len(job.val):
        return classifier
    logits, truth = classifier.logits(job.cache.images, job.val), job.labels[job.val]
    temperature = fit_temperature(logits, truth)
    how = choose_calibration(logits, truth, job.groups[job.val], temperature, job.options.seed)
    spec = replace(spec, temperature=temperature, calibration=how)
    return Classifier(spec=spec, network=network)


def _with_thresholds(job: Job, spec: ModelSpec, network: Network) -> Classifier:
    """Calibrated on the validation images, each label said from its best threshold there on.

    One slope and one offset serve all labels: a rare one has too few images for its own. Without
    validation images a label is said from a half on.
    """
    half = (0.5,) * spec.outputs
    classifier = Classifier(spec=replace(spec, thresholds=half), network=network.eval())
    if not len(job.val):
        return classifier
    logits, marks = classifier.logits(job.cache.images, job.val), job.index.targets()[job.val]
    slope, offset = measures.fit_logistic(logits.ravel(), marks.ravel())
    _rescale(network, slope, offset)
    chances: NDArray[np.float32] = measures.logistic(slope * logits + offset)
    found = measures.best_thresholds(chances, marks)
    return Classifier(spec=replace(spec, thresholds=found), network=network)


def _in_own_unit(job: Job, spec: ModelSpec, network: Network) -> Classifier:
    mean, spread = _scale(job)
    _rescale(network, spread, mean)
    return Classifier(spec=spec, network=network.eval())


def _rescale(network: Network, slope: float, offset: float) -> None:
    """Outputs times a slope, plus an offset."""
    with torch.no_grad():
        network.head.weight.mul_(slope)
        network.head.bias.mul_(slope).add_(offset)


KINDS: dict[Task, Kind] = {
    "label": Kind(lesson=_classes, head=_class_head, finished=_with_true_probabilities),
    "labels": Kind(lesson=_marks, head=_label_head, finished=_with_thresholds),
    "number": Kind(lesson=_standard_numbers, head=_number_head, finished=_in_own_unit),
}
