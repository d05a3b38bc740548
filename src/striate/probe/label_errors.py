"""Possible label errors: confident learning on leave-one-out predictions.

After Northcutt, Jiang and Chuang 2021. An image is predicted by a model that was not trained on it
or its group, so that no label confirms itself.
"""

import numpy as np
from numpy.typing import NDArray

from striate.metrics.intervals import softmax
from striate.probe.ridge import fit_ridge_path
from striate.values import Doubt, Index, Rows


def rank_label_errors(
    probabilities_NK: NDArray[np.float32], index: Index, rows: Rows
) -> tuple[Doubt, ...]:
    """Every image of `rows` with its suspicion of a label error, the most suspect first.

    `probabilities_NK` are out-of-sample. `doubt` is one minus the probability of the given label,
    so 0 to 1. `flagged` means that the image is off the diagonal of the confident joint: another
    class is at least as probable as it is on average for images with that label (section 3.1 of the
    paper), and more probable than the label that it has.
    """
    labels = index.labels()[rows]
    confident = confident_classes(probabilities_NK, labels)
    given = probabilities_NK[np.arange(len(rows)), labels]
    others = probabilities_NK.copy()
    others[np.arange(len(rows)), labels] = -1
    best = others.argmax(axis=1)
    order = np.lexsort((rows, given))
    return tuple(
        Doubt(
            row=int(rows[i]),
            path=index.examples[rows[i]].path,
            label=index.classes[labels[i]],
            suggested=index.classes[best[i]],
            doubt=float(1 - given[i]),
            given_probability=float(given[i]),
            suggested_probability=float(others[i, best[i]]),
            flagged=bool(
                confident[i] >= 0
                and confident[i] != labels[i]
                and others[i, best[i]] > given[i]  # with rare classes the average alone is low
            ),
        )
        for i in order
    )


def left_out_probabilities(
    features_ND: NDArray[np.float32], labels: Rows, classes: int, groups: Rows | None = None
) -> NDArray[np.float32]:
    """Probabilities N x K of each image by the ridge model fitted without its group."""
    fit = fit_ridge_path(features_ND, labels, classes, groups)
    return softmax(fit.loo_scores, fit.temperature)


def confident_classes(probabilities_NK: NDArray[np.float32], labels: Rows) -> Rows:
    """The class N that an image confidently belongs to, -1 if none.

    A class counts if its probability reaches its own mean over the images with that label; of
    several the most probable.
    """
    classes = probabilities_NK.shape[1]
    thresholds_K = np.array(
        [
            probabilities_NK[labels == k, k].mean() if (labels == k).any() else np.inf
            for k in range(classes)
        ]
    )
    # Rounding must not decide where every image of a class has the same probability.
    believed_NK = probabilities_NK >= thresholds_K - 1e-6
    found = np.where(believed_NK, probabilities_NK, -1).argmax(axis=1)
    return np.where(believed_NK.any(axis=1), found, -1).astype(np.int64)
