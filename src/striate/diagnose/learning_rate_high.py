"""Learning rate too high: what one epoch gains the next loses again."""

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
    """Asks the curves of the training."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_learning_rate_high_curves(curves)


def check_learning_rate_high_curves(curves: Curves) -> Finding:
    """How much of the ground gained is lost again while the rate is high.

    Only epochs at half of the highest rate or more are asked. Found where more than half is lost
    again and the loss surely jumps by more than the sampling of its images explains
    (chi-square).
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
            title="The learning rate looks too high",
            meaning="The training loss jumps: of what its good epochs gained, {share:.0%} was "
            "lost again, and it moves by {jitter:.3f} from epoch to epoch where chance explains "
            "{expected:.3f}.",
            advice="Train again with a third of the learning rate, and with a schedule that "
            "ends at a small one.",
            figures=figures,
        )
    return make_finding(
        "learning_rate_high",
        "passed",
        "info",
        title="Learning rate not too high",
        meaning="The training loss falls steadily: {share:.0%} of what was gained was lost again "
        "on the way.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "learning_rate_high",
        "not_applicable",
        "info",
        title="Learning rate not too high",
        meaning="There are too few epochs at a high learning rate to look at.",
    )


MIN_CURVE_EPOCHS = 8

CHECK = Check(
    code="learning_rate_high",
    run=check_learning_rate_high,
    of_curves=check_learning_rate_high_curves,
)
