"""Never predicted: classes that the model never predicts although test images have them."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, subset_accuracy
from striate.values import Finding, Values

MOST_NAMED = 5


def check_never_predicted(values: Values) -> Finding:
    """Find classes that are never predicted, with too many test images for chance."""
    names = values.predictions.classes
    truth = values.predictions.truth[values.counted]
    if not len(truth):
        return make_finding(
            "never_predicted",
            "not_applicable",
            "info",
            title="Classes that are never predicted",
            meaning="No labelled image was left to evaluate the model on.",
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
            title="Some classes are never predicted",
            meaning="The model never predicts {names}, although {n:,} test images belong to "
            "these classes.",
            advice="Check the labels of these classes, add images of them, or merge each with "
            "the class it is confused with.",
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
        title="Classes that are never predicted",
        meaning="Every class with enough test images is predicted at least once.",
    )


CHECK = Check(code="never_predicted", run=check_never_predicted)
