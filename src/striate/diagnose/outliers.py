"""Outliers: images unlike all others, such as placeholders or another subject."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

MOST_NAMED = 3


def check_outliers(values: Values) -> Finding:
    """List the images that are far from their nearest neighbours in some stage's features."""
    if values.outliers is None:
        return make_finding(
            "outliers",
            "not_applicable",
            "info",
            title="Outliers",
            meaning="No pretrained network was used, so there are no features to find outliers "
            "with.",
        )
    if values.outliers:
        named = [outlier.path for outlier in values.outliers[:MOST_NAMED]]
        return make_finding(
            "outliers",
            "found",
            "info",
            title="Some images are outliers",
            meaning="Training or validation images far from all others in the features of the "
            "pretrained network: {n:,}. They may be placeholders, unrelated images or "
            "rare views: {paths}",
            advice="Look at them in the report, remove those that do not belong, and run again.",
            figures={
                "n": len(values.outliers),
                "paths": "; ".join([*named, *["…"] * (len(values.outliers) > MOST_NAMED)]),
            },
        )
    return make_finding(
        "outliers",
        "passed",
        "info",
        title="Outliers",
        meaning="No training or validation image is far from all others.",
    )


CHECK = Check(code="outliers", run=check_outliers, every_task=True)
