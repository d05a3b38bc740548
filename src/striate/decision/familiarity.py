"""How strange an image is, as a share: of held-out images of the known kinds, how many are as far.

It is a conformal p-value (Bates et al. 2023): an image of the known kinds has a familiarity of
at most `rate` no more often than `rate`, so that "unknown at or below 0.01" turns away one such
image in a hundred.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def familiarity(
    distances_N: ArrayLike, held_out: ArrayLike, groups: ArrayLike
) -> NDArray[np.float32]:
    """The share of held-out images that are at least as far, in (0, 1]; 1 where none are known.

    A group weighs as one image, and one group more counts as if it were as far as can be.
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


def least_rate(groups: int) -> float:
    """The lowest rate of false alarms that so many held-out groups can promise."""
    return 1 / (groups + 1)
