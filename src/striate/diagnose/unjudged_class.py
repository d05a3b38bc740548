"""Unjudged class: one that no image judges, so that the accuracy says nothing of it."""

import numpy as np

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

MOST_NAMED = 5


def check_unjudged_class(values: Values) -> Finding:
    """Looks for classes without an image that counts, as where a given test split lacks them."""
    names = values.predictions.classes
    met = np.bincount(values.predictions.truth[values.counted], minlength=len(names))
    lacking = np.flatnonzero(met == 0)
    if not met.any():
        return make_finding(
            "unjudged_class",
            "not_applicable",
            "info",
            title="Every class is judged",
            meaning="No image with a known label was left to judge by.",
        )
    if len(lacking):
        return make_finding(
            "unjudged_class",
            "found",
            "warning",
            title="Some classes are not judged",
            meaning="No image that judges is of {names}. Accuracy and balanced accuracy are those "
            "of {judged:,} of {classes:,} classes and say nothing of the others.",
            advice="Add images of these classes to the test split, or let all images be divided "
            "anew: --split pool.",
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
        title="Every class is judged",
        meaning="Each of {classes:,} classes has at least {least:,} images that judge.",
        figures={"classes": len(names), "least": int(met.min())},
    )


CHECK = Check(code="unjudged_class", run=check_unjudged_class)
