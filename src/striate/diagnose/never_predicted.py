"""Never predicted: classes that the model does not use though it met them."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, subset_accuracy
from striate.values import Finding, Values

MOST_NAMED = 5


def check_never_predicted(values: Values) -> Finding:
    """Looks for classes never answered whose images are too many for that to be chance."""
    names = values.predictions.classes
    truth = values.predictions.truth[values.counted]
    if not len(truth):
        return make_finding(
            "never_predicted",
            "not_applicable",
            "info",
            title="Every class is used",
            meaning="No image with a known label was left to judge by.",
        )
    met = np.bincount(truth, minlength=len(names))
    said = np.bincount(values.predictions.predicted[values.counted], minlength=len(names))
    share = float((values.predictions.predicted[values.counted] == truth).mean())
    # Bonferroni: with K classes looked at, each gets 1/K of the error.
    level = 1 - (1 - CHECK_LEVEL) / int((met > 0).sum())
    silent = [
        k
        for k in np.flatnonzero((said == 0) & (met > 0))
        if subset_accuracy(values, truth == k, level).high < share
    ]
    if silent:
        return make_finding(
            "never_predicted",
            "found",
            "warning",
            title="Some classes are never answered",
            meaning="The model never answers {names}, though {n:,} test images are of these "
            "classes.",
            advice="Check the labels of these classes, give them more images, or merge them with "
            "the class they are taken for.",
            figures={
                "names": ", ".join(names[k] for k in silent[:MOST_NAMED])
                + " …" * (len(silent) > MOST_NAMED),
                "n": int(met[silent].sum()),
            },
        )
    return make_finding(
        "never_predicted",
        "passed",
        "info",
        title="Every class is used",
        meaning="Every class with enough test images to tell is answered for some of them.",
    )


CHECK = Check(code="never_predicted", run=check_never_predicted)
