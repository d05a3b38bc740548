"""Evaluation of a model's predictions on labelled images."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.split.duplicates import find_hash_groups
from striate.errors import SourceError
from striate.metrics import intervals
from striate.metrics.image_slices import Floats
from striate.metrics.score import label_table, score_predictions
from striate.predict.costs import mean_cost
from striate.predict.decision_rules import NO_RULES, DecisionRules
from striate.predict.mistakes import (
    ConfusedPair,
    ImageKind,
    Mistake,
    accuracy_by_kind,
    confident_mistakes,
    most_confused_pairs,
    worst_groups,
)
from striate.predict.observed_rates import NOTHING_OBSERVED, ObservedRates, observe_rates
from striate.values import Example, Index, Interval, Measure, Predictions, Rows, Score, names_in

# Fewer images are not cut into kinds.
LEAST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Recall and precision of one class; `precision` is None if it is never predicted."""

    name: str
    images: int
    recall: Interval | None
    precision: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMetrics:
    """Metrics of one of several labels; `images` have it."""

    name: str
    images: int
    precise: Measure
    f1: Measure


class Judged(NamedTuple):
    """The evaluation of one image.

    `correct` is None if there is no prediction, and for numbers. `counted` is `yes`, or why it does
    not count: `not read`, `unknown class`, `trained on`, `copy`, `no label`.
    """

    path: str
    label: str
    predicted: str | None
    probability: float
    correct: bool | None
    counted: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """The evaluation of a model on labelled images.

    `score` leaves out images that are, byte for byte or pixel for pixel, among the training and
    validation images, and counts duplicates (`copies`) once; it is None if no image is left.
    `unknown_classes` are classes that the model does not have, each with its number of images,
    which are not counted. `rows` holds the prediction of every image and whether it is counted.
    `groups` is the number of groups of the counted images, 0 if no group holds several: then the
    images are assumed to be independent. `confusion` is K x K: true classes down, predicted across,
    of the counted images. `set_aside` pairs path and reason. With several labels, `labels` stand in
    for `classes`; `confusion` exists only for one label. With costs, `cost` is the mean cost of a
    prediction, and `cost_of_likeliest` that of the most probable classes. `observed` is what the
    other decision rules reached. `mistakes` are the most confident ones, `confused` the most
    frequent pairs, `kinds` the outer quarters of brightness, contrast, sharpness and size (with 60
    images or more), and `worst_groups` the least accurate of the source's own groups with at least
    10 images.
    """

    score: Score | None
    classes: tuple[ClassMetrics, ...]
    confusion: NDArray[np.int64]
    predictions: Predictions
    seen_in_training: int
    set_aside: tuple[tuple[str, str], ...] = ()
    labels: tuple[LabelMetrics, ...] = ()
    copies: int = 0
    groups: int = 0
    cost: Measure | None = None
    cost_of_likeliest: Measure | None = None
    observed: ObservedRates = NOTHING_OBSERVED
    mistakes: tuple[Mistake, ...] = ()
    confused: tuple[ConfusedPair, ...] = ()
    kinds: tuple[ImageKind, ...] = ()
    worst_groups: tuple[ImageKind, ...] = ()
    unknown_classes: tuple[tuple[str, int], ...] = ()
    rows: tuple[Judged, ...] = ()


def evaluate_predictions(
    predictions: Predictions,
    index: Index,
    trained_on: Index | None = None,
    wanted: DecisionRules = NO_RULES,
    measured: dict[str, Floats] | None = None,
) -> Evaluation:
    """The evaluation of `predictions` for the rows of `index` that are not ignored, or some.

    `trained_on` is the index of the run, `wanted` the decision rules, `measured` the properties
    that `image_slices.image_properties` gives for each readable image. Raises `SourceError` if none
    is readable, or no label is a class of the model.
    """
    rows = np.array([n for n, e in enumerate(index.examples) if e.status != "ignored"], np.int64)
    if len(rows) != len(predictions):
        row_of = {index.examples[row].path: row for row in rows}
        rows = np.array([row_of[path] for path in predictions.paths], np.int64)
    examples = [index.examples[row] for row in rows]
    strange = _strangers(predictions, examples)
    _refuse_hopeless(predictions, index, strange)
    # What the model does not know cannot be right; it is told of, and no part of any figure.
    unknowable = np.array([bool(names) for names in strange], np.bool_)
    predictions = replace(predictions, truth=np.where(unknowable, -1, predictions.truth))
    seen = _find_trained_on(examples, trained_on)
    groups, first = find_hash_groups(index)[rows], index.firsts(rows)
    fresh = (predictions.truth >= 0) & ~seen
    counted = fresh & first
    judged = score_predictions(predictions, groups=groups, counted=~seen, distinct=first)
    copies, several = int((fresh & ~first).sum()), _count_shared_groups(groups[counted])
    aside = tuple((e.path, e.reason) for e in index.examples if e.status == "set_aside")
    strangers = tuple(sorted(Counter(name for names in strange for name in names).items()))
    judgements = _rows(predictions, examples, counted, seen, unknowable)
    if predictions.task != "label":
        return Evaluation(
            score=judged,
            classes=(),
            confusion=np.zeros((0, 0), np.int64),
            predictions=predictions,
            seen_in_training=int(seen.sum()),
            set_aside=aside,
            labels=_label_metrics(predictions, counted, groups[counted]),
            copies=copies,
            groups=several,
            unknown_classes=strangers,
            rows=judgements,
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
    cut = {name: found[counted[~predictions.failed]] for name, found in (measured or {}).items()}
    return Evaluation(
        observed=observe_rates(wanted, predictions, counted, groups),
        mistakes=confident_mistakes(predictions, counted),
        confused=most_confused_pairs(predictions.classes, truth, said, together),
        kinds=accuracy_by_kind(cut, right, together) if several_kinds else (),
        worst_groups=worst_groups(own, right, together) if several_kinds else (),
        cost=paid[0],
        cost_of_likeliest=paid[1],
        score=judged,
        classes=tuple(
            _class_metrics(k, name, truth, said, groups[counted])
            for k, name in enumerate(predictions.classes)
        ),
        confusion=confusion,
        predictions=predictions,
        seen_in_training=int(seen.sum()),
        set_aside=aside,
        copies=copies,
        groups=several,
        unknown_classes=strangers,
        rows=judgements,
    )


def _strangers(predictions: Predictions, examples: list[Example]) -> list[tuple[str, ...]]:
    """The labels of each readable image that are no class of the model."""
    known, task = set(predictions.classes), predictions.task
    found = []
    for example in examples:
        told = example.label and example.status == "used" and task != "number"
        names = names_in(example.label) if task == "labels" else (example.label,)
        found.append(tuple(name for name in names if name not in known) if told else ())
    return found


def _refuse_hopeless(
    predictions: Predictions, index: Index, strange: list[tuple[str, ...]]
) -> None:
    """Raise `SourceError` if no image is left that the model could predict correctly."""
    failed = predictions.failed
    if len(failed) and failed.all():
        raise SourceError(
            f"None of {len(failed):,} images could be read, such as "
            f"{predictions.paths[0]}: {predictions.errors[0]}.",
            "Give other images.",
        )
    if not all(names for names, gone in zip(strange, failed, strict=True) if not gone):
        return
    strangers = sorted({name for names in strange for name in names})
    if not strangers:
        return
    numbers = all(name.lstrip("-").isdecimal() for name in strangers)
    raise SourceError(
        f"The model has no class {_list_names(strangers)}, as in "
        f"{index.root or index.name}; its classes are "
        f"{_list_names(predictions.classes)}.",
        (
            "Name the classes behind the numbers: --classes a,b,c (in Python "
            "classes=[…]), the first for 0."
        )
        if numbers
        else "Rename the folders to the classes of the model, or leave them out.",
    )


def _rows(
    predictions: Predictions,
    examples: list[Example],
    counted: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    unknowable: NDArray[np.bool_],
) -> tuple[Judged, ...]:
    """The prediction of every image, and why it does not count if it does not."""
    whys = ("not read", "unknown class", "trained on", "no label", "copy")
    untold = np.array([not example.label for example in examples], np.bool_)
    reasons = np.select([predictions.failed, unknowable, seen, untold, ~counted], whys, "yes")
    found = []
    for example, answer, why in zip(examples, predictions, reasons, strict=True):
        correct = None
        if answer.label is not None and example.label and predictions.task != "number":
            correct = answer.label == example.label
            if predictions.task == "labels":
                correct = set(names_in(answer.label)) == set(names_in(example.label))
        found.append(
            Judged(
                path=answer.path,
                label=example.label,
                predicted=answer.label,
                probability=answer.probability,
                correct=correct,
                counted=str(why),
                error=answer.error,
            )
        )
    return tuple(found)


def _count_shared_groups(groups: Rows) -> int:
    found = len(np.unique(groups))
    return found if found < len(groups) else 0


def _find_trained_on(examples: list[Example], trained_on: Index | None) -> NDArray[np.bool_]:
    """Which images were among the training or validation images."""
    if trained_on is None:
        return np.zeros(len(examples), np.bool_)
    known = {
        mark
        for example in trained_on.examples
        if example.status == "used" and example.split in ("train", "val", "")
        for mark in (example.bytes_hash, example.pixels_hash)
        if mark
    }
    return np.array([bool({e.bytes_hash, e.pixels_hash} & known) for e in examples], np.bool_)


def _label_metrics(
    predictions: Predictions, counted: NDArray[np.bool_], groups: Rows
) -> tuple[LabelMetrics, ...]:
    if predictions.task != "labels" or not counted.any():
        return ()
    images = predictions.targets[counted].sum(axis=0)
    pairs = label_table(predictions, counted, groups)[:-1]
    return tuple(
        LabelMetrics(name=name, images=int(n), precise=precise, f1=f1)
        for name, n, (precise, f1) in zip(predictions.classes, images, pairs, strict=True)
    )


def _class_metrics(k: int, name: str, truth: Rows, said: Rows, groups: Rows) -> ClassMetrics:
    is_it, said_it = truth == k, said == k
    shares = [
        intervals.accuracy_interval((is_it & said_it)[some], groups[some]) if some.any() else None
        for some in (is_it, said_it)
    ]
    return ClassMetrics(name=name, images=int(is_it.sum()), recall=shares[0], precision=shares[1])


def _list_names(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
