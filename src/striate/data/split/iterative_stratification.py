"""Assign images with several labels to splits, the rarest label first, in whole groups.

Iterative stratification: Sechidis, Tsoumakas & Vlahavas, "On the stratification of multi-label
data", ECML 2011, algorithm 1; here whole groups of images are assigned, and ties go to the group
whose seeded key comes first.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from striate.data.split.portions import SplitGroup

Floats = NDArray[np.float64]


def assign_label_portions(
    units: Sequence[SplitGroup],
    shares: Mapping[str, tuple[float, int]],
    placed: Mapping[str, Sequence[SplitGroup]] = MappingProxyType({}),
) -> dict[str, list[int]]:
    """Rows of each part: about `shares` of every label and of all, and `train` for the rest.

    A part holds at most about so many images as `shares` says. Contradictory groups go to train,
    and no label is left without training images. What is `placed` already stays and counts.
    """
    names = ("train", *shares)
    settled = {name: list(placed.get(name, ())) for name in names}
    settled["train"] += [unit for unit in units if unit.contradictory]
    free = [unit for unit in units if unit.rows and not unit.contradictory]
    every = [*free, *(unit for side in settled.values() for unit in side)]
    width = 1 + max((k for unit in every for labels in unit.sets for k in labels), default=0)
    total = sum(len(unit.firsts) for unit in every)
    wished = [min(share, most / max(1, total)) for share, most in shares.values()]
    wanted_P = np.array([1 - sum(wished), *wished])
    counts_UK = _label_counts(every, width)
    wanted_PK = np.outer(wanted_P, counts_UK.sum(axis=0))
    for part, name in enumerate(names):
        wanted_PK[part] -= _label_counts(settled[name], width).sum(axis=0)
    chosen_U = _assign_groups(counts_UK[: len(free)], wanted_PK)
    sides = {name: list(settled[name]) for name in names}
    for unit, part in zip(free, chosen_U, strict=True):
        sides[names[part]].append(unit)
    _keep_labels_in_train(sides, settled)
    return {name: [row for unit in side for row in unit.rows] for name, side in sides.items()}


def assign_label_folds(units: Sequence[SplitGroup], folds: int) -> list[list[int]]:
    """Rows of each fold: every label spread evenly, whole groups."""
    held = [unit for unit in units if unit.rows]
    width = 1 + max((k for unit in held for labels in unit.sets for k in labels), default=0)
    counts_UK = _label_counts(held, width)
    wanted_PK = np.tile(counts_UK.sum(axis=0) / folds, (folds, 1))
    parts: list[list[int]] = [[] for _ in range(folds)]
    for unit, part in zip(held, _assign_groups(counts_UK, wanted_PK), strict=True):
        parts[part] += unit.rows
    return parts


def _label_counts(units: Sequence[SplitGroup], width: int) -> Floats:
    """Pictures of each label in each group, and as the last column all its pictures."""
    counts = np.zeros((len(units), width + 1))
    for place, unit in enumerate(units):
        for first in unit.firsts:
            counts[place, list(unit.sets[first])] += 1
            counts[place, -1] += 1
    return counts


def _assign_groups(counts_UK: Floats, wanted_PK: Floats) -> NDArray[np.int64]:
    """The part of every group: the one that wants the rarest label left most, then images most."""
    wanted = wanted_PK.copy()
    chosen = np.full(len(counts_UK), -1, np.int64)
    left_K = (counts_UK[:, :-1] > 0).sum(axis=0)
    while (chosen < 0).any():
        alive = np.flatnonzero(left_K)
        label = int(alive[left_K[alive].argmin()]) if len(alive) else -1
        bearers = np.flatnonzero((chosen < 0) & (counts_UK[:, label] > 0))
        # Large groups first: small ones can still even out what they leave.
        for unit in bearers[np.argsort(-counts_UK[bearers, label], kind="stable")]:
            most = wanted[:, label] >= wanted[:, label].max() - _EQUAL
            chosen[unit] = np.where(most, wanted[:, -1], -np.inf).argmax()
            wanted[chosen[unit]] -= counts_UK[unit]
            left_K -= counts_UK[unit, :-1] > 0
    return chosen


def _keep_labels_in_train(
    sides: dict[str, list[SplitGroup]], settled: Mapping[str, Sequence[SplitGroup]]
) -> None:
    """Moves groups of a label that no training image is left of to train."""
    trained = {k for unit in sides["train"] for labels in unit.sets for k in labels}
    for name in [name for name in sides if name != "train"]:
        for unit in [unit for unit in sides[name] if unit not in settled[name]]:
            own = {k for labels in unit.sets for k in labels}
            if not own <= trained:
                sides[name].remove(unit)
                sides["train"].append(unit)
                trained |= own


_EQUAL = 1e-9
