"""Imbalance: classes with few training images and lower accuracy than the others."""

import numpy as np

from striate.diagnose import Check, make_finding, subset_accuracy
from striate.metrics import intervals
from striate.values import Finding, Values


def check_imbalance(values: Values) -> Finding:
    """Compare classes with under half the mean number of training images with the others."""
    classes = len(values.predictions.classes)
    trained = np.bincount(values.index.labels()[values.split.train], minlength=classes)
    truth = values.predictions.truth[values.counted]
    rare_K = trained < trained.mean() / 2
    rare_N = rare_K[truth]
    if not rare_K.any() or not rare_N.any() or rare_N.all():
        return make_finding(
            "imbalance",
            "not_applicable",
            "info",
            title="Class imbalance",
            meaning="No class has fewer than half the average number of training images "
            "({least:,} to {most:,} per class).",
            figures={"least": int(trained.min()), "most": int(trained.max())},
        )
    rare, rest = subset_accuracy(values, rare_N), subset_accuracy(values, ~rare_N)
    figures = {
        "classes": int(rare_K.sum()),
        "rare": rare.value,
        "rest": rest.value,
        "n": rare.n,
        "least": int(trained.min()),
    }
    if intervals.share_difference(rest, rare).low > 0:
        return make_finding(
            "imbalance",
            "found",
            "warning",
            title="Rare classes have lower accuracy",
            meaning="{classes:,} classes have fewer than half the average number of training "
            "images (the rarest has {least:,}). The accuracy on their test images is "
            "{rare:.1%}; on the other classes it is {rest:.1%}.",
            advice="Collect more images of the rare classes first, or try --set balance=weights. "
            "Report the balanced accuracy along with the accuracy.",
            figures=figures,
        )
    if rare.value < rest.value:
        return make_finding(
            "imbalance",
            "not_applicable",
            "info",
            title="Class imbalance",
            meaning="Rare classes: {classes:,}. Their {n:,} test images are too few to tell "
            "whether that lowers their accuracy: it is {rare:.1%}, and {rest:.1%} on the "
            "other classes.",
            variant="few",
            figures=figures,
        )
    return make_finding(
        "imbalance",
        "passed",
        "info",
        title="Class imbalance",
        meaning="Rare classes: {classes:,}. Their accuracy is not significantly lower: "
        "{rare:.1%} on their {n:,} test images, {rest:.1%} on the other classes.",
        figures=figures,
    )


CHECK = Check(code="imbalance", run=check_imbalance)
