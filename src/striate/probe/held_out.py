"""Ridge regression whose penalty is picked by images held out, where leave-one-out would lie.

Features that were tuned on the training images know their labels: an image that is left out of
the fit was not left out of the tuning. Legend: `N` images, `D` features, `K` classes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.calibration import fit_temperature
from striate.probe.ridge import RidgeFit, prepare
from striate.values import Rows


def fit_held_out(
    features_ND: NDArray[np.float32],
    labels: Rows,
    judging_ND: NDArray[np.float32],
    judging_labels: Rows,
    classes: int,
    widths: Sequence[int] | None = None,
    weights: NDArray[np.float64] | None = None,
    alphas: Sequence[float] | None = None,
) -> RidgeFit:
    """The ridge solution on `features_ND` with the penalty that serves the judging images best.

    The least mean squared error of their scores picks among `alphas`, 25 where none are given, and
    the temperature is fitted on them. `loo_scores` and `loo_errors` are of the training images,
    as always: they promise too much here. `weights` as in `striate.probe.ridge.prepare`.
    """
    path = prepare(features_ND, labels, classes, None, widths, weights)
    tried = path.fit().alphas if alphas is None else np.asarray(alphas, np.float64)
    truth_NK = np.eye(classes)[judging_labels]
    fits = [path.fit(alphas=[float(alpha)]) for alpha in tried]
    scores = [fit.scores(judging_ND) for fit in fits]
    best = min(range(len(fits)), key=lambda i: float(np.square(scores[i] - truth_NK).mean()))
    return replace(fits[best], temperature=fit_temperature(scores[best], judging_labels))
