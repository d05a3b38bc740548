"""The two simplest looks at features: the nearest image, and the nearest mean of a class.

Neither learns anything, so what they get right is what the features themselves tell. Images that
belong together are left out together, so that a near-copy cannot vouch for an image.
"""

import numpy as np
from numpy.typing import NDArray

from striate.statistics import some_of
from striate.values import Rows


def nearest_neighbour(
    features_ND: NDArray[np.float32], labels: Rows, groups: Rows | None = None, seed: int = 0
) -> NDArray[np.bool_]:
    """Of which images the nearest of another group has the same label; N, or 2,000 drawn of them.

    Nearest by cosine, each feature centred and scaled. False where there is no other group.
    """
    points = _directions(features_ND)
    owners = np.arange(len(labels)) if groups is None else groups
    asked = some_of(np.arange(len(labels)), MOST, seed, "neighbours")
    right = np.zeros(len(asked), np.bool_)
    for start in range(0, len(asked), AT_ONCE):
        rows = asked[start : start + AT_ONCE]
        near = points[rows] @ points.T
        near[owners[rows][:, None] == owners[None, :]] = -np.inf
        best = near.argmax(axis=1)
        found = np.isfinite(near[np.arange(len(rows)), best])
        right[start : start + len(rows)] = found & (labels[best] == labels[rows])
    return right


def class_mean(
    features_ND: NDArray[np.float32], labels: Rows, classes: int, groups: Rows | None = None
) -> NDArray[np.bool_]:
    """Which images lie nearest to the mean of their own class, when their group takes no part.

    Nearest by the length of the difference, each feature scaled. False where no other image of
    the class is left.
    """
    points = _scaled(features_ND)
    _, owners = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    sums = np.zeros((classes, points.shape[1]))
    np.add.at(sums, labels, points)
    right = np.zeros(len(labels), np.bool_)
    order = np.argsort(owners, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
        own_counts, own_sums = counts.copy(), sums
        if len(rows):
            own_sums = sums.copy()
            np.subtract.at(own_sums, labels[rows], points[rows])
            np.subtract.at(own_counts, labels[rows], 1)
        means = own_sums / np.maximum(own_counts, 1)[:, None]
        far = np.square(means).sum(axis=1) - 2 * points[rows] @ means.T
        far[:, own_counts < 1] = np.inf
        right[rows] = far.argmin(axis=1) == labels[rows]
    return right


def _scaled(features_ND: NDArray[np.float32]) -> NDArray[np.float64]:
    points = features_ND.astype(np.float64)
    points -= points.mean(axis=0)
    spread = points.std(axis=0)
    return points / np.where(spread > 1e-9, spread, 1.0)


def _directions(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    points = _scaled(features_ND).astype(np.float32)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.maximum(length, 1e-12)
    return points


MOST = 2000
AT_ONCE = 512
