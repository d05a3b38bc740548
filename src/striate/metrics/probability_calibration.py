"""Probability calibration: one temperature, or two steps more if held-out groups prefer them.

Legend: `N` held-out images, `K` classes. One temperature is always fitted; two steps more are used
if held-out groups prefer them: a temperature that depends on the prediction's entropy, then Platt
scaling (1999) of the best class's log-odds. Neither changes the predicted class.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics.intervals import log_losses, softmax
from striate.metrics.target_metrics import fit_logistic
from striate.values import Calibration, Rows, say
from striate.values.seeds import make_rng

Floats = NDArray[np.float64]


FOLDS = 5
# A standard error of fewer groups says little, and four numbers fitted on them less.
FEWEST_GROUPS = 50
SURE = 1.96  # standard errors: two-sided 5 %
# A temperature twenty times another is no longer the same scale of scores.
WIDEST = math.log(20)
# Above what rounding to float32 can take away.
AHEAD = 1e-6
MOST_ENTRIES = 1_000_000  # images times classes


def calibrate_scores(
    scores_NK: ArrayLike, temperature: float, calibration: Calibration | None = None
) -> NDArray[np.float32]:
    """Calibrated probabilities N x K of scores; rows sum to 1 within rounding.

    The most probable class is that of the highest score. If Platt scaling would make another as
    probable, it stays ahead by one part in a million; the others keep their ratios.
    """
    if calibration is None or calibration.neutral:
        return softmax(scores_NK, temperature)
    scores = _apply_temperatures(np.asarray(scores_NK, np.float64) / temperature, calibration)
    odds, rest_NK = _best_against_rest(scores)
    odds = calibration.slope * odds + calibration.intercept
    # At these odds the best class is as likely as the second.
    odds = np.maximum(odds, np.log(rest_NK.max(axis=1)) + AHEAD)
    table: Floats = rest_NK * _share_of(-odds)[:, None]
    table[np.arange(len(table)), scores.argmax(axis=1)] = _share_of(odds)
    return table.astype(np.float32)


def choose_calibration(
    scores_NK: ArrayLike, labels: ArrayLike, groups: ArrayLike, temperature: float, seed: int = 0
) -> Calibration:
    """The two steps if held-out groups prefer them, else steps that change nothing.

    Cross-validated over five folds of whole groups: everything, the temperature too, is fitted on
    four and the log loss computed on the fifth. The two steps are preferred if they lower it by
    more than 1.96 standard errors of the mean over groups; `why` reports the result.
    """
    scores = np.asarray(scores_NK, np.float64)
    step = max(1, -(-scores.size // MOST_ENTRIES))
    scores, truth = scores[::step], np.asarray(labels, np.int64)[::step]
    _, owner = np.unique(np.asarray(groups)[::step], return_inverse=True)
    count = int(owner.max()) + 1 if len(owner) else 0
    if count < FEWEST_GROUPS or scores.shape[1] < 2 or not scores.std():
        why = say(
            "calibration.few",
            "Probabilities come from the scores by temperature scaling with one temperature: "
            "{groups:,} held-out groups of images are too few to fit a more flexible calibration.",
            groups=count,
        )
        return Calibration(why=why)
    gain, error = _calibration_gain(scores, truth, owner, seed)
    figures = {"change": -gain, "error": error, "n": len(truth), "groups": count}
    if gain <= SURE * error:
        why = say(
            "calibration.one",
            "Probabilities come from the scores by temperature scaling with one temperature. A "
            "calibration in which the temperature depends on the uncertainty of the prediction, "
            "and the log-odds of the best class are scaled linearly, was also tried. It changes "
            "the log loss by {change:+.4f} (standard error {error:.4f}) on {n:,} held-out images "
            "of {groups:,} groups, which is not a significant gain.",
            **figures,
        )
        return Calibration(why=why)
    why = say(
        "calibration.two",
        "Probabilities come from the scores by a calibration in which the temperature depends on "
        "the uncertainty of the prediction and the log-odds of the best class are scaled "
        "linearly. Compared with one temperature, it changes the log loss by {change:+.4f} "
        "(standard error {error:.4f}) on {n:,} held-out images of {groups:,} groups, by "
        "five-fold cross-validation that keeps groups together. No prediction changes.",
        **figures,
    )
    return replace(fit_calibration(scores, truth, temperature), why=why)


def fit_calibration(scores_NK: ArrayLike, labels: ArrayLike, temperature: float) -> Calibration:
    """Both steps with the least log loss, the second fitted on the output of the first.

    Targets are those of Platt 1999, as in `fit_temperature`.
    """
    scores, truth = np.asarray(scores_NK, np.float64) / temperature, np.asarray(labels, np.int64)
    sure, unsure = _fit_temperatures(scores, truth)
    first = Calibration(sure=sure, unsure=unsure)
    odds, _ = _best_against_rest(_apply_temperatures(scores, first))
    slope, intercept = fit_logistic(odds, scores.argmax(axis=1) == truth)
    return replace(first, slope=slope, intercept=intercept)


def fit_temperature(scores_NK: ArrayLike, labels: ArrayLike) -> float:
    """The temperature with the least log loss of `softmax(scores, temperature)`, above 0.

    Guo et al. 2017, section 4.2, with the targets of Platt 1999 (the true class counts (N + 1) / (N
    + 2), the rest is shared by the other classes), so that scores without a mistake do not drive
    the temperature to 0. Convex in 1 / temperature; bracketed Newton's method, deterministic.
    Constant scores give 1.
    """
    scores = np.asarray(scores_NK, np.float64)
    truth = np.asarray(labels, np.int64)
    spread = float(scores.std()) if scores.size else 0.0
    if spread == 0.0 or scores.shape[1] < 2:
        return 1.0
    scores = (scores - scores.max(axis=1, keepdims=True)) / spread
    target = float(_platt_targets(scores, truth).mean())
    low, high, inverse = 1e-3, 1e4, 1.0
    for _ in range(60):
        _, mean, variance = _softmax_moments(inverse * scores, scores)
        slope, bend = float(mean.mean()) - target, float(variance.mean())
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / bend if bend > 0 else math.inf
        # A step out of the bracket is replaced by its middle on the scale of logarithms.
        following = step if low < step < high else math.sqrt(low * high)
        if abs(following - inverse) <= 1e-10 * inverse:
            break
        inverse = following
    return spread / inverse


def _fit_temperatures(scores_NK: Floats, truth: Rows) -> tuple[float, float]:
    """Temperatures of confident and of uncertain predictions, as factors in [1/20, 20].

    The log loss of scores times exp(-log T(x)), by Gauss-Newton steps, each halved until the loss
    falls.
    """
    unsure = _uncertainty(scores_NK)
    design_N2 = np.stack([1 - unsure, unsure], axis=1)
    scores = scores_NK - scores_NK.max(axis=1, keepdims=True)
    target = _platt_targets(scores, truth)

    def judged(logs: Floats) -> tuple[float, Floats, Floats]:
        inverse = np.exp(-(design_N2 @ logs))
        total, mean, variance = _softmax_moments(inverse[:, None] * scores, scores)
        slope = design_N2.T @ (inverse * (target - mean))
        bend = (design_N2.T * (inverse * inverse * variance)) @ design_N2
        return float((total - inverse * target).sum()), slope, bend

    logs = np.zeros(2)
    loss, slope, bend = judged(logs)
    for _ in range(50):
        # Answers that are all equally sure leave one of the two open; this holds it.
        step = np.linalg.solve(bend + 1e-6 * len(scores) * np.eye(2), slope)
        following = np.clip(logs - step, -WIDEST, WIDEST)
        found = judged(following)
        while found[0] > loss and np.abs(step).max() > 1e-9:
            step = step / 2
            following = np.clip(logs - step, -WIDEST, WIDEST)
            found = judged(following)
        if loss - found[0] < 1e-9 * len(scores):
            break
        logs, (loss, slope, bend) = following, found
    return math.exp(logs[0]), math.exp(logs[1])


def _calibration_gain(
    scores_NK: Floats, truth: Rows, owner: Rows, seed: int
) -> tuple[float, float]:
    """The mean reduction of log loss by the two steps, and its standard error."""
    groups = int(owner.max()) + 1
    fold = make_rng(seed, "calibration folds").permutation(groups)[owner] % FOLDS
    gains = np.empty(len(truth))
    for number in range(FOLDS):
        judged, given = fold == number, fold != number
        temperature = fit_temperature(scores_NK[given], truth[given])
        both = fit_calibration(scores_NK[given], truth[given], temperature)
        one, two = (
            log_losses(calibrate_scores(scores_NK[judged], temperature, how), truth[judged])
            for how in (None, both)
        )
        gains[judged] = one - two
    mean = float(gains.mean())
    left = np.bincount(owner, gains - mean)
    return mean, math.sqrt(groups / (groups - 1) * float(left @ left)) / len(gains)


def _apply_temperatures(scores_NK: Floats, calibration: Calibration) -> Floats:
    """Scores, at temperature 1, over each image's temperature; the highest becomes 0."""
    unsure = _uncertainty(scores_NK)
    heat = calibration.sure ** (1 - unsure) * calibration.unsure**unsure
    found: Floats = (scores_NK - scores_NK.max(axis=1, keepdims=True)) / heat[:, None]
    return found


def _uncertainty(scores_NK: Floats) -> Floats:
    """Entropy of the softmax over its largest possible value, N in [0, 1]."""
    total, mean, _ = _softmax_moments(scores_NK, scores_NK)
    found: Floats = np.clip((total - mean) / math.log(scores_NK.shape[1]), 0, 1)
    return found


def _best_against_rest(scores_NK: Floats) -> tuple[Floats, Floats]:
    """Log-odds N of the highest score's class, and the shares N x K of the others in the rest."""
    rows, best = np.arange(len(scores_NK)), scores_NK.argmax(axis=1)
    others = scores_NK.copy()
    others[rows, best] = -np.inf
    high = others.max(axis=1)
    powers = np.exp(others - high[:, None])
    total = powers.sum(axis=1)
    return scores_NK[rows, best] - high - np.log(total), powers / total[:, None]


def _share_of(odds_N: Floats) -> Floats:
    """Probabilities N of log-odds. SciPy's `expit` is this too, and loads slower than a model."""
    with np.errstate(over="ignore"):
        shares: Floats = 1 / (1 + np.exp(-odds_N))
    return shares


def _softmax_moments(logits_NK: Floats, scores_NK: Floats) -> tuple[Floats, Floats, Floats]:
    """Log of the summed powers of the logits; mean and variance of scores under their softmax."""
    high = logits_NK.max(axis=1)
    powers = np.exp(logits_NK - high[:, None])
    total = powers.sum(axis=1)
    weights = powers / total[:, None]
    mean = (weights * scores_NK).sum(axis=1)
    variance = (weights * scores_NK * scores_NK).sum(axis=1) - mean * mean
    return high + np.log(total), mean, variance


def _platt_targets(scores_NK: Floats, truth: Rows) -> Floats:
    """The score that a softmax is to have on average, of every image: Platt's targets."""
    count, classes = scores_NK.shape
    true = scores_NK[np.arange(count), truth]
    share = (count + 1) / (count + 2)
    others = (scores_NK.sum(axis=1) - true) / (classes - 1)
    found: Floats = share * true + (1 - share) * others
    return found
