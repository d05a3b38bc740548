"""Baselines: what each level of model adds, from the majority class to the chosen network.

All are evaluated on the same split. Every baseline below the chosen model is fixed beforehand: none
is selected by its result. Training and test images are sampled to the budget's seconds, but never
below some hundreds. Legend: `N` evaluated images, `D` features.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.preprocess import fit_scaling
from striate.data.split.split import FOLDS
from striate.learn.linear.linear_model import tapped_spec
from striate.metrics.intervals import accuracy_interval, sample_rows, seed_for
from striate.nets import RANDOM, find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.probe.handmade_features import shallow_features
from striate.probe.ridge import fit_ridge_path
from striate.probe.stage_probes import probe_taps
from striate.run import FIRST_MODEL, Run
from striate.store.files import arrays_codec
from striate.strategy.budget import REPORT_SECONDS
from striate.train.head import Network, build_network
from striate.values import (
    CLOSED_FORM,
    Cache,
    Evidence,
    Index,
    Interval,
    Ladder,
    Machine,
    ModelSpec,
    NetSettings,
    Rows,
    Rung,
    Split,
    Values,
)
from striate.values.evidence import RungName

Features = Callable[[Rows], tuple[NDArray[np.float32], tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Comparison:
    """What all baselines share: training rows, evaluated rows, and what is known of them."""

    index: Index
    split: Split
    cache: Cache
    machine: Machine
    labels: Rows
    learners: Rows
    judges: Rows
    seed: int

    def parts(self) -> Iterator[tuple[NDArray[np.bool_], Rows]]:
        """The evaluated rows with their training rows: all at once, or fold by fold."""
        folds = self.split.folds
        if folds is None:
            yield np.ones(len(self.judges), np.bool_), self.learners
            return
        held = folds[self.judges]
        for fold in np.unique(held):
            yield held == fold, self.learners[folds[self.learners] != fold]

    def interval(self, right: NDArray[np.bool_], rows: Rows) -> Interval:
        """An accuracy with its interval, computed as that of the headline."""
        folds = FOLDS if self.split.evaluation == "cross-validation" else 0
        return accuracy_interval(right, self.split.groups[rows], self.seed, folds=folds)


def measure_baselines(run: Run, values: Values) -> Ladder:
    """The baselines of a run that has predictions and evaluated images."""
    split, seed, evidence = values.split, run.record.seed, values.evidence
    crossed = split.evaluation == "cross-validation"
    judges = values.test_rows[values.counted]
    every = np.sort(np.concatenate([split.train, split.val]))
    course = _Comparison(
        index=values.index,
        split=split,
        cache=values.cache,
        machine=values.machine,
        labels=values.index.labels(),
        learners=every,
        judges=judges,
        seed=seed,
    )
    with_pretrained = (
        values.plan.strategy.value not in CLOSED_FORM and evidence is not None and evidence.net
    )
    if not crossed:
        seconds = run.clock.remaining() - REPORT_SECONDS
        course = _fit_in_seconds(course, every, judges, seconds / (3 if with_pretrained else 2))
    rungs = [
        _majority_rung(course, values),
        _linear_rung(course, "shallow", lambda rows: shallow_features(values.cache.images, rows)),
        _linear_rung(course, "random", _network_features(course, _random_network_rung(course))),
    ]
    if with_pretrained:
        assert evidence is not None
        rungs.append(_pretrained_rung(run, course, evidence))
    rungs.append(_chosen_rung(run, course, values))
    return Ladder(
        rungs=tuple(rungs),
        strategy=values.plan.strategy.value,
        net=values.plan.net.value,
        evaluation=split.evaluation,
        train_images=len(every),
        judge_images=len(judges),
    )


def _fit_in_seconds(course: _Comparison, every: Rows, judges: Rows, seconds: float) -> _Comparison:
    """The comparison with as many images as a baseline may take in its seconds, by a small trial.

    Features take time linear in the images, the linear model quadratic and more; the quadratic of
    the trial's is between. Never fewer images than the trial's, never more than there are.
    """
    pilot = _subsample(course, every, judges, PILOT)
    began = time.monotonic()
    _linear_rung(pilot, "shallow", lambda rows: shallow_features(course.cache.images, rows))
    took = time.monotonic() - began
    most = PILOT * math.sqrt(max(0.0, seconds) / max(took, 1e-3))
    return _subsample(course, every, judges, min(MOST_LEARNERS, max(PILOT, int(most))))


def _subsample(course: _Comparison, every: Rows, judges: Rows, learners: int) -> _Comparison:
    """The comparison on a sample: half as many evaluated as training images, but some hundreds."""
    return replace(
        course,
        learners=sample_rows(every, learners, course.seed, "ladder learners"),
        judges=sample_rows(judges, max(PILOT, learners // 2), course.seed, "ladder judges"),
    )


def _majority_rung(course: _Comparison, values: Values) -> Rung:
    judges = values.test_rows[values.counted]
    return Rung(
        name="majority",
        accuracy=course.interval(course.labels[judges] == values.majority, judges),
        seconds=0.0,
        train_images=len(values.split.train) + len(values.split.val),
        dimensions=0,
    )


def _chosen_rung(run: Run, course: _Comparison, values: Values) -> Rung:
    predictions, counted = values.predictions, values.counted
    right = (predictions.predicted == predictions.truth)[counted]
    stages = run.record.stages
    seconds = sum(s for name, s in stages.items() if name not in (*ASIDE, FIRST_MODEL))
    return Rung(
        name="chosen",
        accuracy=course.interval(right, values.test_rows[counted]),
        seconds=round(seconds, 2),
        train_images=len(course.split.train) + len(course.split.val),
        dimensions=0,
    )


def _linear_rung(course: _Comparison, name: RungName, read: Features) -> Rung:
    """A linear model on some features, its penalty chosen by leave-one-out."""
    began = time.monotonic()
    every = np.unique(np.concatenate([course.learners, course.judges]))
    values, widths = read(every)
    place = {int(row): i for i, row in enumerate(every)}
    right = _cross_validated_hits(
        course, lambda rows: values[[place[int(row)] for row in rows]], widths
    )
    return Rung(
        name=name,
        accuracy=course.interval(right, course.judges),
        seconds=round(time.monotonic() - began, 2),
        train_images=len(course.learners),
        dimensions=sum(widths),
    )


def _cross_validated_hits(
    course: _Comparison, read: Callable[[Rows], NDArray[np.float32]], widths: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which evaluated images are correct, by a model not trained on them."""
    right = np.zeros(len(course.judges), np.bool_)
    for asked, learners in course.parts():
        fit = fit_ridge_path(
            read(learners),
            course.labels[learners],
            len(course.index.classes),
            course.split.groups[learners],
            widths=widths,
        )
        judges = course.judges[asked]
        right[asked] = fit.scores(read(judges)).argmax(axis=1) == course.labels[judges]
    return right


def _network_features(course: _Comparison, made: tuple[Network, ModelSpec]) -> Features:
    network, spec = made

    def read(rows: Rows) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        found = extract_features(network, course.cache, rows, spec, course.machine)
        return found.values, found.widths

    return read


def _random_network_rung(course: _Comparison) -> tuple[Network, ModelSpec]:
    """A compact network at initialisation: its random convolutions are not trained."""
    mean, std = fit_scaling(course.cache, course.learners)
    spec = ModelSpec(
        net="compact",
        settings=NetSettings(),
        classes=course.index.classes,
        channels=course.cache.channels,
        input_size=min(course.cache.size, RANDOM_SIZE),
        cache_size=course.cache.size,
        resize=course.cache.resize,
        mean=mean,
        std=std,
        taps=all_taps(find_net("compact").card("compact").stages),
        precision="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(course.seed, "random convolutions"))
        return build_network(spec, RANDOM).eval(), spec


def _pretrained_rung(run: Run, course: _Comparison, evidence: Evidence) -> Rung:
    """The linear model on a pretrained network, on cached features where there are any.

    The stages it reads were chosen on the training images; in a cross-validation on the training
    part of each fold, since the run's own choice used the evaluated images.
    """
    began = time.monotonic()
    known: FeatureTable = run.read(evidence.features, arrays_codec(FeatureTable))
    share = min(1.0, len(course.learners) / len(known.rows))
    table = _features_with_judges(known, course, evidence)
    best = next(probe for probe in evidence.probes if probe.name == evidence.best_probe)
    if course.split.folds is None:
        width = dict(zip(table.taps, table.widths, strict=True))
        widths = tuple(width[tap] for tap in best.taps)
        right = _cross_validated_hits(course, lambda rows: table.of(rows, best.taps), widths)
        dimensions = sum(widths)
    else:
        right, dimensions = _nested_probe_hits(course, table)
    return Rung(
        name="pretrained",
        accuracy=course.interval(right, course.judges),
        seconds=round(time.monotonic() - began + known.seconds * share, 2),
        train_images=len(course.learners),
        dimensions=dimensions,
    )


def _nested_probe_hits(course: _Comparison, table: FeatureTable) -> tuple[NDArray[np.bool_], int]:
    """Which judges are right by the probe that the others choose; the mean number of features."""
    right = np.zeros(len(course.judges), np.bool_)
    widths = []
    for asked, learners in course.parts():
        judges, groups = course.judges[asked], course.split.groups
        classes, seed = len(course.index.classes), course.seed
        found = probe_taps(table, course.labels, classes, learners, judges[:0], groups, seed)
        scores = found.fit.scores(table.of(judges, found.best.taps))
        right[asked] = scores.argmax(axis=1) == course.labels[judges]
        widths.append(found.best.dimensions)
    return right, round(float(np.mean(widths)))


def _features_with_judges(
    known: FeatureTable, course: _Comparison, evidence: Evidence
) -> FeatureTable:
    """The features computed before the choice, and those of images that are only evaluated."""
    new = np.setdiff1d(np.concatenate([course.learners, course.judges]), known.rows)
    if not len(new):
        return known
    taps = all_taps(tuple(dict.fromkeys(tap.stage for tap in known.taps)))
    spec = tapped_spec(
        evidence.net, evidence.input_size, taps, course.index, course.cache, course.machine
    )
    network = build_network(spec, evidence.weights or None)
    found = extract_features(network.eval(), course.cache, new, spec, course.machine)
    return replace(
        known,
        rows=np.concatenate([known.rows, found.rows]),
        values=np.concatenate([known.values, found.values]),
    )


ASIDE = ("decode", "split", "report", "ladder")
MOST_LEARNERS, PILOT = 2_000, 300
RANDOM_SIZE = 64
