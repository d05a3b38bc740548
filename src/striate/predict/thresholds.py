"""Probability thresholds per class that reach a wanted precision or recall.

Legend: `N` held-out images of `K` classes, predicted out of sample. What a threshold reaches is
estimated by cross-fitting: thresholds are chosen on four fifths of the groups and evaluated on the
rest, five times.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics import intervals
from striate.values import Interval, Rows
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]
Chosen = Callable[[Floats, Rows], Floats]
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A class is predicted from the probability `least` on; infinite if nothing reaches the target.

    `reached` is the cross-fitted precision or recall on held-out images, None if none tells.
    """

    name: str
    least: float
    reached: Interval | None


def precision_thresholds(table_NK: ArrayLike, truth: ArrayLike, wanted: float) -> Floats:
    """For every class the lowest threshold with the wanted precision, K.

    Predictions are the most probable classes. Infinite if no threshold suffices, and for a class
    that is never the most probable.
    """
    table, labels = np.asarray(table_NK, np.float64), np.asarray(truth, np.int64)
    found = np.full(table.shape[1], math.inf)
    said = table.argmax(axis=1)
    for k in range(table.shape[1]):
        mine = np.flatnonzero(said == k)
        mine = mine[np.argsort(-table[mine, k], kind="stable")]
        stated = table[mine, k]
        right = np.cumsum(labels[mine] == k) / np.arange(1, len(mine) + 1)
        # Equal probabilities are said together or not at all.
        ends = np.append(stated[1:] < stated[:-1], True)[: len(mine)]
        enough = np.flatnonzero(ends & (right >= wanted - 1e-12))
        if len(enough):
            found[k] = stated[enough[-1]]
    return found


def recall_thresholds(table_NK: ArrayLike, truth: ArrayLike, wanted: float) -> Floats:
    """For every class the highest threshold with the wanted recall, K.

    Of n images it is the probability of rank ceil((n + 1) * wanted), so that the recall holds on
    average for new images (class-conditional conformal: Vovk 2012); 0 if n is too small for that.
    """
    table, labels = np.asarray(table_NK, np.float64), np.asarray(truth, np.int64)
    found = np.zeros(table.shape[1])
    for k in range(table.shape[1]):
        given = -np.sort(-table[labels == k, k])
        rank = math.ceil((len(given) + 1) * wanted - 1e-9)
        if 0 < rank <= len(given):
            found[k] = given[rank - 1]
    return found


def confident_mask(table_NK: ArrayLike, least_K: Floats) -> NDArray[np.bool_]:
    """Whether the most probable class of each image reaches its threshold, N."""
    table = np.asarray(table_NK)
    best = table.argmax(axis=1)
    found: NDArray[np.bool_] = _reaches_threshold(table, least_K)[np.arange(len(table)), best]
    return found


def flag_classes(table_NK: ArrayLike, least_K: Floats) -> NDArray[np.bool_]:
    """Which classes reach their threshold on each image, N x K; several may, or none."""
    return _reaches_threshold(np.asarray(table_NK), least_K)


def find_thresholds(
    kind: str, names: tuple[str, ...], table_NK: ArrayLike, truth: Rows, groups: Rows, wanted: float
) -> tuple[Threshold, ...]:
    """The thresholds for `precision` or `recall`, with what they reach on other images."""

    def choose(table: Floats, labels: Rows) -> Floats:
        way = precision_thresholds if kind == "precision" else recall_thresholds
        return way(table, labels, wanted)

    table = np.asarray(table_NK, np.float64)
    least_K = choose(table, truth)
    told_NK, best = _cross_fitted_flags(table, truth, groups, choose), table.argmax(axis=1)
    found = []
    for k, name in enumerate(names):
        told = told_NK[:, k] & (best == k) if kind == "precision" else truth == k
        right = truth == k if kind == "precision" else told_NK[:, k]
        reached = intervals.accuracy_interval(right[told], groups[told]) if told.any() else None
        found.append(Threshold(name=name, least=float(least_K[k]), reached=reached))
    return tuple(found)


def _cross_fitted_flags(
    table: Floats, truth: Rows, groups: Rows, choose: Chosen
) -> NDArray[np.bool_]:
    """Which classes reach the thresholds chosen without the image's fold, N x K."""
    _, owner = np.unique(groups, return_inverse=True)
    count = int(owner.max()) + 1 if len(owner) else 0
    part = (make_rng(0, "thresholds").permutation(count) % FOLDS)[owner]
    found = np.zeros(table.shape, np.bool_)
    for fold in range(FOLDS):
        inside = part == fold
        found[inside] = _reaches_threshold(table[inside], choose(table[~inside], truth[~inside]))
    return found


def _reaches_threshold(table: NDArray[np.floating], least_K: Floats) -> NDArray[np.bool_]:
    # float32 probabilities meet a threshold that was one of them.
    found: NDArray[np.bool_] = table >= least_K.astype(table.dtype)[None, :]
    return found
