"""Not converged: the validation loss was still falling when the training ended."""

import numpy as np
from numpy.typing import NDArray

from striate import trends
from striate.diagnose import ASSUMED_IMAGES, Check, finding, kept_fit, whole
from striate.values import Curves, Figure, Finding, Interval, Values

LEAST = 5


def run(values: Values) -> Finding:
    """Whether the smoothed validation loss still falls over the last fifth of the epochs."""
    history, fit = values.history, kept_fit(values)
    if history is None or fit is None:
        return finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Trained to the end",
            meaning="The model was solved in closed form, with nothing to end too early.",
        )
    if len(history.epochs) < LEAST:
        return _short(len(history.epochs), fit[1])
    loss = np.array([epoch.val_loss for epoch in history.epochs])
    fell, error, before, last = _fall(loss)
    sampling = trends.mean_loss_error(max(0.0, last), history.val_images)
    figures = {"before": before, "last": last, "epochs": len(loss)}
    if trends.beyond(fell, error) and fell > sampling:
        return finding(
            "not_converged",
            "found",
            "advice",
            title="It was still getting better when the time was up",
            meaning="It underfits: the validation loss still fell from {before:.3f} to "
            "{last:.3f} over the last of its {epochs} epochs.",
            advice="Run the same command with more --minutes: it goes on from here.",
            figures=figures,
        )
    return finding(
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


def _fall(loss: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """How far the smoothed loss fell over the last fifth, the error of that, and both levels."""
    if not np.isfinite(loss).all():
        return 0.0, 0.0, float(loss[_place_before(loss)]), float(loss[-1])
    trend, before = trends.smooth(loss), _place_before(loss)
    fell, error = trend.apart(before, len(loss) - 1)
    return fell, error, float(trend.level[before]), float(trend.level[-1])


def of_curves(curves: Curves) -> Finding:
    """Whether the smoothed validation loss still falls over the last fifth of a log."""
    val = whole(curves.val_loss)
    if val is None:
        return finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Trained to the end",
            meaning="There are too few epochs with a validation loss to see where it was heading.",
            variant="log",
        )
    fell, error, level, last = _fall(val)
    before = _place_before(val)
    figures: dict[str, Figure] = {
        "before": level,
        "last": last,
        "epoch": curves.epochs[before],
    }
    sampling = trends.mean_loss_error(max(0.0, last), curves.val_images or ASSUMED_IMAGES)
    if trends.beyond(fell, error) and fell > sampling:
        return finding(
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
    return finding(
        "not_converged",
        "passed",
        "info",
        title="Trained to the end",
        meaning="The validation loss was {before:.3f} at epoch {epoch} and {last:.3f} at the end: "
        "it no longer falls beyond chance.",
        variant="log",
        figures=figures,
    )


def _short(epochs: int, val: Interval) -> Finding:
    """So few epochs show no trend: whether more would help is open where there are errors left."""
    figures: dict[str, Figure] = {"epochs": epochs, "val": val.value}
    if val.high < 1:
        return finding(
            "not_converged",
            "found",
            "advice",
            title="It had little time to learn",
            meaning="It may underfit: too few epochs fitted into the time ({epochs}) to see where "
            "the training was heading; {val:.1%} of the validation images are right.",
            advice="Run the same command with more --minutes: it goes on from here.",
            variant="short",
            figures=figures,
        )
    return finding(
        "not_converged",
        "passed",
        "info",
        title="Trained to the end",
        meaning="{epochs} epochs were enough: no validation image is wrong beyond doubt.",
        variant="short",
        figures=figures,
    )


CHECK = Check(code="not_converged", run=run, of_curves=of_curves)
