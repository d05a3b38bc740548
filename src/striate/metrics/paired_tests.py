"""Significance tests of paired differences; SciPy is imported on use, since it takes a second."""

import numpy as np
from numpy.typing import ArrayLike

# Spread of differences, by their size, that is rounding and no spread.
ROUNDING = 1e-9


def paired_loss_pvalue(
    loss_new: ArrayLike, loss_old: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """One-sided p-value of "the new model's losses are no smaller", on the same images.

    Paired t-test (Student 1908) of the differences per image: unlike a sign test it uses their
    size, which gives more power where images are few. If `groups` hold several images, each group
    is one observation, its mean difference. Losses are any numbers that are better when smaller;
    0.5 if the two never differ or there is only one observation.
    """
    from scipy import stats

    new, old = np.asarray(loss_new, np.float64), np.asarray(loss_old, np.float64)
    if new.shape != old.shape:
        raise ValueError(f"{len(new)} and {len(old)} images are not the same images")
    saved = old - new
    if groups is not None:
        _, owners = np.unique(np.asarray(groups), return_inverse=True)
        saved = np.bincount(owners, saved) / np.bincount(owners)
    if len(saved) < 2 or not saved.any():
        return 0.5
    if saved.std() <= ROUNDING * np.abs(saved).max():  # all alike: nothing is left to chance
        return 0.0 if saved[0] > 0 else 1.0
    return float(stats.ttest_1samp(saved, 0, alternative="greater").pvalue)


def hypergeometric_pvalue(right: int, n: int, all_right: int, total: int) -> float:
    """Probability that `n` of `total` images drawn at random hold at most `right` of `all_right`.

    The lower tail of the hypergeometric distribution, as in Fisher's exact test (1935).
    """
    from scipy import stats

    return float(stats.hypergeom.cdf(right, total, all_right, n))
