"""Imbalance: classes with few training images that are found less often than the others."""

import numpy as np

from striate.diagnose import Check, make_finding, subset_accuracy
from striate.metrics import intervals
from striate.values import Finding, Values


def check_imbalance(values: Values) -> Finding:
    """Compares classes with under half the mean number of training images with the others."""
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
            title="Imbalance",
            meaning="No class has fewer than half as many training images as the average "
            "({least:,} to {most:,} a class).",
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
            title="Rare classes suffer",
            meaning="{classes:,} classes have fewer than half as many training images as the "
            "average (the rarest {least:,}). Of their test images {rare:.1%} are right, of the "
            "others {rest:.1%}.",
            advice="Collect more images of the rare classes first; read the balanced accuracy "
            "beside the accuracy.",
            figures=figures,
        )
    if rare.value < rest.value:
        return make_finding(
            "imbalance",
            "not_applicable",
            "info",
            title="Imbalance",
            meaning="Rare classes: {classes:,}. Whether that harms cannot be told from their "
            "{n:,} test images: {rare:.1%} of them are correct, {rest:.1%} of the others.",
            variant="few",
            figures=figures,
        )
    return make_finding(
        "imbalance",
        "passed",
        "info",
        title="Imbalance",
        meaning="Rare classes: {classes:,}. It shows no harm: {rare:.1%} of their {n:,} test "
        "images are correct, {rest:.1%} of the others.",
        figures=figures,
    )


CHECK = Check(code="imbalance", run=check_imbalance)
