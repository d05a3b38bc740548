"""Images unlike all others: far from their nearest neighbours in what some stage sees.

Legend: `N` images, `D` features of one stage, `S` stages. An image's distance is the mean one to
its nearest neighbours (Angiulli & Pizzuti 2002), images of its own group not among them, so that
a copy does not vouch for it. Distances are compared on the scale of logarithms, where they lie
about symmetrically, by median and median deviation, which outliers cannot move.
"""

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from striate.values import Index, Outlier, Rows

Floats = NDArray[np.float64]


def find_outliers(
    stages: Mapping[str, NDArray[np.float32]], index: Index, rows: Rows, groups: Rows
) -> tuple[Outlier, ...]:
    """The images of `rows` that are unlike all others, the most unlike first.

    `stages` gives the features N x D of every stage, `groups` N the images' groups. Named are
    those whose distance in some stage lies so many deviations above the median that, were the
    logarithms normal, any one of all images were named in one set of a hundred (Bonferroni over
    images and stages). Fewer than `FEWEST` images tell nothing.
    """
    if len(rows) < FEWEST or len(rows) - np.bincount(_numbered(groups)).max() < NEIGHBOURS:
        return ()
    names = list(stages)
    far_SN = np.stack([deviations(distances(stages[name], groups)) for name in names])
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


def distances(features_ND: NDArray[np.float32], groups: Rows) -> Floats:
    """Mean distance of every image to its nearest neighbours of other groups, features scaled."""
    spread = features_ND.std(axis=0)
    table = (features_ND - features_ND.mean(axis=0)) / np.where(spread > 0, spread, 1)
    squares = np.square(table).sum(axis=1)
    found = np.empty(len(table))
    for start in range(0, len(table), BLOCK):
        block = slice(start, start + BLOCK)
        apart = squares[block, None] + squares - 2 * table[block] @ table.T
        apart[groups[block, None] == groups] = np.inf
        nearest = np.partition(apart, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        found[block] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return found


def deviations(distances_N: Floats) -> Floats:
    """How many robust standard deviations each distance's logarithm lies above the median.

    All 0 where most distances are equal.
    """
    middle = float(np.median(distances_N))
    if middle <= 0:
        return np.zeros(len(distances_N))
    logs = np.log(np.maximum(distances_N / middle, LEAST))
    spread = NORMAL * float(np.median(np.abs(logs)))
    found: Floats = logs / spread if spread > LEAST else np.zeros(len(logs))
    return found


def _numbered(groups: Rows) -> Rows:
    found: Rows = np.unique(groups, return_inverse=True)[1]
    return found


NEIGHBOURS, FEWEST, BLOCK = 5, 50, 1024
CHANCE, LEAST = 0.01, 1e-6
# The median deviation of a normal distribution is 1 / 1.4826 of its standard deviation.
NORMAL = 1.4826
