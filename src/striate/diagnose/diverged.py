"""Diverged: the training loss becomes NaN, or rises again after it fell."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, complete_curve, make_finding, training_curves
from striate.metrics import curve_smoothing
from striate.values import Curves, Finding, Values


def check_diverged(values: Values) -> Finding:
    """Apply the check to the learning curves of the run."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_diverged_curves(curves)


def check_diverged_curves(curves: Curves) -> Finding:
    """Found if a loss is not finite, or rises again by half of its total decrease."""
    for loss in (curves.train_loss, curves.val_loss):
        broken = np.flatnonzero(~np.isfinite(np.array(loss, np.float64)))
        if len(broken):
            return make_finding(
                "diverged",
                "found",
                "serious",
                title="The training diverged",
                meaning="From epoch {epoch} on the training loss is NaN or infinite.",
                advice="Train again with a tenth of the learning rate.",
                variant="nan",
                figures={"epoch": curves.epochs[int(broken[0])]},
            )
    train = complete_curve(curves.train_loss)
    if train is None:
        return _not_applicable()
    rise, chance = curve_smoothing.rise_with_pvalue(train)
    level = curve_smoothing.smooth_curve(train).level
    best = int(level.argmin())
    figures = {
        "first": float(train[0]),
        "best": float(level[best]),
        "last": float(level[-1]),
        "epoch": curves.epochs[best],
    }
    # Half of what was gained is lost, and by half of what was left: not a wobble at the end.
    lost = rise > max((train[0] - level[best]) / 2, level[best] / 2)
    if chance < 1 - CHECK_LEVEL and lost:
        return make_finding(
            "diverged",
            "found",
            "serious",
            title="The training diverged",
            meaning="The training loss fell from {first:.3f} to {best:.3f} by epoch {epoch} and "
            "then rose to {last:.3f}.",
            advice="Train again with a third of the learning rate, or with gradient clipping.",
            variant="rise",
            figures=figures,
        )
    return make_finding(
        "diverged",
        "passed",
        "info",
        title="Divergence",
        meaning="The training loss went from {first:.3f} to {last:.3f} without diverging.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "diverged",
        "not_applicable",
        "info",
        title="Divergence",
        meaning="Too few epochs have a training loss.",
    )


CHECK = Check(code="diverged", run=check_diverged, of_curves=check_diverged_curves)
