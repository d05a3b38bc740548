"""The score of predictions, accuracy plain and balanced with intervals, and paired comparisons."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.metrics import intervals, target_metrics
from striate.metrics.intervals import cross_validation_interval, wilson_bounds
from striate.values import Interval, Measure, Predictions, Rows, Score, WithLeaked

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

    Wilson's, with the number of independent images that gives the variance of a mean of recalls.
    Each class's recall is shrunk towards the overall accuracy by four images, so that a few correct
    images give no certainty. With several images per group the number is divided by the design
    effect (Kish 1965, section 8.2). Coverage was 93.8 to 96.2 % on synthetic sets, against 79.6 to
    93.6 % for a bootstrap by class (LOG 2026-11-24).
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
    """Design effect of drawing whole groups: the factor on the variance of a sum, at least 1.

    If all errors are 0 a group counts as one image.
    """
    sums_G = np.bincount(np.unique(np.asarray(groups), return_inverse=True)[1], errors_N)
    alone = float(np.square(errors_N).sum())
    if len(sums_G) < 2 or alone == 0:
        return len(errors_N) / len(sums_G)
    return max(1.0, float(np.square(sums_G).sum()) / alone * len(sums_G) / (len(sums_G) - 1))


def score_predictions(
    predictions: Predictions,
    *,
    groups: Rows | None = None,
    counted: NDArray[np.bool_] | None = None,
    distinct: NDArray[np.bool_] | None = None,
    evaluation: Literal["test-split", "cross-validation", "validation"] = "test-split",
    looks: int = 1,
    seed: int = 0,
    folds: int = 0,
    majority: int | None = None,
) -> Score | None:
    """The score of predictions with known truth; None if no image counts.

    `groups` gives every prediction its group: if groups hold several images the interval is a
    cluster bootstrap. `counted` excludes leaked images; the accuracy with them is reported too.
    `distinct` excludes all but the first of several copies, from both. `majority` is the majority
    class of the training images; its accuracy is `guessing`. `folds` is the number of folds of a
    cross-validation, which widens every interval. For several labels the score is the mean average
    precision, for numbers the mean absolute error, with bootstrap intervals.
    """
    known = predictions.truth >= 0
    if distinct is not None:
        known = known & distinct
    counts = known if counted is None else known & counted
    if not counts.any():
        return None
    if predictions.task != "label":
        task = _score_labels if predictions.task == "labels" else _score_numbers
        found = task(predictions, counts, None if groups is None else groups[counts], seed)
        return replace(
            _widen_by_folds(found, folds) if folds else found,
            evaluation=evaluation,
            looks=looks,
            with_leaked=_score_with_leaked(predictions, known, counts),
        )
    truth = predictions.truth[counts]
    probabilities = predictions.probabilities[counts]
    correct = predictions.predicted == predictions.truth
    interval = intervals.accuracy_interval(
        correct[counts], None if groups is None else groups[counts], seed, folds=folds
    )
    leaked = None
    if counts.sum() < known.sum():
        leaked = WithLeaked(value=float(correct[known].mean()), n=int(known.sum()))
    return Score(
        value=interval.value,
        interval=(interval.low, interval.high),
        level=interval.level,
        method=interval.method,
        evaluation=evaluation,
        n=interval.n,
        looks=looks,
        balanced_accuracy=intervals.balanced_accuracy(truth, predictions.predicted[counts]),
        log_loss=intervals.log_loss(probabilities, truth),
        calibration_error=intervals.expected_calibration_error(probabilities, truth),
        calibration_interval=intervals.calibration_interval(
            probabilities, truth, None if groups is None else groups[counts], seed, folds
        ),
        with_leaked=leaked,
        guessing=None if majority is None else float((truth == majority).mean()),
        balanced_interval=balanced_interval(
            truth,
            predictions.predicted[counts],
            None if groups is None else groups[counts],
            folds=folds,
        ),
    )


def label_table(
    predictions: Predictions,
    counts: NDArray[np.bool_],
    groups: Rows | None = None,
    seed: int = 0,
    folds: int = 0,
) -> tuple[tuple[Measure, Measure], ...]:
    """Average precision and F1 of every label on the images that count, then their means."""
    table = target_metrics.label_measures(
        predictions.probabilities[counts],
        predictions.said[counts],
        predictions.targets[counts],
        groups,
        seed,
    )
    if not folds:
        return table
    return tuple(
        (target_metrics.widen_by_folds(p, folds), target_metrics.widen_by_folds(f, folds))
        for p, f in table
    )


def _score_labels(
    predictions: Predictions, counts: NDArray[np.bool_], groups: Rows | None, seed: int
) -> Score:
    precise, f1 = label_table(predictions, counts, groups, seed)[-1]
    marks = predictions.targets[counts]
    chances = predictions.probabilities[counts].astype(np.float64)
    pairs = np.stack([1 - chances, chances], axis=-1).reshape(-1, 2)
    truth = marks.astype(np.int64).ravel()
    exact = (predictions.said[counts] == (marks > 0)).all(axis=1)
    whole = intervals.accuracy_interval(exact, groups, seed)
    shares = marks.mean(axis=0)
    return _make_score(
        precise,
        counts,
        groups,
        log_loss=intervals.log_loss(pairs, truth),
        calibration_error=intervals.expected_calibration_error(pairs, truth),
        beside=(
            f1,
            Measure(name="all_labels_right", value=whole.value, low=whole.low, high=whole.high),
        ),
        guessing=float(shares[shares > 0].mean()) if shares.any() else None,
    )


def _score_numbers(
    predictions: Predictions, counts: NDArray[np.bool_], groups: Rows | None, seed: int
) -> Score:
    truth = predictions.targets[counts, 0]
    error, *beside = target_metrics.number_measures(
        predictions.numbers[counts], truth, groups, seed
    )
    guessing = float(np.abs(truth - np.median(truth)).mean())
    return _make_score(error, counts, groups, beside=tuple(beside), guessing=guessing)


def _widen_by_folds(found: Score, folds: int) -> Score:
    low, high = found.interval
    one = Measure(name=found.metric, value=found.value, low=low, high=high)
    wider = target_metrics.widen_by_folds(one, folds)
    return replace(
        found,
        interval=(wider.low, wider.high),
        method=f"crossed-{found.method}",
        beside=tuple(target_metrics.widen_by_folds(each, folds) for each in found.beside),
    )


def _make_score(
    found: Measure,
    counts: NDArray[np.bool_],
    groups: Rows | None,
    *,
    log_loss: float | None = None,
    calibration_error: float | None = None,
    beside: tuple[Measure, ...],
    guessing: float | None,
) -> Score:
    count = int(counts.sum())
    together = target_metrics.has_shared_groups(groups, count)
    return Score(
        metric=found.name,
        value=found.value,
        interval=(found.low, found.high),
        method="cluster-bootstrap" if together else "bootstrap",
        evaluation="test-split",
        n=count,
        looks=1,
        balanced_accuracy=None,
        log_loss=log_loss,
        calibration_error=calibration_error,
        beside=beside,
        guessing=guessing,
    )


def _score_with_leaked(
    predictions: Predictions, known: NDArray[np.bool_], counts: NDArray[np.bool_]
) -> WithLeaked | None:
    if counts.sum() == known.sum():
        return None
    if predictions.task == "number":
        wrong = np.abs(predictions.numbers[known] - predictions.targets[known, 0])
        return WithLeaked(value=float(wrong.mean()), n=int(known.sum()))
    found = [
        target_metrics.average_precision(chances, marks)[0]
        for chances, marks in zip(
            predictions.probabilities[known].T, predictions.targets[known].T, strict=True
        )
        if marks.any()
    ]
    return WithLeaked(value=float(np.mean(found)), n=int(known.sum()))


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
