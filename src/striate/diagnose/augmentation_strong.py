"""Augmentation too strong: training images, as they are changed, are harder than new ones."""

from striate.diagnose import Check, complete_curve, final_accuracy, make_finding, training_curves
from striate.metrics import intervals
from striate.values import Curves, Finding, Values


def check_augmentation_strong(values: Values) -> Finding:
    """Asks the curves of the training."""
    curves = training_curves(values)
    return _not_applicable() if curves is None else check_augmentation_strong_curves(curves)


def check_augmentation_strong_curves(curves: Curves) -> Finding:
    """Holds the accuracy on changed training images against that on unchanged validation images.

    Found where surely more of the training's errors come from the changes than remain without.
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
            title="The augmentation looks too strong",
            meaning="{train:.1%} of the changed training images are right and {val:.1%} of the "
            "validation images: changes and dropout cost {points:.1f} points (at least {low:.1f} "
            "with 99% certainty), more than all other errors together.",
            advice="Halve the strength of the augmentation, or the dropout, and compare.",
            figures=figures,
        )
    return make_finding(
        "augmentation_strong",
        "passed",
        "info",
        title="Augmentation not too strong",
        meaning="{train:.1%} of the training images are right, as they were changed, and {val:.1%} "
        "of the validation images: the changes do not outweigh the other errors.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "augmentation_strong",
        "not_applicable",
        "info",
        title="Augmentation not too strong",
        meaning="There are too few epochs with both accuracies to look at.",
    )


CHECK = Check(
    code="augmentation_strong",
    run=check_augmentation_strong,
    of_curves=check_augmentation_strong_curves,
)
