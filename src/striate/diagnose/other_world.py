"""Distribution shift: test accuracy that differs from validation accuracy."""

from striate.diagnose import Check, make_finding, score_interval
from striate.metrics import intervals
from striate.values import Figure, Finding, Values


def check_other_world(values: Values) -> Finding:
    """Compare the accuracy on the validation split with that on the test split."""
    val, test = values.summary.val, values.summary.test
    if val is None or test is None or values.split.evaluation != "test-split":
        return make_finding(
            "other_world",
            "not_applicable",
            "info",
            title="Validation and test agree",
            meaning="There is no validation split and test split to compare.",
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
            title="Test accuracy is lower than validation accuracy",
            meaning="Accuracy is {test:.1%} on {n:,} test images but {val:.1%} on {val_n:,} "
            "validation images, a significant difference. The test images may come from "
            "another source: another camera, place or time.",
            advice="Rely on the lower figure, and add images from both sources to the training "
            "data.",
            figures=figures,
        )
    return make_finding(
        "other_world",
        "passed",
        "info",
        title="Validation and test agree",
        meaning="Accuracy is {val:.1%} on {val_n:,} validation images and {test:.1%} on {n:,} "
        "test images: no significant difference.",
        figures=figures,
    )


CHECK = Check(code="other_world", run=check_other_world)
