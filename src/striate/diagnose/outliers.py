"""Outliers: images unlike all others, such as placeholders, scans of a text, or another subject."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

MOST_NAMED = 3


def check_outliers(values: Values) -> Finding:
    """Names the images whose nearest neighbours are far off in what some stage sees."""
    if values.outliers is None:
        return make_finding(
            "outliers",
            "not_applicable",
            "info",
            title="Images unlike all others",
            meaning="No pretrained network has looked at the images, so none can be told apart.",
        )
    if values.outliers:
        named = [outlier.path for outlier in values.outliers[:MOST_NAMED]]
        return make_finding(
            "outliers",
            "found",
            "info",
            title="Some images are unlike all others",
            meaning="Training and validation images far from all others in what the pretrained "
            "network sees: {n:,}. Placeholders, foreign pictures, or rare views: {paths}",
            advice="Look at them in the report; take out what does not belong, and run again.",
            figures={
                "n": len(values.outliers),
                "paths": "; ".join([*named, *["…"] * (len(values.outliers) > MOST_NAMED)]),
            },
        )
    return make_finding(
        "outliers",
        "passed",
        "info",
        title="Images unlike all others",
        meaning="No training or validation image is far from all others.",
    )


CHECK = Check(code="outliers", run=check_outliers, every_task=True)
