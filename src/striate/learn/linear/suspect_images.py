"""Possible label errors and outliers by the linear model: images to check by eye."""

import numpy as np

from striate.learn.context import FitContext, FitData
from striate.learn.linear.linear_model import LinearProbes
from striate.metrics.intervals import softmax
from striate.probe.features import FeatureTable
from striate.probe.label_errors import rank_label_errors
from striate.probe.outlier_scores import find_outliers
from striate.values import Doubt
from striate.values.seeds import sample_rows

MAX_LISTED = 1_000  # images
MAX_COMPARED = 5_000  # images


def find_label_errors(data: FitData, linear: LinearProbes) -> tuple[Doubt, ...]:
    """The most suspect training and validation labels, at most `MAX_LISTED`.

    Training images are predicted by the leave-one-(group-)out fit, validation images by the fit on
    training images alone. Test images are not used.
    """
    probed = linear.probed
    scores = np.concatenate([probed.fit.loo_scores, probed.val_scores])
    rows = np.concatenate([data.train, data.val])
    probabilities = softmax(scores, probed.fit.temperature)
    return rank_label_errors(probabilities, data.index, rows)[:MAX_LISTED]


def publish_outliers(context: FitContext, table: FeatureTable) -> None:
    """Publish the outliers among the training and validation images.

    A random sample if there are many images. Skipped within a fold, since all images together tell
    more.
    """
    data = context.data
    rows = np.sort(np.concatenate([data.train, data.val]))
    if len(rows) < len(data.feature_rows):
        return
    rows = sample_rows(rows, MAX_COMPARED, data.seed, "outliers")
    found = find_outliers(table.stages(rows), data.index, rows, data.groups[rows])
    context.port.publish("outliers.csv", found[:MAX_LISTED])
