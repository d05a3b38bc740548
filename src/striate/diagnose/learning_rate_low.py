"""Learning rate too low: the training loss falls as fast at the end as at the start."""

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
    """Apply the check to the learning curves of the run."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_learning_rate_low_curves(curves)


def check_learning_rate_low_curves(curves: Curves) -> Finding:
    """Compare the slope of the training loss in the last third with that in the first third.

    The x axis is the sum of the learning rates over the epochs at half of the highest rate or more:
    at the small end of a schedule the loss falls because the noise of the steps does. Found if both
    slopes fall significantly, the last by more than half of the first (less than one time constant
    of an exponential has passed), and the loss is not below ln 2, chance level for two classes.
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
            title="The learning rate may be too low",
            meaning="The training loss fell from {first:.3f} to {last:.3f} almost in a straight "
            "line: by {early:.2g} per epoch at the start and still by {late:.2g} at the "
            "end. The model has hardly begun to learn.",
            advice="Train again with a learning rate 3 to 10 times as high.",
            figures=figures,
        )
    return make_finding(
        "learning_rate_low",
        "passed",
        "info",
        title="Learning rate not too low",
        meaning="The training loss went from {first:.3f} to {last:.3f}. It fell by {early:.2g} "
        "per epoch at the start and by {late:.2g} at the end.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "learning_rate_low",
        "not_applicable",
        "info",
        title="Learning rate not too low",
        meaning="Too few epochs were trained at a high learning rate to judge from the training "
        "loss.",
    )


LEAST, HIGH = 9, 0.5
COIN_TOSS_LOSS = math.log(2)

CHECK = Check(
    code="learning_rate_low", run=check_learning_rate_low, of_curves=check_learning_rate_low_curves
)
