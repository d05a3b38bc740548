"""Plateau: the training loss no longer falls although it is still high."""

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
    """Apply the check to the learning curves of the run."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_plateau_curves(curves)


def check_plateau_curves(curves: Curves) -> Finding:
    """Whether the loss stays high over the later half of the epochs at a high learning rate.

    High: not below ln 2, chance level for two classes. Stays: its slope over that half is no
    significant decrease, and a decrease by half of what is left would have been significant.
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
            title="The training loss does not fall",
            meaning="Over {epochs} epochs the training loss did not fall significantly. It stays "
            "at {left:.3f}, no lower than chance level for {classes:,} classes "
            "({guessing:.3f}).",
            advice="Change the learning rate first: lower it if the loss is unstable, raise it "
            "otherwise. Then check the preprocessing, the initial weights and the labels.",
            figures=figures,
        )
    return make_finding(
        "plateau",
        "passed",
        "info",
        title="Plateau of the training loss",
        meaning="The training loss fell by {gained:.3f} to {left:.3f}: it is not stuck above "
        "chance level for {classes:,} classes ({guessing:.3f}).",
        figures=figures,
    )


def _falls_at_lower_rate(train: np.ndarray, left: float, guessing: float) -> bool:
    """Whether the loss fell below ln 2 once the learning rate was lowered."""
    return bool(train[-1] < min(guessing, left / 2))


def _not_applicable() -> Finding:
    return make_finding(
        "plateau",
        "not_applicable",
        "info",
        title="Plateau of the training loss",
        meaning="Too few epochs were trained at a high learning rate.",
    )


MIN_CURVE_EPOCHS = 8
FEWEST_CLASSES = 2

CHECK = Check(code="plateau", run=check_plateau, of_curves=check_plateau_curves)
