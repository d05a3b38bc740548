"""Weak class: classes found less often than the rest, beyond chance."""

import numpy as np

from striate.diagnose import CHECK_LEVEL, Check, make_finding, subset_accuracy
from striate.metrics import intervals
from striate.values import Finding, Values

MOST_NAMED = 5


def check_weak_class(values: Values) -> Finding:
    """Holds every class against all others, at a level that allows for looking at many."""
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
            title="Some classes are harder than the others",
            meaning="Found clearly less often than the others: {names}. The weakest is right on "
            "{worst:.1%} of its test images, all classes together on {all:.1%}.",
            advice="Look at their mistakes in the report: wrong labels, too few images, or two "
            "classes that look alike.",
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
        meaning="No class is worse than the others by more than chance explains.",
    )


CHECK = Check(code="weak_class", run=check_weak_class)
