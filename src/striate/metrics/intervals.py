"""Statistics of accuracies: confidence intervals, paired tests, calibration error.

Legend: `N` images, `K` classes, `G` groups. `correct` is a vector of N truths (0 or 1),
`probabilities_NK` has rows that sum to 1, `scores_NK` are any real numbers, higher is more likely.
"""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.values import Interval
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a share: `k` of `n` independent images. Wilson 1927.

    With no images the share is 0 and the interval is all of [0, 1]. Raises `ValueError` unless 0 <=
    k <= n and 0 < level < 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return Interval(value=0.0, low=0.0, high=1.0, n=0, level=level, method="wilson")
    low, high = wilson_bounds(k / n, n, level)
    return Interval(value=k / n, low=low, high=high, n=n, level=level, method="wilson")


def wilson_bounds(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The ends of Wilson's interval of a share of `n` images, which need not be an integer."""
    z = _normal_quantile(level)
    weight = z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / n + weight / (4 * n)) / (1 + weight)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def cluster_bootstrap(
    correct: ArrayLike, groups: ArrayLike, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Percentile interval of the accuracy by a bootstrap over whole groups.

    Each draw takes as many groups as there are; its share is the correct over the drawn images.
    Davison & Hinkley 1997, section 3.8. If there is no spread (fewer than two groups, or all images
    alike) it is Wilson's interval with a group counted as one.
    """
    right_G, size_G = _group_sums(correct, groups)
    n, k = int(size_G.sum()), float(right_G.sum())
    value = k / n if n else 0.0
    if len(size_G) < 2 or k in (0.0, float(n)):
        whole = wilson(round(value * len(size_G)), len(size_G), level)
        low, high = whole.low, whole.high
    else:
        shares = _bootstrap_shares(right_G, size_G, draws, make_rng(seed, "cluster bootstrap"))
        low, high = (float(q) for q in np.quantile(shares, _tail_levels(level)))
    return Interval(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=n,
        level=level,
        method="cluster-bootstrap",
    )


def accuracy_interval(
    correct: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    level: float = 0.95,
    folds: int = 0,
) -> Interval:
    """Accuracy with its interval: Wilson, or cluster bootstrap if groups hold several images.

    With `folds`, the number of cross-validation folds, the interval is widened.
    """
    hits = _as_booleans(correct)
    if groups is not None and len(np.unique(np.asarray(groups))) < len(hits):
        found = cluster_bootstrap(hits, groups, seed=seed, level=level)
    else:
        found = wilson(int(hits.sum()), len(hits), level)
    return cross_validation_interval(found, folds) if folds else found


def cross_validation_factor(folds: int) -> float:
    """The factor that widens intervals for `folds` folds: see `cross_validation_interval`."""
    if folds < 2:
        raise ValueError(f"{folds} folds cannot judge each other")
    return math.sqrt(1 + folds / (folds - 1))


def cross_validation_interval(interval: Interval, folds: int) -> Interval:
    """The interval of a share estimated by `folds`-fold cross-validation, widened on both sides.

    The folds' models share training images, and none is the one delivered, so their errors are
    correlated. The variance is multiplied by 1 + J * n_test / n_train = 1 + J / (J - 1) for J
    folds: Nadeau & Bengio 2003, section 3. Raises `ValueError` for fewer than two folds.
    """
    factor = cross_validation_factor(folds)
    return replace(
        interval,
        low=max(0.0, interval.value - factor * (interval.value - interval.low)),
        high=min(1.0, interval.value + factor * (interval.high - interval.value)),
        method=f"crossed-{interval.method}",
    )


def balanced_accuracy(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Mean recall over the classes that occur, in [0, 1]."""
    truth, guess = np.asarray(labels), np.asarray(predicted)
    if guess.shape != truth.shape:
        raise ValueError(f"{guess.shape} predictions for {truth.shape} labels")
    recalls = [float(np.mean(guess[truth == k] == k)) for k in np.unique(truth)]
    return float(np.mean(recalls)) if recalls else 0.0


def balanced_weights(labels: ArrayLike) -> Floats:
    """Sample weights that give each class that occurs the same total; mean 1."""
    truth = np.asarray(labels, np.int64)
    counts = np.bincount(truth)
    weights: Floats = len(truth) / (np.count_nonzero(counts) * counts[truth])
    return weights


def log_loss(probabilities_NK: ArrayLike, labels: ArrayLike) -> float:
    """Mean natural-log loss of the true class, at least 0; probabilities are clipped at 1e-12."""
    losses = log_losses(probabilities_NK, labels)
    return float(losses.mean()) if len(losses) else 0.0


def log_losses(probabilities_NK: ArrayLike, labels: ArrayLike) -> Floats:
    """Natural-log loss of each image's true class, N, as in `log_loss`."""
    table = np.asarray(probabilities_NK, np.float64)
    truth = np.asarray(labels, np.int64)
    true = table[np.arange(len(truth)), truth]
    losses: Floats = -np.log(np.clip(true, 1e-12, 1.0))
    return losses


def expected_calibration_error(
    probabilities_NK: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float:
    """Mean gap of confidence and accuracy over `bins` equal-mass bins, in [0, 1].

    Guo et al. 2017, eq. 3, with the bins of Nguyen & O'Connor 2015: images sorted by their highest
    probability and cut into bins of equal number, so that no bin is nearly empty.
    """
    gaps_NB = _confidence_gaps(probabilities_NK, labels, bins)
    if not len(gaps_NB):
        return 0.0
    return float(np.abs(gaps_NB.sum(axis=0)).sum()) / len(gaps_NB)


def calibration_interval(
    probabilities_NK: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    folds: int = 0,
    draws: int = 2000,
) -> tuple[float, float]:
    """Confidence interval of the expected calibration error, at 95 % or more.

    Bootstrap over whole groups with fixed bins. The estimate is biased upwards where bins are
    small, since chance alone leaves gaps; a percentile interval around it would nearly always
    exclude 0 for a perfect model. So the lower end is the estimate minus the 97.5th percentile of
    the total movement of the bins' gaps, which by the triangle inequality bounds how far the truth
    can be below; the upper end is the draws' 97.5th percentile, conservative. `folds` is the number
    of cross-validation folds.
    """
    gaps_NB = _confidence_gaps(probabilities_NK, labels, 15)
    count = len(gaps_NB)
    if count < 2:
        return 0.0, 1.0
    _, owner = np.unique(
        np.arange(count) if groups is None else np.asarray(groups), return_inverse=True
    )
    sizes = np.bincount(owner)
    sums_GB = np.zeros((len(sizes), gaps_NB.shape[1]))
    np.add.at(sums_GB, owner, gaps_NB)
    found = gaps_NB.sum(axis=0) / count
    times = make_rng(seed, "calibration error").multinomial(
        len(sizes), np.full(len(sizes), 1 / len(sizes)), draws
    )
    drawn = (times @ sums_GB) / (times @ sizes)[:, None]
    error = float(np.abs(found).sum())
    moved = float(np.quantile(np.abs(drawn - found).sum(axis=1), 0.975))
    high = max(error, float(np.quantile(np.abs(drawn).sum(axis=1), 0.975)))
    wider = cross_validation_factor(folds) if folds else 1.0
    return max(0.0, error - wider * moved), min(1.0, error + wider * (high - error))


def _confidence_gaps(probabilities_NK: ArrayLike, labels: ArrayLike, bins: int) -> Floats:
    """Confidence minus correctness of each image, in the column of its bin: N x B."""
    table = np.asarray(probabilities_NK, np.float64)
    truth = np.asarray(labels, np.int64)
    count = min(bins, len(truth))
    gaps_NB = np.zeros((len(truth), count))
    if count:
        confidence = table.max(axis=1)
        right = (table.argmax(axis=1) == truth).astype(np.float64)
        order = np.argsort(confidence, kind="stable")
        for column, part in enumerate(np.array_split(order, count)):
            gaps_NB[part, column] = (confidence - right)[part]
    return gaps_NB


def softmax(scores_NK: ArrayLike, temperature: float = 1.0) -> NDArray[np.float32]:
    """Probabilities of scores divided by `temperature`: rows sum to 1 within rounding."""
    scores = np.asarray(scores_NK, np.float64) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def sign_test_better(
    correct_new: ArrayLike, correct_old: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """One-sided mid-p value of "the new model is no better", on the same images.

    If `groups` hold several images, a group counts once, for the model with more of it correct.

    McNemar's exact test: of the images on which the two differ, those that the new one gets right
    follow Binomial(n, 1/2) under the null; the observed outcome counts half (mid-p: Fagerland et
    al. 2013). 0.5 if they never differ.
    """
    new, old = _as_booleans(correct_new), _as_booleans(correct_old)
    if new.shape != old.shape:
        raise ValueError(f"{len(new)} and {len(old)} images are not the same images")
    gains = new.astype(np.int64) - old
    if groups is not None:
        _, owners = np.unique(np.asarray(groups), return_inverse=True)
        gains = np.bincount(owners, gains)
    return sign_test(int((gains > 0).sum()), int((gains < 0).sum()))


def sign_test(wins: int, losses: int) -> float:
    """One-sided mid-p value of at least `wins` in `wins + losses` fair coin tosses, in (0, 1)."""
    n = wins + losses
    # Whole numbers until the end: exact for any n, and no table of factorials overflows.
    tail = sum(math.comb(n, k) for k in range(wins + 1, n + 1))
    return float((2 * tail + math.comb(n, wins)) / 2 ** (n + 1))


def paired_difference(
    correct_new: ArrayLike,
    correct_old: ArrayLike,
    groups: ArrayLike | None = None,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Accuracy of the new minus the old model on the same images, by paired bootstrap.

    `value`, `low` and `high` lie in [-1, 1]; whole groups are drawn if groups are given.
    """
    gain = _as_booleans(correct_new).astype(np.float64) - _as_booleans(correct_old)
    owners = np.arange(len(gain)) if groups is None else groups
    gain_G, size_G = _group_sums(gain, owners)
    value = float(gain.mean()) if len(gain) else 0.0
    low, high = value, value
    if len(size_G) > 1:
        shares = _bootstrap_shares(gain_G, size_G, draws, make_rng(seed, "paired bootstrap"))
        low, high = (float(q) for q in np.quantile(shares, _tail_levels(level)))
    return Interval(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=len(gain),
        level=level,
        method="paired-bootstrap",
    )


def share_difference(first: Interval, second: Interval, times: float = 1.0) -> Interval:
    """Share `first`, so many `times`, minus share `second` of other images, in [-1, `times`].

    Both are at the same level. The interval comes from those of the two shares: Newcombe 1998,
    method 10, and for other `times` Zou & Donner 2008.
    """
    value = times * first.value - second.value
    down = math.hypot(times * (first.value - first.low), second.high - second.value)
    up = math.hypot(times * (first.high - first.value), second.value - second.low)
    return Interval(
        value=value,
        low=max(-1.0, value - down),
        high=min(times, value + up),
        n=min(first.n, second.n),
        level=first.level,
        method="newcombe",
    )


def _as_booleans(correct: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(correct).astype(bool).ravel()


def _normal_quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def _tail_levels(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _group_sums(values: ArrayLike, groups: ArrayLike) -> tuple[Floats, Floats]:
    """Sum of the values and number of images of every group, G each."""
    numbers = np.asarray(values, np.float64).ravel()
    _, owner = np.unique(np.asarray(groups), return_inverse=True)
    if len(owner) != len(numbers):
        raise ValueError(f"{len(owner)} groups for {len(numbers)} images")
    sums: Floats = np.bincount(owner, numbers).astype(np.float64)
    sizes: Floats = np.bincount(owner).astype(np.float64)
    return sums, sizes


def _bootstrap_shares(
    sums_G: Floats, sizes_G: Floats, draws: int, generator: np.random.Generator
) -> Floats:
    """The share in each of `draws` bootstrap samples of G groups.

    Groups of the same size and sum are interchangeable, so counts of such kinds are drawn: the same
    distribution, and a million groups cost no more than a dozen.
    """
    kinds, counts = np.unique(np.stack([sums_G, sizes_G]), axis=1, return_counts=True)
    times = generator.multinomial(len(sizes_G), counts / len(sizes_G), size=draws)
    shares: Floats = (times @ kinds[0]) / (times @ kinds[1])
    return shares
