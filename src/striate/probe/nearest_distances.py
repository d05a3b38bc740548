"""Distance of an image to the nearest training images, for out-of-distribution detection.

Deep nearest neighbours (Sun et al. 2022): last-stage features at length 1, and one minus the cosine
to the third nearest. Chosen on pairs of ten other sets (LOG 2026-11-24): mean AUROC 0.99, against
0.85 to 0.97 for Mahalanobis distances, residuals and distances of unnormalised features.

Legend: `N` images, `M` reference images, `D` features.
"""

import numpy as np
from numpy.typing import NDArray

from striate.values import Rows

NEAREST = 3
_AT_ONCE = 1024


def normalise_length(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2-normalised features; those that are all 0 are unchanged."""
    lengths = np.linalg.norm(features_ND, axis=1, keepdims=True)
    return np.asarray(features_ND / np.where(lengths > 0, lengths, 1), np.float32)


def nearest_cosine_distances(
    features_ND: NDArray[np.float32],
    reference_MD: NDArray[np.float32],
    owners_N: Rows | None = None,
    owners_M: Rows | None = None,
) -> NDArray[np.float32]:
    """One minus the cosine to the third nearest reference image, in [0, 2].

    `reference_MD` has rows of length 1. With owners, images of an image's own group are ignored, so
    that it counts as an image of a new group. If fewer than three are left, the last of them
    counts; if none is, the distance is 2.
    """
    found = np.empty(len(features_ND), np.float32)
    for start in range(0, len(features_ND), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        far = 1 - normalise_length(features_ND[part]) @ reference_MD.T
        if owners_N is not None and owners_M is not None:
            far[owners_N[part, None] == owners_M] = np.inf
        found[part] = _third_smallest(far)
    return found


def _third_smallest(far_NM: NDArray[np.float32]) -> NDArray[np.float32]:
    """The third smallest of every row, or the largest there is."""
    near = np.sort(np.partition(far_NM, min(NEAREST, far_NM.shape[1]) - 1, axis=1)[:, :NEAREST])
    known = np.isfinite(near).sum(axis=1)
    last = near[np.arange(len(near)), np.maximum(known, 1) - 1]
    return np.where(known > 0, np.clip(last, 0, 2), 2).astype(np.float32)
