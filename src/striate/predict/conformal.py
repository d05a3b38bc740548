"""Split conformal prediction: sets of classes with guaranteed coverage.

Legend: `N` held-out images of `G` groups, `K` classes. An image's score is one minus the
probability of its class (LAC: Sadinle, Lei & Wasserman 2019), out of sample.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def conformal_threshold(
    probabilities_NK: ArrayLike, truth: ArrayLike, groups: ArrayLike, coverage: float
) -> float:
    """The probability from which a class is in the set; 0 if every class must be.

    Without repeated groups it is one minus the score of rank ceil((N + 1) * coverage). If groups
    hold several images each group weighs as one image, so that coverage holds for an image of a new
    group (Dunn, Wasserman & Ramdas 2022, section 2); one more group with the worst score is added,
    which is the correction for a finite N. Raises `ValueError` unless 0 < coverage < 1.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be above 0 and below 1, not {coverage}")
    table = np.asarray(probabilities_NK, np.float64)
    labels = np.asarray(truth, np.int64)
    if not len(labels):
        return 0.0
    given = table[np.arange(len(labels)), labels]
    _, owner, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weights = 1 / sizes[owner]
    order = np.argsort(-given, kind="stable")
    # A rounding error must not cost a rank.
    reached = np.cumsum(weights[order]) >= coverage * (len(sizes) + 1) - 1e-9
    return float(given[order[reached.argmax()]]) if reached.any() else 0.0


def prediction_sets(probabilities_NK: ArrayLike, least: float) -> NDArray[np.bool_]:
    """Which classes are in each image's set, N x K: those that reach `least`, and the best.

    The most probable class is always included, so coverage is at least as stated, and higher where
    the best class alone is below the threshold.
    """
    table = np.asarray(probabilities_NK)
    # float32 probabilities meet a threshold that was one of them.
    sets: NDArray[np.bool_] = table >= np.asarray(least, table.dtype)
    sets[np.arange(len(table)), table.argmax(axis=1)] = True
    return sets


def max_coverage(groups: int) -> float:
    """The highest coverage that so many held-out groups guarantee; above it sets are full."""
    return groups / (groups + 1)


def ood_pvalue(
    distances_N: ArrayLike, held_out: ArrayLike, groups: ArrayLike
) -> NDArray[np.float32]:
    """The p-value of being in distribution, in (0, 1].

    It is the share of held-out images at least as far; 1 if there are none. A group weighs as one
    image, and one more group counts as the farthest.
    """
    far = np.asarray(distances_N, np.float64)
    known = np.asarray(held_out, np.float64)
    if not len(known):
        return np.ones(len(far), np.float32)
    _, owner, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.argsort(known, kind="stable")
    weights = (1 / sizes[owner])[order]
    # Mass of the images from each place on; 0 behind the last.
    beyond = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
    places = np.searchsorted(known[order], far, side="left")
    return np.asarray((beyond[places] + 1) / (len(sizes) + 1), np.float32)


def min_false_alarm_rate(groups: int) -> float:
    """The lowest false-alarm rate that so many held-out groups can guarantee."""
    return 1 / (groups + 1)
