"""Plateau: the training loss stands still although most is still to be learnt."""

import math

import numpy as np

from striate.diagnose import Check, curves_of, finding, rates, whole
from striate.metrics import curve_smoothing
from striate.values import Curves, Finding, Values


def run(values: Values) -> Finding:
    """Asks the curves of the training."""
    curves = curves_of(values)
    return _nothing() if curves is None else of_curves(curves)


def of_curves(curves: Curves) -> Finding:
    """Whether the later half of the epochs at a high rate brought nothing, far from the goal.

    Far: the loss is not below that of a coin toss, ln 2. Nothing: the slope over that half is no
    fall beyond doubt, and a fall by half of what is left would have been seen.
    """
    train = whole(curves.train_loss)
    if train is None:
        return _nothing()
    some = train[rates(curves) >= 0.5]
    if len(some) < LEAST:
        return _nothing()
    half = some[len(some) // 2 :]
    value, error = curve_smoothing.slope(half)
    left, gained = float(half.mean()), float(train[0] - half.mean())
    figures = {
        "epochs": len(half),
        "left": left,
        "gained": gained,
        "first": float(train[0]),
    }
    still = not curve_smoothing.beyond(-value, error)
    visible = error * len(half) * 2.576 < left / 2 and math.isfinite(error)
    if still and visible and left > COIN - 2.576 * error * len(half) and not _goes_on(train, left):
        return finding(
            "plateau",
            "found",
            "warning",
            title="The training stands still",
            meaning="Over {epochs} epochs the training loss did not fall beyond chance: it stays "
            "at {left:.3f}, no better than a coin toss (0.693).",
            advice="Change the learning rate first, down where the loss jumps, up where it does "
            "not; then look at the preprocessing, the first weights and the labels.",
            figures=figures,
        )
    return finding(
        "plateau",
        "passed",
        "info",
        title="No plateau",
        meaning="The training loss fell by {gained:.3f} and {left:.3f} is left: it does not stand "
        "still above a coin toss (0.693).",
        figures=figures,
    )


def _goes_on(train: np.ndarray, left: float) -> bool:
    """Whether the loss fell below a coin toss once the rate was lowered."""
    return bool(train[-1] < min(COIN, left / 2))


def _nothing() -> Finding:
    return finding(
        "plateau",
        "not_applicable",
        "info",
        title="No plateau",
        meaning="There are too few epochs at a high learning rate to look at.",
    )


LEAST = 8
COIN = math.log(2)

CHECK = Check(code="plateau", run=run, of_curves=of_curves)
