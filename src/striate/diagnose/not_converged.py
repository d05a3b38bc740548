"""Not converged: the validation loss was still falling when the training ended."""

import numpy as np

from striate import statistics
from striate.diagnose import Check, finding
from striate.values import Finding, Values


def run(values: Values) -> Finding:
    """Compares the last fifth of the epochs with the fifth before it."""
    history = values.history
    if history is None or len(history.epochs) < 5 or not history.val_images:
        return finding(
            "not_converged",
            "not_applicable",
            "info",
            title="Trained to the end",
            meaning="There was no training of five epochs or more.",
        )
    loss = np.array([epoch.val_loss for epoch in history.epochs])
    width = max(2, len(loss) // 5)
    before, last = float(loss[-2 * width : -width].mean()), float(loss[-width:].mean())
    noise = 3 * statistics.jitter(loss) * np.sqrt(2 / width)
    # Losses of single images scatter about as much as their mean, as an exponential's do.
    sampling = 2.576 * last / np.sqrt(history.val_images)
    figures = {"before": before, "last": last, "epochs": len(loss)}
    if before - last > max(noise, sampling):
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


CHECK = Check(code="not_converged", run=run)
