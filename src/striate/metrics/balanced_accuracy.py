"""The interval of the balanced accuracy: a mean of the recalls of classes of unequal size.

Legend: `N` images, `K` classes that occur, `G` groups.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics.intervals import cross_validation_interval, wilson_bounds
from striate.values import Interval

Floats = NDArray[np.float64]


# Images by which a recall is drawn towards that of all, as Agresti & Coull 1998 add four.
NEAR = 4.0


def balanced_interval(
    labels: ArrayLike,
    predicted: ArrayLike,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    folds: int = 0,
) -> tuple[float, float]:
    """Lower and upper end of the interval of the balanced accuracy; (0, 1) without images.

    Wilson's, for as many independent images as have the variance of a mean of recalls. A class's
    recall is taken to lie towards that of all images by four images, so that few images all
    right are no certainty. Where groups hold several images the number shrinks by how much more
    groups scatter than images (Kish 1965, section 8.2). It held the truth in 93.8 to 96.2 % of
    made sets; a bootstrap by class did in 79.6 to 93.6 % (LOG 2026-11-24).
    """
    truth, right = np.asarray(labels), np.asarray(labels) == np.asarray(predicted)
    if not len(truth):
        return 0.0, 1.0
    _, kind, count_K = np.unique(truth, return_inverse=True, return_counts=True)
    recall_K = np.bincount(kind, right) / count_K
    pooled = (right.sum() + 1) / (len(right) + 2)
    drawn_K = (count_K * recall_K + NEAR * pooled) / (count_K + NEAR)
    middle, value = float(drawn_K.mean()), float(recall_K.mean())
    variance = float((drawn_K * (1 - drawn_K) / count_K).sum()) / len(count_K) ** 2
    n = middle * (1 - middle) / variance
    if groups is not None:
        weights = 1 / (len(count_K) * count_K[kind])
        n /= _design_effect(weights * (right - recall_K[kind]), groups)
    low, high = wilson_bounds(value, n, level)
    found = Interval(value=value, low=min(low, value), high=max(high, value), n=len(truth))
    found = cross_validation_interval(found, folds) if folds else found
    return found.low, found.high


def _design_effect(errors_N: Floats, groups: ArrayLike) -> float:
    """How much larger the variance of a sum is by drawing whole groups, at least 1.

    Where all errors are 0 a group counts as one image.
    """
    sums_G = np.bincount(np.unique(np.asarray(groups), return_inverse=True)[1], errors_N)
    alone = float(np.square(errors_N).sum())
    if len(sums_G) < 2 or alone == 0:
        return len(errors_N) / len(sums_G)
    return max(1.0, float(np.square(sums_G).sum()) / alone * len(sums_G) / (len(sums_G) - 1))
