"""Outliers: images far from their nearest neighbours in the features of some stage.

Legend: `N` images, `D` features of one stage, `S` stages. An image's distance is the mean one to
its nearest neighbours (Angiulli & Pizzuti 2002), without its own group, so that a copy does not
hide an outlier. Distances are compared by their logarithms, which are about symmetric, with median
and median absolute deviation, which outliers cannot shift.

An image of a rare class has mostly images of other classes among its neighbours and is no outlier
for that. It is named only if it is also far from its own class, measured against how far images of
other classes lie from equally few of theirs, drawn at random.
"""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.values import Index, Outlier, Rows
from striate.values.seeds import sample_rows

Floats = NDArray[np.float64]


NEIGHBOURS, FEWEST, BLOCK = 5, 50, 1024  # images each
# Images of a class, up to which it is rare; others are what a rare one is measured by.
RARE, MOST_COMPARED = 20, 300
CHANCE, LEAST = 0.01, 1e-6
# The median deviation of a normal distribution is 1 / 1.4826 of its standard deviation.
NORMAL = 1.4826


def find_outliers(
    stages: Mapping[str, NDArray[np.float32]], index: Index, rows: Rows, groups: Rows
) -> tuple[Outlier, ...]:
    """The outliers among `rows`, the most extreme first.

    `stages` gives the features N x D of every stage, `groups` N the images' groups. An image is
    named if its log distance in some stage lies so many deviations above the median that, under a
    normal distribution, one set in a hundred would have any image named (Bonferroni over images and
    stages). Fewer than `FEWEST` images are not tested.
    """
    if len(rows) < FEWEST or len(rows) - np.bincount(_number_names(groups)).max() < NEIGHBOURS:
        return ()
    names, classes = list(stages), _class_numbers(index, rows)
    far_SN = np.stack(
        [_outlier_deviations(standardise_features(stages[name]), groups, classes) for name in names]
    )
    most, where = far_SN.max(axis=0), far_SN.argmax(axis=0)
    bar = NormalDist().inv_cdf(1 - CHANCE / far_SN.size)
    found = [i for i in np.lexsort((rows, -most)) if most[i] > bar]
    return tuple(
        Outlier(
            row=int(rows[i]),
            path=index.examples[rows[i]].path,
            label=index.examples[rows[i]].label,
            stage=names[where[i]],
            deviations=round(float(most[i]), 2),
            bar=round(bar, 2),
        )
        for i in found
    )


def standardise_features(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features with zero mean and unit spread."""
    spread = features_ND.std(axis=0)
    table: NDArray[np.float32] = (features_ND - features_ND.mean(axis=0)) / np.where(
        spread > 0, spread, 1
    )
    return table


def mean_neighbour_distances(table_ND: NDArray[np.float32], groups: Rows) -> Floats:
    """Mean distance of every image to its nearest neighbours of other groups."""
    squares = np.square(table_ND).sum(axis=1)
    found = np.empty(len(table_ND))
    for start in range(0, len(table_ND), BLOCK):
        block = slice(start, start + BLOCK)
        apart = squares[block, None] + squares - 2 * table_ND[block] @ table_ND.T
        apart[groups[block, None] == groups] = np.inf
        nearest = np.partition(apart, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        found[block] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return found


def robust_deviations(distances_N: Floats, reference: Floats | None = None) -> Floats:
    """Robust standard deviations of each distance's logarithm above the median.

    Median and deviation are those of `reference`, or of the distances themselves. All 0 if most of
    these are equal.
    """
    others = distances_N if reference is None else reference
    middle = float(np.median(others))
    if middle <= 0:
        return np.zeros(len(distances_N))
    spread = NORMAL * float(np.median(np.abs(_bounded_logs(others / middle))))
    found: Floats = _bounded_logs(distances_N / middle)
    return found / spread if spread > LEAST else np.zeros(len(found))


def _outlier_deviations(
    table_ND: NDArray[np.float32], groups: Rows, classes: Rows | None
) -> Floats:
    """Deviations of every image; of a rare class the smaller of that from all and its class."""
    found = robust_deviations(mean_neighbour_distances(table_ND, groups))
    if classes is None:
        return found
    sizes = np.bincount(classes)[classes]
    for size in range(2, RARE + 1):
        rare, larger = np.flatnonzero(sizes == size), np.flatnonzero(sizes >= size)
        if not len(rare) or len(larger) < FEWEST:
            continue
        larger = sample_rows(larger, MOST_COMPARED, 0, "outliers of a rare class")
        reference = _class_distances(table_ND, groups, classes, larger, size - 1)
        own = _class_distances(table_ND, groups, classes, rare, size - 1)
        known = np.isfinite(own)
        if known.any() and np.isfinite(reference).sum() >= FEWEST:
            away = robust_deviations(own[known], reference[np.isfinite(reference)])
            found[rare[known]] = np.minimum(found[rare[known]], away)
    return found


def _class_distances(
    table_ND: NDArray[np.float32], groups: Rows, classes: Rows, some: Rows, others: int
) -> Floats:
    """Mean distance of some images to the nearer half of `others` of their class; else infinite.

    Images of their own group are excluded; if there are more, a random sample is used.
    """
    found = np.full(len(some), np.inf)
    members = {int(k): np.flatnonzero(classes == k) for k in np.unique(classes[some])}
    for place, row in enumerate(some):
        known = members[int(classes[row])]
        known = known[groups[known] != groups[row]]
        known = sample_rows(known, others, int(row), "few of a class")
        if len(known):
            apart = np.linalg.norm(table_ND[known] - table_ND[row], axis=1)
            near = min(NEIGHBOURS, (len(known) + 1) // 2)
            found[place] = np.sort(apart)[:near].mean()
    return found


def _bounded_logs(ratios: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(ratios, LEAST))
    return logs


def _class_numbers(index: Index, rows: Rows) -> Rows | None:
    """A number for every distinct label or set of labels; None if labels are numbers."""
    if index.task == "number":
        return None
    return _number_names(np.array([index.examples[row].label for row in rows]))


def _number_names(names: NDArray[Any]) -> Rows:
    found: Rows = np.unique(names, return_inverse=True)[1]
    return found
