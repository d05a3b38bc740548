"""How good predictions are: accuracy with its interval and the figures that stand beside it."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate import statistics
from striate.values import Predictions, Rows, Score, WithLeaked


def score(
    predictions: Predictions,
    *,
    groups: Rows | None = None,
    counted: NDArray[np.bool_] | None = None,
    distinct: NDArray[np.bool_] | None = None,
    evaluation: Literal["test-split", "cross-validation", "validation"] = "test-split",
    looks: int = 1,
    seed: int = 0,
) -> Score | None:
    """The score of predictions whose truth is known; None where no image counts.

    `groups` gives every prediction its group: where groups hold several images the interval is
    a cluster bootstrap. `counted` leaves out leaked images; the accuracy with them is stated
    beside. `distinct` leaves out all but the first of several copies, from both.
    """
    known = predictions.truth >= 0
    if distinct is not None:
        known = known & distinct
    counts = known if counted is None else known & counted
    if not counts.any():
        return None
    truth = predictions.truth[counts]
    probabilities = predictions.probabilities[counts]
    correct = predictions.predicted == predictions.truth
    interval = statistics.accuracy_interval(
        correct[counts], None if groups is None else groups[counts], seed=seed
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
        balanced_accuracy=statistics.balanced_accuracy(truth, predictions.predicted[counts]),
        log_loss=statistics.log_loss(probabilities, truth),
        calibration_error=statistics.expected_calibration_error(probabilities, truth),
        with_leaked=leaked,
    )
