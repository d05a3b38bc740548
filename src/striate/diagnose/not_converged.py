"""Not converged: the validation loss was still falling when the training ended."""

import numpy as np
from numpy.typing import NDArray

from striate.diagnose import ASSUMED_IMAGES, Check, best_epoch_fit, complete_curve, make_finding
from striate.metrics import curve_smoothing
from striate.values import Curves, Figure, Finding, Interval, Values

LEAST = 5


def check_not_converged(values: Values) -> Finding:
    """Whether the smoothed validation loss still falls over the last fifth of the epochs."""
    history, fit = values.history, best_epoch_fit(values)
    if history is None or fit is None:
        return make_finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Convergence",
            meaning="The model was solved in closed form; there are no epochs that could end too "
            "early.",
        )
    if len(history.epochs) < LEAST:
        return _short_curve_finding(len(history.epochs), fit[1])
    loss = np.array([epoch.val_loss for epoch in history.epochs])
    falling, before, last = _measure_trend(loss, history.val_images)
    figures = {"before": before, "last": last, "epochs": len(loss)}
    if falling:
        return make_finding(
            "not_converged",
            "found",
            "advice",
            title="The loss was still falling when the time was up",
            meaning="The validation loss was still falling over the last of the {epochs} epochs, "
            "from {before:.3f} to {last:.3f}.",
            advice="Run the same command with more --minutes; training continues from here.",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Convergence",
        meaning="The validation loss had converged to {last:.3f} by the end of {epochs} epochs.",
        figures=figures,
    )


def _place_before(loss: NDArray[np.float64]) -> int:
    """The first epoch of the last fifth."""
    return len(loss) - 1 - max(2, len(loss) // 5)


def _measure_trend(loss: NDArray[np.float64], images: int) -> tuple[bool, float, float]:
    """Whether the loss falls significantly over the last fifth, and its smoothed levels.

    The smoothed loss must fall by more than its error, and both it and a straight line through the
    raw losses by more than the sampling error of the last loss. The line prevents false alarms on
    curves that fall steeply at first and are flat at the end.
    """
    before = _place_before(loss)
    if not np.isfinite(loss).all():
        return False, float(loss[before]), float(loss[-1])
    trend = curve_smoothing.smooth_curve(loss)
    level, last = float(trend.level[before]), float(trend.level[-1])
    fell, error = trend.apart(before, len(loss) - 1)
    bare = -curve_smoothing.fit_slope(loss[before:])[0] * (len(loss) - 1 - before)
    sampling = curve_smoothing.mean_loss_error(max(0.0, last), images)
    return curve_smoothing.is_significant(fell, error) and min(fell, bare) > sampling, level, last


def check_not_converged_curves(curves: Curves) -> Finding:
    """Whether the smoothed validation loss of a log still falls over its last fifth."""
    val = complete_curve(curves.val_loss)
    if val is None:
        return make_finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Convergence",
            meaning="Too few epochs have a validation loss.",
            variant="log",
        )
    falling, level, last = _measure_trend(val, curves.val_images or ASSUMED_IMAGES)
    before = _place_before(val)
    figures: dict[str, Figure] = {
        "before": level,
        "last": last,
        "epoch": curves.epochs[before],
    }
    if falling:
        return make_finding(
            "not_converged",
            "found",
            "advice",
            title="The loss was still falling at the end",
            meaning="The training has not converged: the validation loss was {before:.3f} at "
            "epoch {epoch} and fell further to {last:.3f} at the end.",
            advice="Train for more epochs.",
            variant="log",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Convergence",
        meaning="The validation loss was {before:.3f} at epoch {epoch} and {last:.3f} at the "
        "end: it no longer falls significantly.",
        variant="log",
        figures=figures,
    )


def _short_curve_finding(epochs: int, val: Interval) -> Finding:
    """The finding for too few epochs to show a trend: found if errors are left."""
    figures: dict[str, Figure] = {"epochs": epochs, "val": val.value}
    if val.high < 1:
        return make_finding(
            "not_converged",
            "found",
            "advice",
            title="The training was very short",
            meaning="Only {epochs} epochs fit in the time, too few to judge convergence. The "
            "validation accuracy is {val:.1%}.",
            advice="Run the same command with more --minutes; training continues from here.",
            variant="short",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Convergence",
        meaning="{epochs} epochs were enough: hardly any validation image is misclassified.",
        variant="short",
        figures=figures,
    )


CHECK = Check(code="not_converged", run=check_not_converged, of_curves=check_not_converged_curves)
