"""Class without evaluated images, which the accuracy therefore does not cover."""

import numpy as np

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

MOST_NAMED = 5


def check_unjudged_class(values: Values) -> Finding:
    """Find classes without a counted image, for example missing from a given test split."""
    names = values.predictions.classes
    met = np.bincount(values.predictions.truth[values.counted], minlength=len(names))
    lacking = np.flatnonzero(met == 0)
    if not met.any():
        return make_finding(
            "unjudged_class",
            "not_applicable",
            "info",
            title="Every class is evaluated",
            meaning="No labelled image was left to evaluate the model on.",
        )
    if len(lacking):
        return make_finding(
            "unjudged_class",
            "found",
            "warning",
            title="Some classes are not evaluated",
            meaning="No evaluated image belongs to {names}. Accuracy and balanced accuracy cover "
            "{judged:,} of {classes:,} classes and say nothing about the others.",
            advice="Add images of these classes to the test split, or let striate split all "
            "images again: --split pool.",
            figures={
                "names": ", ".join(names[k] for k in lacking[:MOST_NAMED])
                + " …" * (len(lacking) > MOST_NAMED),
                "judged": len(names) - len(lacking),
                "classes": len(names),
            },
        )
    return make_finding(
        "unjudged_class",
        "passed",
        "info",
        title="Every class is evaluated",
        meaning="Each of {classes:,} classes has at least {least:,} evaluated images.",
        figures={"classes": len(names), "least": int(met.min())},
    )


CHECK = Check(code="unjudged_class", run=check_unjudged_class)
