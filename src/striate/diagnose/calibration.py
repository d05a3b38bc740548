"""Calibration: whether answers given with 80 % are right eighty times in a hundred."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics import intervals
from striate.values import Finding, Values
from striate.values.seeds import make_rng

SIMULATIONS = 500
MIN_IMAGES = 30


def check_miscalibration(values: Values) -> Finding:
    """Holds the calibration error against those that a perfectly calibrated model would show."""
    probabilities = values.predictions.probabilities[values.counted].astype(np.float64)
    truth = values.predictions.truth[values.counted]
    if len(truth) < MIN_IMAGES:
        return make_finding(
            "calibration",
            "not_applicable",
            "info",
            title="Calibration",
            meaning="{n:,} test images are too few to judge stated probabilities by.",
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
            title="It is too sure of itself" if over else "It is too modest",
            meaning="Stated probabilities are {stated:.1%} on average, {right:.1%} of the answers "
            "are right; the calibration error is {error:.1%}, where chance explains {chance:.1%}.",
            advice="Use the order of the probabilities rather than their size, and the table of "
            "sure answers below to set a threshold.",
            variant="over" if over else "under",
            figures=figures,
        )
    return make_finding(
        "calibration",
        "passed",
        "info",
        title="Calibration",
        meaning="Stated probabilities can be taken at their word as far as {n:,} images can tell: "
        "calibration error {error:.1%}, where chance explains up to {chance:.1%}.",
        figures=figures,
    )


def _chance_errors(sure: np.ndarray, seed: int, bins: int = 15) -> np.ndarray:
    """Calibration errors of answers that are right exactly as often as stated."""
    generator = make_rng(seed, "calibration by chance")
    order = np.sort(sure)
    edges = np.array([part[0] for part in np.array_split(np.arange(len(order)), bins) if len(part)])
    errors = np.empty(SIMULATIONS)
    for draw in range(SIMULATIONS):
        miss = order - (generator.random(len(order)) < order)
        errors[draw] = np.abs(np.add.reduceat(miss, edges)).sum() / len(order)
    return errors


CHECK = Check(code="calibration", run=check_miscalibration)
