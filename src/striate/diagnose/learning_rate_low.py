"""Learning rate too low: the training loss still falls at the end as it did at the start."""

import math

import numpy as np

from striate.diagnose import (
    Check,
    complete_curve,
    make_finding,
    relative_learning_rates,
    training_curves,
)
from striate.metrics import curve_smoothing
from striate.values import Curves, Finding, Values


def check_learning_rate_low(values: Values) -> Finding:
    """Asks the curves of the training."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_learning_rate_low_curves(curves)


def check_learning_rate_low_curves(curves: Curves) -> Finding:
    """Compares what a step brings in the last third of the way with the first third.

    The way is the sum of the learning rates over the epochs at half of the highest or more: at
    a schedule's small end the loss falls because the noise of the steps does. A training that
    gets somewhere slows down; one whose slope is surely more than half of what it was has not
    come through one time constant of an exponential. It must also be no better than a coin toss
    yet, ln 2.
    """
    train, rate = complete_curve(curves.train_loss), relative_learning_rates(curves)
    high = rate >= HIGH
    if train is None or high.sum() < LEAST:
        return _not_applicable()
    end = float(train[-1])
    train, way = train[high], np.cumsum(rate[high])
    first, last = way <= way[-1] / 3, way >= way[-1] * 2 / 3
    if min(first.sum(), last.sum()) < 3:
        return _not_applicable()
    early, early_error = curve_smoothing.fit_slope(train[first], way[first])
    late, late_error = curve_smoothing.fit_slope(train[last], way[last])
    left = -late + early / 2
    figures = {
        "early": -early,
        "late": -late,
        "first": float(train[0]),
        "last": end,
    }
    falls = curve_smoothing.is_significant(-early, early_error) and curve_smoothing.is_significant(
        -late, late_error
    )
    far = end > COIN_TOSS_LOSS
    if (
        falls
        and far
        and curve_smoothing.is_significant(left, math.hypot(late_error, early_error / 2))
    ):
        return make_finding(
            "learning_rate_low",
            "found",
            "advice",
            title="The learning rate looks too low",
            meaning="The training loss went from {first:.3f} to {last:.3f} in nearly a straight "
            "line: an epoch brings {late:.2g} at the end and brought {early:.2g} at the start. "
            "It has hardly begun to learn.",
            advice="Train again with three to ten times the learning rate.",
            figures=figures,
        )
    return make_finding(
        "learning_rate_low",
        "passed",
        "info",
        title="Learning rate not too low",
        meaning="The training loss went from {first:.3f} to {last:.3f}; an epoch brings {late:.2g} "
        "at the end and brought {early:.2g} at the start.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "learning_rate_low",
        "not_applicable",
        "info",
        title="Learning rate not too low",
        meaning="There are too few epochs at a high learning rate to tell a slow start from a "
        "slow training.",
    )


LEAST, HIGH = 9, 0.5
COIN_TOSS_LOSS = math.log(2)

CHECK = Check(
    code="learning_rate_low", run=check_learning_rate_low, of_curves=check_learning_rate_low_curves
)
