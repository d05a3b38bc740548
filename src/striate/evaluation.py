"""Predictions and an index of labelled images -> how good a model is on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate import statistics
from striate.data.duplicates import known_groups
from striate.decision.acting import NOTHING, Asked
from striate.decision.costs import mean_cost
from striate.decision.faults import (
    Confused,
    Kind,
    Mistake,
    kinds,
    most_confused,
    surest_mistakes,
    worst_groups,
)
from striate.decision.observed import NOTHING_OBSERVED, Observed, observed
from striate.decision.slices import Floats
from striate.errors import SourceError
from striate.score import label_table, score
from striate.values import Index, Interval, Measure, Predictions, Rows, Score

# Fewer images are not cut into kinds.
LEAST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How good a model is on one class; `precision` is None where it never says this class."""

    name: str
    images: int
    recall: Interval | None
    precision: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How good a model is on one of several labels: `images` have it."""

    name: str
    images: int
    precise: Measure
    f1: Measure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """How good a model is on some labelled images.

    `score` leaves out images that are, byte for byte or pixel for pixel, among those that the
    model was trained on, and all but one of several `copies`; it is None where no image is left.
    `groups` is how many groups the counted images belong to, 0 where none holds several: then
    every image is taken for independent. `confusion` is K x K: true classes
    down, predicted across, of the counted images. `set_aside` pairs path and reason.
    Where images have several labels, `labels` stand for `classes`; there is no confusion then,
    nor for a number. Where costs decided the answers, `cost` is what one cost on average, and
    `cost_of_likeliest` what the most probable classes would have cost. `observed` is what other
    wishes came to. `mistakes` are the surest, `confused` the most frequent pairs, `kinds` the
    outer quarters of brightness, contrast, sharpness and size (of 60 images or more), and
    `worst_groups` those of the source's own groups that hold at least 10 images.
    """

    score: Score | None
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    predictions: Predictions
    seen_in_training: int
    set_aside: tuple[tuple[str, str], ...] = ()
    labels: tuple[LabelScore, ...] = ()
    copies: int = 0
    groups: int = 0
    cost: Measure | None = None
    cost_of_likeliest: Measure | None = None
    observed: Observed = NOTHING_OBSERVED
    mistakes: tuple[Mistake, ...] = ()
    confused: tuple[Confused, ...] = ()
    kinds: tuple[Kind, ...] = ()
    worst_groups: tuple[Kind, ...] = ()


def evaluation(
    predictions: Predictions,
    index: Index,
    trained_on: Index | None = None,
    wanted: Asked = NOTHING,
    measured: dict[str, Floats] | None = None,
) -> Evaluation:
    """The evaluation of `predictions` for the used rows of `index`.

    `trained_on` is the index of the run, `wanted` what was asked of the answers, `measured` N
    each what `decision.slices.properties` tells of the images. Raises `SourceError` where no
    label is a class of the model, or where one is not.
    """
    strangers = sorted(set(index.classes) - set(predictions.classes))
    if strangers:
        raise SourceError(
            f"The model does not know {_listed(strangers)}, of {index.root or index.name}; "
            f"it knows {_listed(predictions.classes)}.",
            "Name the folders as the classes of the model, or leave these classes out.",
        )
    seen = _seen(predictions, index, trained_on)
    row_of = {example.path: row for row, example in enumerate(index.examples)}
    rows = np.array([row_of[path] for path in predictions.paths], np.int64)
    groups, first = known_groups(index)[rows], index.firsts(rows)
    fresh = (predictions.truth >= 0) & ~seen
    counted = fresh & first
    judged = score(predictions, groups=groups, counted=~seen, distinct=first)
    copies, several = int((fresh & ~first).sum()), _several(groups[counted])
    aside = tuple((e.path, e.reason) for e in index.examples if e.status == "set_aside")
    if predictions.task != "label":
        return Evaluation(
            score=judged,
            classes=(),
            confusion=np.zeros((0, 0), np.int64),
            predictions=predictions,
            seen_in_training=int(seen.sum()),
            set_aside=aside,
            labels=_label_scores(predictions, counted, groups[counted]),
            copies=copies,
            groups=several,
        )
    size = len(predictions.classes)
    confusion = np.zeros((size, size), np.int64)
    truth, said = predictions.truth[counted], predictions.predicted[counted]
    np.add.at(confusion, (truth, said), 1)
    likeliest = predictions.probabilities[counted].argmax(axis=1)
    paid = [
        None
        if wanted.costs is None or not len(truth)
        else mean_cost(answers, truth, wanted.costs, groups[counted])
        for answers in (said, likeliest)
    ]
    right, together = truth == said, groups[counted]
    several_kinds = len(truth) >= LEAST
    own = [index.examples[row].group for row in rows[counted]]
    cut = {name: of_all[counted] for name, of_all in (measured or {}).items()}
    return Evaluation(
        observed=observed(wanted, predictions, counted, groups),
        mistakes=surest_mistakes(predictions, counted),
        confused=most_confused(predictions.classes, truth, said, together),
        kinds=kinds(cut, right, together) if several_kinds else (),
        worst_groups=worst_groups(own, right, together) if several_kinds else (),
        cost=paid[0],
        cost_of_likeliest=paid[1],
        score=judged,
        classes=tuple(
            _class_score(k, name, truth, said, groups[counted])
            for k, name in enumerate(predictions.classes)
        ),
        confusion=confusion,
        predictions=predictions,
        seen_in_training=int(seen.sum()),
        set_aside=aside,
        copies=copies,
        groups=several,
    )


def _several(groups: Rows) -> int:
    found = len(np.unique(groups))
    return found if found < len(groups) else 0


def _seen(predictions: Predictions, index: Index, trained_on: Index | None) -> NDArray[np.bool_]:
    """Which predictions are of images that the model was trained or chosen on."""
    if trained_on is None:
        return np.zeros(len(predictions.paths), np.bool_)
    known = {
        mark
        for example in trained_on.examples
        if example.status == "used" and example.split in ("train", "val", "")
        for mark in (example.bytes_hash, example.pixels_hash)
        if mark
    }
    marks = {e.path: {e.bytes_hash, e.pixels_hash} for e in index.examples}
    return np.array([bool(marks[path] & known) for path in predictions.paths], np.bool_)


def _label_scores(
    predictions: Predictions, counted: NDArray[np.bool_], groups: Rows
) -> tuple[LabelScore, ...]:
    if predictions.task != "labels" or not counted.any():
        return ()
    images = predictions.targets[counted].sum(axis=0)
    pairs = label_table(predictions, counted, groups)[:-1]
    return tuple(
        LabelScore(name=name, images=int(n), precise=precise, f1=f1)
        for name, n, (precise, f1) in zip(predictions.classes, images, pairs, strict=True)
    )


def _class_score(k: int, name: str, truth: Rows, said: Rows, groups: Rows) -> ClassScore:
    is_it, said_it = truth == k, said == k
    shares = [
        statistics.accuracy_interval((is_it & said_it)[some], groups[some]) if some.any() else None
        for some in (is_it, said_it)
    ]
    return ClassScore(name=name, images=int(is_it.sum()), recall=shares[0], precision=shares[1])


def _listed(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
