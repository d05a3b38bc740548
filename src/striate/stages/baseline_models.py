"""Baselines: what each level of model adds, from the majority class to the chosen network.

All are evaluated on the same images, and trained on the same ones where the time left allows: only
then is the chosen model compared with them, image by image. Where it does not, the baselines are
trained at several smaller sizes, and nothing is concluded across sizes. Every baseline below the
chosen model is fixed beforehand: none is selected by its result. Legend: `N` evaluated images, `D`
features.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.preprocess import fit_scaling
from striate.data.split.split import FOLDS
from striate.learn.linear.linear_model import tapped_spec
from striate.metrics.intervals import accuracy_interval, cross_validation_factor, paired_difference
from striate.nets import find_net
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
    RANDOM,
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
    RungAtSize,
    Split,
    Values,
)
from striate.values.evidence import RungName
from striate.values.seeds import sample_rows, seed_for

Features = Callable[[Rows], tuple[NDArray[np.float32], tuple[int, ...]]]
Hits = NDArray[np.bool_]
Measured = tuple[Rung, Hits]

PILOT = 300  # training images of the trial that measures the time; no sample is smaller
MOST_JUDGES = 10_000  # evaluated images: their interval is narrow enough
RANDOM_SIZE = 64  # px, the side of images in front of random convolutions
SPARED = 4.0  # seconds that the report takes at least: with less left no rung is begun
ASIDE = ("decode", "split", "report", "ladder")  # stages that are not the chosen model's own


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
    sizes: tuple[int, ...]
    """Numbers of training images below all `learners` at which the accuracy is measured too."""

    def parts(self, learners: Rows) -> Iterator[tuple[Hits, Rows]]:
        """The evaluated rows with their training rows: all at once, or fold by fold."""
        folds = self.split.folds
        if folds is None:
            yield np.ones(len(self.judges), np.bool_), learners
            return
        held = folds[self.judges]
        for fold in np.unique(held):
            yield held == fold, learners[folds[learners] != fold]

    def curve(self, measure_hits: Callable[[Rows], Hits]) -> tuple[RungAtSize, ...]:
        """The accuracy of a model at each of the sizes."""
        return tuple(
            RungAtSize(
                train_images=size,
                accuracy=self.interval(
                    measure_hits(sample_rows(self.learners, size, self.seed, "ladder learners"))
                ),
            )
            for size in self.sizes
        )

    def interval(self, right: Hits) -> Interval:
        """An accuracy with its interval, computed as that of the headline."""
        folds = FOLDS if self.split.evaluation == "cross-validation" else 0
        return accuracy_interval(right, self.split.groups[self.judges], self.seed, folds=folds)

    def difference(self, right: Hits, other: Hits) -> Interval:
        """How much more often the one is correct than the other, paired by image."""
        found = paired_difference(right, other, self.split.groups[self.judges], seed=self.seed)
        if self.split.evaluation != "cross-validation":
            return found
        factor = cross_validation_factor(FOLDS)
        return replace(
            found,
            low=max(-1.0, found.value - factor * (found.value - found.low)),
            high=min(1.0, found.value + factor * (found.high - found.value)),
            method=f"crossed-{found.method}",
        )


def measure_baselines(run: Run, values: Values) -> Ladder:
    """The baselines of a run that has predictions and evaluated images."""
    split, seed, evidence = values.split, run.record.seed, values.evidence
    every = np.sort(np.concatenate([split.train, split.val]))
    judges = values.test_rows[values.counted]
    course = _Comparison(
        index=values.index,
        split=split,
        cache=values.cache,
        machine=values.machine,
        labels=values.index.labels(),
        learners=every,
        judges=sample_rows(judges, MOST_JUDGES, seed, "ladder judges"),
        seed=seed,
        sizes=(),
    )
    closed = values.plan.strategy.value in CLOSED_FORM
    with_pretrained = not closed and evidence is not None and bool(evidence.net)
    if split.evaluation != "cross-validation" and run.clock.remaining() > SPARED:
        seconds = run.clock.remaining() - REPORT_SECONDS
        course = _fit_in_seconds(course, seconds / (3 if with_pretrained else 2))
    images = values.cache.images
    to_measure: list[tuple[RungName, Callable[[], Measured]]] = [
        ("shallow", lambda: _linear_rung(course, "shallow", partial(shallow_features, images))),
        ("random", lambda: _random_rung(course)),
    ]
    # A closed-form model is that rung already, unless the others had to do with fewer images.
    if evidence is not None and evidence.net and (with_pretrained or course.sizes):
        to_measure.append(("pretrained", partial(_pretrained_rung, run, course, evidence)))
    measured, left_out = [_majority_rung(course, values)], []
    for name, measure in to_measure:
        if run.clock.remaining() > SPARED:
            measured.append(measure())
        else:
            left_out.append(name)
    chosen, right = _chosen_rung(run, course, values, len(every))
    rungs = [
        replace(rung, difference=course.difference(right, hits))
        if rung.train_images == chosen.train_images
        else rung
        for rung, hits in measured
    ]
    return Ladder(
        rungs=(*rungs, chosen),
        strategy=values.plan.strategy.value,
        net=values.plan.net.value,
        evaluation=split.evaluation,
        train_images=len(every),
        judge_images=len(judges),
        left_out=tuple(left_out),
    )


def _fit_in_seconds(course: _Comparison, seconds: float) -> _Comparison:
    """The comparison with as many training images as a baseline may take in its seconds.

    A small trial measures them. Features take time linear in the images, the linear model more;
    the exponent 1.5 is between. Below all images, sizes of a learning curve are added: each twice
    the one before.
    """
    every = course.learners
    if len(every) <= PILOT:
        return course
    pilot = replace(
        course,
        learners=sample_rows(every, PILOT, course.seed, "ladder learners"),
        judges=sample_rows(course.judges, PILOT, course.seed, "ladder pilot"),
    )
    began = time.monotonic()
    _linear_rung(pilot, "shallow", lambda rows: shallow_features(course.cache.images, rows))
    took = time.monotonic() - began
    judging = took / 2 * len(course.judges) / PILOT
    share = max(0.0, seconds - judging) / max(took / 2, 1e-3)
    most = max(PILOT, int(PILOT * share ** (1 / 1.5)))
    if most >= len(every):
        return course
    sizes: list[int] = []
    while (size := PILOT * 2 ** len(sizes)) < most:
        sizes.append(size)
    learners = sample_rows(every, most, course.seed, "ladder learners")
    return replace(course, learners=learners, sizes=tuple(sizes) or (PILOT,))


def _majority_rung(course: _Comparison, values: Values) -> Measured:
    right = course.labels[course.judges] == values.majority
    rung = Rung(
        name="majority",
        accuracy=course.interval(right),
        seconds=0.0,
        train_images=len(values.split.train) + len(values.split.val),
        dimensions=0,
    )
    return rung, right


def _chosen_rung(run: Run, course: _Comparison, values: Values, train_images: int) -> Measured:
    predictions, counted = values.predictions, values.counted
    asked = np.isin(values.test_rows[counted], course.judges)
    right = (predictions.predicted == predictions.truth)[counted][asked]
    stages = run.record.stages
    seconds = sum(s for name, s in stages.items() if name not in (*ASIDE, FIRST_MODEL))
    rung = Rung(
        name="chosen",
        accuracy=course.interval(right),
        seconds=round(seconds, 2),
        train_images=train_images,
        dimensions=0,
    )
    return rung, right


def _random_rung(course: _Comparison) -> Measured:
    return _linear_rung(course, "random", _network_features(course, _random_network_rung(course)))


def _linear_rung(course: _Comparison, name: RungName, read: Features) -> Measured:
    """A linear model on some features, its penalty chosen by leave-one-out."""
    began = time.monotonic()
    every = np.unique(np.concatenate([course.learners, course.judges]))
    values, widths = read(every)
    place = {int(row): i for i, row in enumerate(every)}

    def measure_hits(learners: Rows) -> Hits:
        return _cross_validated_hits(
            course, learners, lambda rows: values[[place[int(row)] for row in rows]], widths
        )

    right = measure_hits(course.learners)
    rung = Rung(
        name=name,
        accuracy=course.interval(right),
        seconds=round(time.monotonic() - began, 2),
        train_images=len(course.learners),
        dimensions=sum(widths),
        curve=course.curve(measure_hits),
    )
    return rung, right


def _cross_validated_hits(
    course: _Comparison,
    every: Rows,
    read: Callable[[Rows], NDArray[np.float32]],
    widths: tuple[int, ...],
) -> Hits:
    """Which evaluated images are correct, by a model trained on some rows but never on them."""
    right = np.zeros(len(course.judges), np.bool_)
    for asked, learners in course.parts(every):
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


def _pretrained_rung(run: Run, course: _Comparison, evidence: Evidence) -> Measured:
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

        def measure_hits(learners: Rows) -> Hits:
            return _cross_validated_hits(
                course, learners, lambda rows: table.of(rows, best.taps), widths
            )

        right, dimensions = measure_hits(course.learners), sum(widths)
        curve = course.curve(measure_hits)
    else:
        right, dimensions = _nested_probe_hits(course, table)
        curve = ()
    rung = Rung(
        name="pretrained",
        accuracy=course.interval(right),
        seconds=round(time.monotonic() - began + known.seconds * share, 2),
        train_images=len(course.learners),
        dimensions=dimensions,
        curve=curve,
    )
    return rung, right


def _nested_probe_hits(course: _Comparison, table: FeatureTable) -> tuple[Hits, int]:
    """Which images are predicted correctly by the probe chosen on the others; mean features."""
    right = np.zeros(len(course.judges), np.bool_)
    widths = []
    for asked, learners in course.parts(course.learners):
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
    """Features of the training images, and those of images that are only evaluated."""
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
