"""Augmentation too strong: accuracy on augmented images far below that on unchanged ones."""

from striate.diagnose import Check, complete_curve, final_accuracy, make_finding, training_curves
from striate.metrics import intervals
from striate.values import Curves, Finding, Values


def check_augmentation_strong(values: Values) -> Finding:
    """Apply the check to the learning curves of the run."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_augmentation_strong_curves(curves)


def check_augmentation_strong_curves(curves: Curves) -> Finding:
    """Compare accuracy on augmented training images with that on unchanged validation images.

    Found if significantly more training errors come from augmentation than remain without it.
    """
    train, val = complete_curve(curves.train_accuracy), complete_curve(curves.val_accuracy)
    if train is None or val is None:
        return _not_applicable()
    learnt = final_accuracy(train, curves.train_images)
    clean = final_accuracy(val, curves.val_images)
    cost = intervals.share_difference(clean, learnt)
    figures = {
        "train": learnt.value,
        "val": clean.value,
        "points": 100 * cost.value,
        "low": 100 * cost.low,
    }
    if cost.low > 1 - clean.low:
        return make_finding(
            "augmentation_strong",
            "found",
            "advice",
            title="The augmentation may be too strong",
            meaning="Accuracy is {train:.1%} on augmented training images and {val:.1%} on "
            "unchanged validation images. Augmentation and dropout cost {points:.1f} "
            "percentage points (at least {low:.1f} with 99% confidence), more than all "
            "other errors together.",
            advice="Halve the strength of the augmentation or the dropout rate, train again and "
            "compare.",
            figures=figures,
        )
    return make_finding(
        "augmentation_strong",
        "passed",
        "info",
        title="Strength of augmentation",
        meaning="Accuracy is {train:.1%} on augmented training images and {val:.1%} on "
        "validation images. Augmentation costs less than the other errors.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "augmentation_strong",
        "not_applicable",
        "info",
        title="Strength of augmentation",
        meaning="Too few epochs have both a training and a validation accuracy.",
    )


CHECK = Check(
    code="augmentation_strong",
    run=check_augmentation_strong,
    of_curves=check_augmentation_strong_curves,
)
