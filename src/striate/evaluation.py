"""Predictions and an index of labelled images -> how good a model is on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate import statistics
from striate.errors import SourceError
from striate.score import label_table, score
from striate.values import Index, Interval, Measure, Predictions, Score


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
    model was trained on; it is None where no image is left. `confusion` is K x K: true classes
    down, predicted across, of the counted images. `set_aside` pairs path and reason.
    Where images have several labels, `labels` stand for `classes`; there is no confusion then,
    nor for a number.
    """

    score: Score | None
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    predictions: Predictions
    seen_in_training: int
    set_aside: tuple[tuple[str, str], ...] = ()
    labels: tuple[LabelScore, ...] = ()


def evaluation(
    predictions: Predictions, index: Index, trained_on: Index | None = None
) -> Evaluation:
    """The evaluation of `predictions` for the used rows of `index`.

    `trained_on` is the index of the run. Raises `SourceError` where no label is a class of the
    model, or where one is not.
    """
    strangers = sorted(set(index.classes) - set(predictions.classes))
    if strangers:
        raise SourceError(
            f"The model does not know {_listed(strangers)}, of {index.root or index.name}; "
            f"it knows {_listed(predictions.classes)}.",
            "Name the folders as the classes of the model, or leave these classes out.",
        )
    seen = _seen(predictions, index, trained_on)
    counted = (predictions.truth >= 0) & ~seen
    aside = tuple((e.path, e.reason) for e in index.examples if e.status == "set_aside")
    if predictions.task != "label":
        return Evaluation(
            score=score(predictions, counted=counted),
            classes=(),
            confusion=np.zeros((0, 0), np.int64),
            predictions=predictions,
            seen_in_training=int(seen.sum()),
            set_aside=aside,
            labels=_label_scores(predictions, counted),
        )
    size = len(predictions.classes)
    confusion = np.zeros((size, size), np.int64)
    np.add.at(confusion, (predictions.truth[counted], predictions.predicted[counted]), 1)
    return Evaluation(
        score=score(predictions, counted=counted),
        classes=tuple(_class_score(k, predictions.classes[k], confusion) for k in range(size)),
        confusion=confusion,
        predictions=predictions,
        seen_in_training=int(seen.sum()),
        set_aside=aside,
    )


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


def _label_scores(predictions: Predictions, counted: NDArray[np.bool_]) -> tuple[LabelScore, ...]:
    if predictions.task != "labels" or not counted.any():
        return ()
    images = predictions.targets[counted].sum(axis=0)
    pairs = label_table(predictions, counted)[:-1]
    return tuple(
        LabelScore(name=name, images=int(n), precise=precise, f1=f1)
        for name, n, (precise, f1) in zip(predictions.classes, images, pairs, strict=True)
    )


def _class_score(k: int, name: str, confusion: NDArray[np.int64]) -> ClassScore:
    right, images, said = confusion[k, k], confusion[k].sum(), confusion[:, k].sum()
    return ClassScore(
        name=name,
        images=int(images),
        recall=statistics.wilson(int(right), int(images)) if images else None,
        precision=statistics.wilson(int(right), int(said)) if said else None,
    )


def _listed(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
