"""Weak class: classes with significantly lower recall than the others."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, subset_accuracy
from striate.metrics import intervals
from striate.values import Finding, Values

MOST_NAMED = 5


def check_weak_class(values: Values) -> Finding:
    """Compare every class with all others, with Bonferroni correction."""
    names = values.predictions.classes
    truth = values.predictions.truth[values.counted]
    right = values.predictions.predicted[values.counted] == truth
    met = np.bincount(truth, minlength=len(names))
    if (met > 0).sum() < 2:
        return make_finding(
            "weak_class",
            "not_applicable",
            "info",
            title="Weak classes",
            meaning="Fewer than two classes have test images.",
        )
    # Bonferroni: with K classes looked at, each gets 1/K of the error.
    level = 1 - (1 - CHECK_LEVEL) / int((met > 0).sum())
    weak = []
    for k in np.flatnonzero(met):
        mine = subset_accuracy(values, truth == k, level)
        rest = subset_accuracy(values, truth != k, level)
        if intervals.share_difference(rest, mine).low > 0:
            weak.append((mine.value, names[k]))
    weak.sort()
    if weak:
        return make_finding(
            "weak_class",
            "found",
            "advice",
            title="Some classes have lower recall",
            meaning="Recall is significantly lower than on the other classes for: {names}. The "
            "weakest class has a recall of {worst:.1%}; the accuracy over all classes is "
            "{all:.1%}.",
            advice="Look at their mistakes in the report. Common causes are label errors, too "
            "few images, or two classes that look alike.",
            figures={
                "names": ", ".join(name for _, name in weak[:MOST_NAMED])
                + " …" * (len(weak) > MOST_NAMED),
                "n": len(weak),
                "worst": weak[0][0],
                "all": float(right.mean()),
            },
        )
    return make_finding(
        "weak_class",
        "passed",
        "info",
        title="Weak classes",
        meaning="No class has a significantly lower recall than the others.",
    )


CHECK = Check(code="weak_class", run=check_weak_class)
