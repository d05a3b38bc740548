"""Other world: test images that differ from those that the model was chosen by."""

from striate.diagnose import Check, make_finding, score_interval
from striate.metrics import intervals
from striate.values import Figure, Finding, Values


def check_other_world(values: Values) -> Finding:
    """Compares the accuracy on validation with that on the test split."""
    val, test = values.summary.val, values.summary.test
    if val is None or test is None or values.split.evaluation != "test-split":
        return make_finding(
            "other_world",
            "not_applicable",
            "info",
            title="Validation and test agree",
            meaning="There is no pair of a validation and a test split to compare.",
        )
    gap = intervals.share_difference(score_interval(val), score_interval(test))
    figures: dict[str, Figure] = {
        "val": val.value,
        "val_n": val.n,
        "test": test.value,
        "n": test.n,
        "points": 100 * gap.value,
    }
    if gap.low > 0:
        return make_finding(
            "other_world",
            "found",
            "warning",
            title="Test images are harder than validation images",
            meaning="{test:.1%} of {n:,} test images are right, but {val:.1%} of {val_n:,} "
            "validation images: more than chance explains. The test images may come from "
            "elsewhere: another camera, place or time.",
            advice="Believe the lower number, and put images of both kinds into training.",
            figures=figures,
        )
    return make_finding(
        "other_world",
        "passed",
        "info",
        title="Validation and test agree",
        meaning="{val:.1%} on {val_n:,} validation images, {test:.1%} on {n:,} test images: no "
        "more apart than chance explains.",
        figures=figures,
    )


CHECK = Check(code="other_world", run=check_other_world)
