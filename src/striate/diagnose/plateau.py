"""Plateau: the training loss stands still although most is still to be learnt."""

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
from striate.values import Curves, Figure, Finding, Values


def check_plateau(values: Values) -> Finding:
    """Asks the curves of the training."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_plateau_curves(curves)


def check_plateau_curves(curves: Curves) -> Finding:
    """Whether the later half of the epochs at a high rate brought nothing, far from the goal.

    Far: the loss is not below that of guessing evenly among the classes, the logarithm of their
    number, or of two where a log does not tell it. Nothing: the slope over that half is no fall
    beyond doubt, and a fall by half of what is left would have been seen.
    """
    train = complete_curve(curves.train_loss)
    if train is None:
        return _not_applicable()
    some = train[relative_learning_rates(curves) >= 0.5]
    if len(some) < MIN_CURVE_EPOCHS:
        return _not_applicable()
    half = some[len(some) // 2 :]
    value, error = curve_smoothing.fit_slope(half)
    left, gained = float(half.mean()), float(train[0] - half.mean())
    classes = max(FEWEST_CLASSES, curves.classes)
    guessing = math.log(classes)
    figures: dict[str, Figure] = {
        "classes": classes,
        "guessing": guessing,
        "epochs": len(half),
        "left": left,
        "gained": gained,
        "first": float(train[0]),
    }
    still = not curve_smoothing.is_significant(-value, error)
    visible = error * len(half) * 2.576 < left / 2 and math.isfinite(error)
    if (
        still
        and visible
        and left > guessing - 2.576 * error * len(half)
        and not _falls_at_lower_rate(train, left, guessing)
    ):
        return make_finding(
            "plateau",
            "found",
            "warning",
            title="The training stands still",
            meaning="Over {epochs} epochs the training loss did not fall beyond chance: it stays "
            "at {left:.3f}, no better than guessing among {classes:,} classes ({guessing:.3f}).",
            advice="Change the learning rate first, down where the loss jumps, up where it does "
            "not; then look at the preprocessing, the first weights and the labels.",
            figures=figures,
        )
    return make_finding(
        "plateau",
        "passed",
        "info",
        title="No plateau",
        meaning="The training loss fell by {gained:.3f} and {left:.3f} is left: it does not stand "
        "still above the loss of guessing among {classes:,} classes ({guessing:.3f}).",
        figures=figures,
    )


def _falls_at_lower_rate(train: np.ndarray, left: float, guessing: float) -> bool:
    """Whether the loss fell below that of guessing once the rate was lowered."""
    return bool(train[-1] < min(guessing, left / 2))


def _not_applicable() -> Finding:
    return make_finding(
        "plateau",
        "not_applicable",
        "info",
        title="No plateau",
        meaning="There are too few epochs at a high learning rate to look at.",
    )


MIN_CURVE_EPOCHS = 8
FEWEST_CLASSES = 2

CHECK = Check(code="plateau", run=check_plateau, of_curves=check_plateau_curves)
