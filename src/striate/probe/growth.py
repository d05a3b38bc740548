"""Learning curve over training-set size: would more images help? From cached features.

The linear model is fitted again on nested subsets of the training images, in whole groups, and
evaluated on the same validation images each time. Such errors follow a power law of the number of
images (Hestness et al. 2017), which is extrapolated to two and four times as many.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from striate.values import Growth, GrowthPoint, Rows
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]


SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training images
FURTHER = (2.0, 4.0)  # times the training images there are
DRAWS = 3  # subsets of a size
BOOTSTRAPS = 500  # bootstrap draws
LEAST_VAL = 30  # groups
LEAST_TRAIN = 10  # images
LEAST_POINTS = 3  # sizes


def measure_growth(
    misses: Callable[[Rows], NDArray[np.bool_]],
    train: Rows,
    labels: Rows,
    groups: Rows,
    val_groups: Rows,
    seed: int = 0,
) -> Growth | None:
    """The learning curve of a model; None if there are too few images.

    `misses(rows)` fits on some training rows and returns which validation images it gets wrong.
    `labels` and `groups` have an entry per row of the index, `val_groups` per validation image.
    """
    if len(val_groups) < LEAST_VAL:
        return None
    wrong, counts = [], []
    for share in SHARES:
        draws = 1 if share == 1 else DRAWS
        parts = [_class_subset(train, labels, groups, share, seed + k) for k in range(draws)]
        if min(min(len(part), 5 * len(np.unique(groups[part]))) for part in parts) < LEAST_TRAIN:
            continue
        counts.append(float(np.mean([len(part) for part in parts])))
        wrong.append(np.mean([misses(part) for part in parts], axis=0))
    if len(counts) < LEAST_POINTS or not wrong[-1].any():
        return None
    sizes, wrong_SN = np.array(counts), np.array(wrong)
    drawn = _bootstrap_weights(val_groups, seed)
    points = [_growth_point(size, row, drawn) for size, row in zip(sizes, wrong_SN, strict=True)]
    ahead = sizes[-1] * np.array(FURTHER)
    errors = _extrapolate_errors(sizes, wrong_SN.mean(axis=1), ahead)
    curves = np.array(
        [_extrapolate_errors(sizes, _mean_error(wrong_SN, weights), ahead) for weights in drawn]
    )
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return Growth(
        measured=tuple(points),
        expected=tuple(
            GrowthPoint(images=round(n), error=float(e), low=float(lo), high=float(hi))
            for n, e, lo, hi in zip(ahead, errors, low, high, strict=True)
        ),
        exponent=_fit_power_law(sizes, wrong_SN.mean(axis=1))[1],
        gain_low=float(np.quantile(_mean_error(wrong_SN[-1:], drawn.T)[0] - curves[:, 0], 0.025)),
        gain_high=float(np.quantile(_mean_error(wrong_SN[-1:], drawn.T)[0] - curves[:, 0], 0.975)),
        n=len(val_groups),
    )


def _class_subset(train: Rows, labels: Rows, groups: Rows, share: float, seed: int) -> Rows:
    """A share of every class, in whole groups; smaller shares are subsets of larger ones."""
    if share == 1:
        return train
    order = make_rng(seed, "growth").permutation(train)
    taken: list[int] = []
    chosen: set[int] = set()
    for label in np.unique(labels[train]):
        rows = order[labels[order] == label]
        wanted = max(1, round(share * len(rows)))
        owners = list(dict.fromkeys(int(groups[row]) for row in rows))
        held = 0
        for owner in owners:
            if held >= wanted:
                break
            chosen.add(owner)
            held += int((groups[rows] == owner).sum())
    taken = [int(row) for row in train if int(groups[row]) in chosen]
    return np.array(taken, np.int64)


def _bootstrap_weights(owners: Rows, seed: int) -> Floats:
    """Weights of the validation images in bootstrap draws over their groups, B x N."""
    _, owner = np.unique(owners, return_inverse=True)
    count = int(owner.max()) + 1
    generator = make_rng(seed, "growth/bootstrap")
    draws = generator.multinomial(count, np.full(count, 1 / count), size=BOOTSTRAPS)
    return draws[:, owner].astype(np.float64)


def _mean_error(wrong_SN: Floats, weights: Floats) -> Floats:
    """Weighted error rates: S, or S x B for weights N x B."""
    found: Floats = wrong_SN @ weights / weights.sum(axis=0)
    return found


def _growth_point(size: float, wrong: Floats, drawn: Floats) -> GrowthPoint:
    errors = _mean_error(wrong[None], drawn.T)[0]
    low, high = np.quantile(errors, [0.025, 0.975])
    return GrowthPoint(
        images=round(size), error=float(wrong.mean()), low=float(low), high=float(high)
    )


def _fit_power_law(sizes: Floats, errors: Floats) -> tuple[float, float]:
    """Level and exponent of error = level x size ** -exponent, by least squares of logarithms.

    Errors of 0 count as half an image in a thousand; the exponent is clipped to [0, 1].
    """
    slope, level = np.polyfit(np.log(sizes), np.log(np.maximum(errors, 5e-4)), 1)
    exponent = float(np.clip(-slope, 0.0, 1.0))
    # With the exponent held within its bounds the level is that of the mean.
    level = float(np.mean(np.log(np.maximum(errors, 5e-4)) + exponent * np.log(sizes)))
    return float(np.exp(level)), exponent


def _extrapolate_errors(sizes: Floats, errors: Floats, ahead: Floats) -> Floats:
    """Extrapolated errors, starting from the last measured one."""
    _, exponent = _fit_power_law(sizes, errors)
    return np.asarray(errors[-1] * (ahead / sizes[-1]) ** -exponent)
