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
            title="Trained to the end",
            meaning="The model was solved in closed form, with nothing to end too early.",
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
            title="It was still getting better when the time was up",
            meaning="The validation loss still fell from {before:.3f} to "
            "{last:.3f} over the last of its {epochs} epochs.",
            advice="Run the same command with more --minutes: it goes on from here.",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Trained to the end",
        meaning="The validation loss had settled at {last:.3f} by the end of {epochs} epochs.",
        figures=figures,
    )


def _place_before(loss: NDArray[np.float64]) -> int:
    """Where the last fifth of the epochs begins."""
    return len(loss) - 1 - max(2, len(loss) // 5)


def _measure_trend(loss: NDArray[np.float64], images: int) -> tuple[bool, float, float]:
    """Whether the loss falls over the last fifth beyond chance, and its smoothed levels there.

    The smoothed loss must fall beyond its error, and both it and a line through the bare epochs
    by more than the sampling error of the last loss: what a steep start makes of a curve that
    has flattened out is no fall.
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
    """Whether the smoothed validation loss still falls over the last fifth of a log."""
    val = complete_curve(curves.val_loss)
    if val is None:
        return make_finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Trained to the end",
            meaning="There are too few epochs with a validation loss to see where it was heading.",
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
            title="It was still getting better when it ended",
            meaning="It has not converged: the validation loss still fell from {before:.3f} at "
            "epoch {epoch} to {last:.3f} at the end.",
            advice="Train for more epochs.",
            variant="log",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Trained to the end",
        meaning="The validation loss was {before:.3f} at epoch {epoch} and {last:.3f} at the end: "
        "it no longer falls beyond chance.",
        variant="log",
        figures=figures,
    )


def _short_curve_finding(epochs: int, val: Interval) -> Finding:
    """So few epochs show no trend: whether more would help is open where there are errors left."""
    figures: dict[str, Figure] = {"epochs": epochs, "val": val.value}
    if val.high < 1:
        return make_finding(
            "not_converged",
            "found",
            "advice",
            title="It had little time to learn",
            meaning="Too few epochs fitted into the time ({epochs}) to see where "
            "the training was heading; {val:.1%} of the validation images are right.",
            advice="Run the same command with more --minutes: it goes on from here.",
            variant="short",
            figures=figures,
        )
    return make_finding(
        "not_converged",
        "passed",
        "info",
        title="Trained to the end",
        meaning="{epochs} epochs were enough: no validation image is wrong beyond doubt.",
        variant="short",
        figures=figures,
    )


CHECK = Check(code="not_converged", run=check_not_converged, of_curves=check_not_converged_curves)
