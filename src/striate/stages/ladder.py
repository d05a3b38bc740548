"""The ladder: what each step from guessing to the chosen network buys, on the same split.

Every rung below the chosen one is fixed beforehand: nothing is chosen by what it gets right.
Legend: `N` images that judge, `D` features.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.preprocess import fit_scaling
from striate.data.split import FOLDS
from striate.learn.linear import spec_on
from striate.learn.procedure import CLOSED_FORM
from striate.nets import RANDOM, find_net
from striate.probe.features import FeatureTable, all_taps, extract
from striate.probe.ridge import fit_path
from striate.probe.shallow import shallow_features
from striate.run import FIRST_MODEL, Run
from striate.statistics import accuracy_interval, seed_for, some_of
from striate.store.files import of_arrays
from striate.train.head import Network, assemble
from striate.values import (
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
    Tap,
    Values,
)
from striate.values.ladder import RungName

Features = Callable[[Rows], tuple[NDArray[np.float32], tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Course:
    """What all rungs share: who learns, who judges, what is known of them."""

    index: Index
    split: Split
    cache: Cache
    machine: Machine
    labels: Rows
    learners: Rows
    judges: Rows
    seed: int

    def interval(self, right: NDArray[np.bool_], rows: Rows) -> Interval:
        """A share right with its interval, made as that of the headline is."""
        folds = FOLDS if self.split.evaluation == "cross-validation" else 0
        return accuracy_interval(right, self.split.groups[rows], self.seed, folds=folds)


def climb(run: Run, values: Values) -> Ladder:
    """The ladder of a run that has come to its predictions and has images that judge."""
    split, seed, evidence = values.split, run.record.seed, values.evidence
    crossed = split.evaluation == "cross-validation"
    judges = values.test_rows[values.counted]
    every = np.sort(np.concatenate([split.train, split.val]))
    course = _Course(
        index=values.index,
        split=split,
        cache=values.cache,
        machine=values.machine,
        labels=values.index.labels(),
        learners=every if crossed else some_of(every, MOST_LEARNERS, seed, "ladder learners"),
        judges=judges if crossed else some_of(judges, MOST_JUDGES, seed, "ladder judges"),
        seed=seed,
    )
    rungs = [
        _majority(course, every, judges),
        _rung(course, "shallow", lambda rows: shallow_features(values.cache.images, rows)),
        _rung(course, "random", _of_network(course, _random(course))),
    ]
    if values.plan.strategy.value not in CLOSED_FORM and evidence is not None and evidence.net:
        rungs.append(_pretrained(run, course, evidence))
    rungs.append(_chosen(run, course, values))
    return Ladder(
        rungs=tuple(rungs),
        strategy=values.plan.strategy.value,
        net=values.plan.net.value,
        evaluation=split.evaluation,
        train_images=len(every),
        judge_images=len(judges),
    )


def _majority(course: _Course, learners: Rows, judges: Rows) -> Rung:
    commonest = int(np.bincount(course.labels[learners]).argmax())
    right = course.labels[judges] == commonest
    return Rung(
        name="majority",
        accuracy=course.interval(right, judges),
        seconds=0.0,
        train_images=len(learners),
        dimensions=0,
    )


def _chosen(run: Run, course: _Course, values: Values) -> Rung:
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


def _rung(course: _Course, name: RungName, read: Features) -> Rung:
    """A linear model on some features, its penalty chosen by leave-one-out."""
    began = time.monotonic()
    every = np.unique(np.concatenate([course.learners, course.judges]))
    values, widths = read(every)
    place = {int(row): i for i, row in enumerate(every)}
    right = _judged(course, lambda rows: values[[place[int(row)] for row in rows]], widths)
    return Rung(
        name=name,
        accuracy=course.interval(right, course.judges),
        seconds=round(time.monotonic() - began, 2),
        train_images=len(course.learners),
        dimensions=sum(widths),
    )


def _judged(
    course: _Course, read: Callable[[Rows], NDArray[np.float32]], widths: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which judges are right, by a model that did not see them."""
    right = np.zeros(len(course.judges), np.bool_)
    folds = course.split.folds
    held = np.zeros(len(course.judges), np.int64) if folds is None else folds[course.judges]
    for fold in np.unique(held):
        asked = held == fold
        learners = course.learners
        if folds is not None:
            learners = learners[folds[learners] != fold]
        fit = fit_path(
            read(learners),
            course.labels[learners],
            len(course.index.classes),
            course.split.groups[learners],
            widths=widths,
        )
        judges = course.judges[asked]
        right[asked] = fit.scores(read(judges)).argmax(axis=1) == course.labels[judges]
    return right


def _of_network(course: _Course, made: tuple[Network, ModelSpec]) -> Features:
    network, spec = made

    def read(rows: Rows) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        found = extract(network, course.cache, rows, spec, course.machine)
        return found.values, found.widths

    return read


def _random(course: _Course) -> tuple[Network, ModelSpec]:
    """A compact network as it is born: its convolutions are drawn by lot and learn nothing."""
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
        return assemble(spec, RANDOM).eval(), spec


def _pretrained(run: Run, course: _Course, evidence: Evidence) -> Rung:
    """The linear model that was probed, on features that are there already where they are."""
    best = next(probe for probe in evidence.probes if probe.name == evidence.best_probe)
    known: FeatureTable = run.read("features.npz", of_arrays(FeatureTable))
    every = all_taps(tuple(dict.fromkeys(tap.stage for tap in known.taps)))
    spec = spec_on(
        evidence.net, evidence.input_size, every, course.index, course.cache, course.machine
    )
    weights = run.record.settings.weights
    network, share = assemble(spec, weights).eval(), len(course.learners) / len(known.rows)

    def read(rows: Rows) -> tuple[NDArray[np.float32], tuple[int, ...]]:
        new = np.setdiff1d(rows, known.rows)
        found = extract(network, course.cache, new, spec, course.machine) if len(new) else None
        tables = [known] if found is None else [known, found]
        place = {
            int(row): (t, i) for t, table in enumerate(tables) for i, row in enumerate(table.rows)
        }
        columns = known.columns(best.taps)
        values = np.stack([tables[t].values[i, columns] for t, i in (place[int(r)] for r in rows)])
        return values, _widths(known, best.taps)

    rung = _rung(course, "pretrained", read)
    return replace(rung, seconds=round(rung.seconds + known.seconds * min(1.0, share), 2))


def _widths(table: FeatureTable, taps: tuple[Tap, ...]) -> tuple[int, ...]:
    width = dict(zip(table.taps, table.widths, strict=True))
    return tuple(width[tap] for tap in taps)


ASIDE = ("decode", "split", "report", "ladder")
MOST_LEARNERS, MOST_JUDGES = 2_000, 1_000
RANDOM_SIZE = 64
