"""The score of predictions: accuracy with its interval, and related figures."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals, target_metrics
from striate.metrics.balanced_accuracy import balanced_interval
from striate.values import Measure, Predictions, Rows, Score, WithLeaked


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
