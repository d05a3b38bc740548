"""Runs that are made up: curves of tiny networks that were trained, all else simulated."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from checks import HEALTHY, Recipe, trained
from numpy.typing import NDArray

from striate.data.split.image_series import find_series, series_notes
from striate.metrics import curve_smoothing, intervals
from striate.probe.outlier_scores import find_outliers, left_out_probabilities, rank_label_errors
from striate.values import Epoch, History, Index, Predictions, Rows, Score, Values, WithLeaked
from striate.values.seeds import make_rng

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import made

FEATURES, MANY = 24, 20_000


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a run is made before something befalls it."""

    classes: int = 4
    images: int = 800
    shares: tuple[float, ...] | None = None
    burst: int = 1
    recipe: Recipe = HEALTHY["cosine"]
    # What the test images lack of the accuracy on validation images, and the best other strategy.
    harder: float = 0.0
    behind: float = 0.15
    wrong_labels: float = 0.0
    # How far classes lie apart in the features, in deviations of an image within its class.
    apart: float = 9.0
    strangers: int = 0
    series: bool = False
    before: Callable[[Values, np.random.Generator], Values] = lambda values, draw: values
    after: Callable[[Values, np.random.Generator], Values] = lambda values, draw: values


def run_of(given: Made, seed: int) -> Values:
    """A finished run that never ran, but for its training."""
    draw = make_rng(seed, "run")
    # What is true of new images, by as many as make it sure; validation images are fewer.
    accuracy = kept(history_of(given.recipe, seed, MANY)).val_accuracy
    values = made.values(
        classes=given.classes,
        images=given.images,
        accuracy=accuracy,
        size=4,
        set_aside=0,
        leaked=0,
        shares=given.shares,
        seed=seed,
    )
    if given.burst > 1:
        groups = np.arange(len(values.index.examples)) // given.burst
        values = replace(values, split=replace(values.split, groups=groups))
    values = _drawn_images(values, given.series, draw)
    values = given.before(values, draw)
    values = _measured(values, given, draw)
    history = history_of(given.recipe, seed, len(values.split.val))
    values = _answered(replace(values, history=history), accuracy, given, draw)
    return given.after(values, draw)


def kept(history: History) -> Epoch:
    """The epoch whose weights are the model."""
    return history.epochs[history.kept_epoch - 1]


@cache
def history_of(recipe: Recipe, seed: int, val: int) -> History:
    """A real training of a tiny network as a run's history, judged by `val` points."""
    curves, _ = trained(recipe, seed, val)
    rows = [
        Epoch(
            epoch=k + 1,
            step=k + 1,
            lr=curves.lr[k],
            train_loss=curves.train_loss[k],
            train_accuracy=curves.train_accuracy[k],
            val_loss=curves.val_loss[k],
            val_accuracy=curves.val_accuracy[k],
            seconds=1.0,
            pictures_per_second=2000.0,
        )
        for k in range(len(curves.epochs))
    ]
    best = (
        curve_smoothing.find_best_epoch(np.nan_to_num(curves.val_loss, nan=1e9, posinf=1e9)).place
        + 1
    )
    return History(epochs=tuple(rows), kept_epoch=best, train_images=recipe.images, val_images=val)


def _drawn_images(values: Values, series: bool, draw: np.random.Generator) -> Values:
    """Smooth random images, a little brighter or darker by class; in a series neighbours agree."""
    count, labels = len(values.index.examples), values.index.labels()
    coarse = draw.normal(0, 1, (count, 4, 4, 3))
    if series:
        # Bursts of five pictures, as their names follow each other.
        coarse = coarse[np.arange(count) // 5 * 5] + 0.3 * coarse
    smooth = coarse.repeat(4, axis=1).repeat(4, axis=2) + draw.normal(0, 0.3, (count, 16, 16, 3))
    light = draw.normal(0, 0.5, (count, 1, 1, 1))
    middle = np.zeros((count, 16, 16, 1))
    middle[:, 4:12, 4:12, 0] = (labels % 3 - 1)[:, None, None] * 0.8
    pixels = np.clip(128 + 40 * (smooth + light + middle), 0, 255).astype(np.uint8)
    return replace(values, cache=replace(values.cache, images=pixels))


def _measured(values: Values, given: Made, draw: np.random.Generator) -> Values:
    """What a fit measures of features and of names in order."""
    index, split = values.index, values.split
    rows = np.sort(np.concatenate([split.train, split.val]))
    labels = index.labels()[rows]
    far = given.apart / np.sqrt(2 * FEATURES)
    centres = draw.normal(0, far, (len(index.classes), FEATURES))
    features = centres[labels] + draw.normal(0, 1, (len(rows), FEATURES))
    strangers = draw.choice(len(rows), given.strangers, replace=False)
    features[strangers] += draw.normal(0, 4, (given.strangers, FEATURES))
    if given.wrong_labels:
        index = _mislabelled(index, rows, given.wrong_labels, draw)
        labels = index.labels()[rows]
    table = features.astype(np.float32)
    groups = split.groups[rows]
    likely = left_out_probabilities(table, labels, len(index.classes), groups)
    notes = series_notes(find_series(index, values.cache, split.groups))
    return replace(
        values,
        index=index,
        split=replace(split, notes=(*split.notes, *notes)),
        doubts=rank_label_errors(likely, index, rows)[:1000],
        outliers=find_outliers({"top": table}, index, rows, groups),
    )


def _mislabelled(index: Index, rows: Rows, share: float, draw: np.random.Generator) -> Index:
    examples = list(index.examples)
    for row in draw.choice(rows, round(share * len(rows)), replace=False):
        others = [name for name in index.classes if name != examples[row].label]
        examples[row] = replace(examples[row], label=str(draw.choice(others)))
    return replace(index, examples=tuple(examples))


def _answered(values: Values, accuracy: float, given: Made, draw: np.random.Generator) -> Values:
    """Answers whose stated probabilities are true, and the scores that follow."""
    split = values.split
    assert values.history is not None
    # The history tells how many of the validation images were right.
    right = round(kept(values.history).val_accuracy * len(split.val))
    val = _calibrated(values.index, split.val, accuracy, draw, right)
    test = _calibrated(values.index, values.test_rows, accuracy - given.harder, draw)
    assert values.evidence is not None
    linear = intervals.wilson(
        int(draw.binomial(len(split.val), max(0.0, accuracy - given.behind))), len(split.val)
    )
    probes = tuple(
        replace(p, val_accuracy=linear) if p.name == values.evidence.best_probe else p
        for p in values.evidence.probes
    )
    evidence = replace(values.evidence, probes=probes, trials=())
    values = replace(values, predictions=test, val_predictions=val, evidence=evidence)
    return scored(values)


def _calibrated(
    index: Index,
    rows: Rows,
    accuracy: float,
    draw: np.random.Generator,
    count: int | None = None,
) -> Predictions:
    """Answers with a certainty each, right as often as that says, or so many, the likelier ones."""
    classes, truth = len(index.classes), index.labels()[rows]
    accuracy = min(0.995, max(1.05 / classes, accuracy))
    sure = draw.beta(8 * accuracy, 8 * (1 - accuracy), len(rows)).clip(1.02 / classes, 0.999)
    luck = draw.random(len(rows)) / sure
    right = luck < 1 if count is None else np.argsort(np.argsort(luck)) < count
    answer = np.where(right, truth, (truth + draw.integers(1, classes, len(rows))) % classes)
    return answered_so(index, rows, answer, sure)


def answered_so(
    index: Index, rows: Rows, answer: Rows, sure: NDArray[np.float64], truth: Rows | None = None
) -> Predictions:
    """Predictions that give these answers, so sure of them."""
    classes = len(index.classes)
    table = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    table[np.arange(len(rows)), answer] = sure
    return Predictions(
        classes=index.classes,
        paths=tuple(index.examples[row].path for row in rows),
        probabilities=table.astype(np.float32),
        truth=index.labels()[rows] if truth is None else truth,
    )


def scored(values: Values) -> Values:
    """The values with the scores of their predictions."""
    groups = values.split.groups
    test = _score(values, values.predictions, groups[values.test_rows], "test-split")
    assert values.val_predictions is not None
    val = _score(values, values.val_predictions, groups[values.split.val], "validation")
    return replace(values, summary=replace(values.summary, test=test, val=val))


def _score(values: Values, found: Predictions, groups: Rows, evaluation: str) -> Score:
    counted = values.counted if evaluation == "test-split" else np.ones(len(groups), np.bool_)
    right = found.predicted == found.truth
    share = intervals.accuracy_interval(right[counted], groups[counted], values.options.seed)
    score = made.made_score(found, evaluation, counted)
    assert score is not None
    leaked = None
    if not counted.all():
        leaked = WithLeaked(value=float(right.mean()), n=len(right))
    return replace(
        score,
        value=share.value,
        interval=(share.low, share.high),
        n=share.n,
        method=share.method,
        with_leaked=leaked,
    )


# What befalls a run once its images, or its answers, are there.
