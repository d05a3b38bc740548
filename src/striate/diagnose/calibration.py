"""Calibration: whether predicted probabilities agree with observed frequencies."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics import intervals
from striate.values import Finding, Values
from striate.values.seeds import make_rng

SIMULATIONS = 500
MIN_IMAGES = 30


def check_miscalibration(values: Values) -> Finding:
    """Compare the calibration error with those of a perfectly calibrated model."""
    probabilities = values.predictions.probabilities[values.counted].astype(np.float64)
    truth = values.predictions.truth[values.counted]
    if len(truth) < MIN_IMAGES:
        return make_finding(
            "calibration",
            "not_applicable",
            "info",
            title="Calibration",
            meaning="{n:,} test images are too few to measure calibration.",
            figures={"n": len(truth)},
        )
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    error = intervals.expected_calibration_error(probabilities, truth)
    chance = float(np.quantile(_chance_errors(sure, values.options.seed), CHECK_LEVEL))
    figures = {
        "error": error,
        "chance": chance,
        "stated": float(sure.mean()),
        "right": float(right.mean()),
        "n": len(truth),
    }
    if error > chance:
        over = figures["stated"] > figures["right"]
        return make_finding(
            "calibration",
            "found",
            "advice",
            title="Overconfident" if over else "Underconfident",
            meaning="The predicted probability is {stated:.1%} on average, but the accuracy is "
            "{right:.1%}. The calibration error is {error:.1%}; a perfectly calibrated model "
            "would show at most {chance:.1%} by chance.",
            advice="Use the probabilities to rank predictions, not at face value. Choose a "
            "threshold from the table of confident predictions below.",
            variant="over" if over else "under",
            figures=figures,
        )
    return make_finding(
        "calibration",
        "passed",
        "info",
        title="Calibration",
        meaning="No miscalibration found on {n:,} images: the calibration error is {error:.1%}, "
        "and a perfectly calibrated model would show up to {chance:.1%} by chance.",
        figures=figures,
    )


def _chance_errors(sure: np.ndarray, seed: int, bins: int = 15) -> np.ndarray:
    """Simulated calibration errors of a perfectly calibrated model."""
    generator = make_rng(seed, "calibration by chance")
    order = np.sort(sure)
    edges = np.array([part[0] for part in np.array_split(np.arange(len(order)), bins) if len(part)])
    errors = np.empty(SIMULATIONS)
    for draw in range(SIMULATIONS):
        miss = order - (generator.random(len(order)) < order)
        errors[draw] = np.abs(np.add.reduceat(miss, edges)).sum() / len(order)
    return errors


CHECK = Check(code="calibration", run=check_miscalibration)
