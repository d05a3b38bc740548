"""Where predictions go wrong: most confident mistakes, confused pairs, kinds of image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.metrics.image_slices import (
    SLICES,
    Floats,
    ImageSlice,
    find_weak_groups,
    find_weak_slices,
    group_slices,
    property_slices,
)
from striate.values import Interval, Predictions, Rows

Truths = NDArray[np.bool_]
MISTAKES, PAIRS, GROUPS = 12, 12, 12
# A clean set hears of a weaker kind, or of a weaker group, one time in a hundred each.
ERROR = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong prediction and its confidence."""

    path: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """How many images of a class, of how many, were predicted as another one."""

    label: str
    predicted: str
    images: int
    share: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageKind:
    """Accuracy on images of one kind, and on all others.

    `weaker` means that the kind is significantly worse, corrected for the number of kinds.
    """

    name: str
    accuracy: Interval
    others: Interval
    weaker: bool


def confident_mistakes(
    predictions: Predictions, counted: Truths, most: int = MISTAKES
) -> tuple[Mistake, ...]:
    """Wrong predictions among the counted images, the most confident first."""
    wrong = np.flatnonzero(counted & (predictions.predicted != predictions.truth))
    stated = predictions.stated
    order = wrong[np.argsort(-stated[wrong], kind="stable")][:most]
    names = predictions.classes
    return tuple(
        Mistake(
            path=predictions.paths[row],
            label=names[predictions.truth[row]],
            predicted=names[predictions.predicted[row]],
            probability=float(str(stated[row])),
        )
        for row in order
    )


def most_confused_pairs(
    names: tuple[str, ...], truth: Rows, said: Rows, groups: Rows, most: int = PAIRS
) -> tuple[ConfusedPair, ...]:
    """Pairs of a true class and another one predicted, the most frequent first."""
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (truth, said), 1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    found = []
    for true, other in (divmod(int(cell), len(names)) for cell in order if counts.flat[cell]):
        mine = truth == true
        share = intervals.accuracy_interval(said[mine] == other, groups[mine])
        found.append(
            ConfusedPair(
                label=names[true],
                predicted=names[other],
                images=int(counts[true, other]),
                share=share,
            )
        )
    return tuple(found)


def accuracy_by_kind(
    measured: dict[str, Floats], right: Truths, groups: Rows
) -> tuple[ImageKind, ...]:
    """Accuracy in the outer quarters of each measured property."""
    strict = property_slices(measured, right, groups, level=1 - ERROR / len(SLICES))
    weak = tuple(one.name for one in find_weak_slices(strict))
    return _make_kinds(property_slices(measured, right, groups), weak)


def worst_groups(names: Sequence[str], right: Truths, groups: Rows) -> tuple[ImageKind, ...]:
    """The source's own groups of at least 10 images, the least accurate first."""
    weak, _ = find_weak_groups(right, names, ERROR)
    return _make_kinds(group_slices(right, names, groups, most=GROUPS), weak)


def _make_kinds(tried: tuple[ImageSlice, ...], weak: tuple[str, ...]) -> tuple[ImageKind, ...]:
    return tuple(
        ImageKind(
            name=one.name,
            accuracy=one.accuracy,
            others=one.others,
            weaker=one.name in weak,
        )
        for one in tried
    )
