"""Learning rate too high: the training loss rises again after most decreases."""

import math

import numpy as np

from striate.diagnose import (
    ASSUMED_IMAGES,
    Check,
    complete_curve,
    make_finding,
    relative_learning_rates,
    training_curves,
)
from striate.metrics import curve_smoothing
from striate.values import Curves, Finding, Values


def check_learning_rate_high(values: Values) -> Finding:
    """Apply the check to the learning curves of the run."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_learning_rate_high_curves(curves)


def check_learning_rate_high_curves(curves: Curves) -> Finding:
    """Measure how much of the decrease of the loss is lost again at high learning rates.

    Only epochs at half of the highest rate or more count. Found if more than half is lost again and
    the loss varies significantly more than sampling explains (chi-square test).
    """
    train = complete_curve(curves.train_loss)
    if train is None:
        return _not_applicable()
    high = relative_learning_rates(curves) >= 0.5
    some = train[high]
    if len(some) < MIN_CURVE_EPOCHS:
        return _not_applicable()
    share = curve_smoothing.share_lost_again(some)
    jitter = curve_smoothing.estimate_noise(some)
    images = curves.train_images or ASSUMED_IMAGES
    expected = float(np.median(some)) / math.sqrt(images)
    figures = {"share": share, "jitter": jitter, "expected": expected}
    if share > 0.5 and curve_smoothing.is_noisier(jitter, expected, len(some) - 2):
        return make_finding(
            "learning_rate_high",
            "found",
            "warning",
            title="The learning rate may be too high",
            meaning="The training loss is unstable: {share:.0%} of the total decrease was lost "
            "again in later epochs. It changes by {jitter:.3f} from epoch to epoch, "
            "where chance explains {expected:.3f}.",
            advice="Train again with a third of the learning rate and a schedule that decays it "
            "towards zero.",
            figures=figures,
        )
    return make_finding(
        "learning_rate_high",
        "passed",
        "info",
        title="Learning rate not too high",
        meaning="The training loss falls steadily: only {share:.0%} of the decrease was lost "
        "again in later epochs.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "learning_rate_high",
        "not_applicable",
        "info",
        title="Learning rate not too high",
        meaning="Too few epochs were trained at a high learning rate.",
    )


MIN_CURVE_EPOCHS = 8

CHECK = Check(
    code="learning_rate_high",
    run=check_learning_rate_high,
    of_curves=check_learning_rate_high_curves,
)
