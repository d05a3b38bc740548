"""Augmentation too strong: training images, as they are changed, are harder than new ones."""

from striate.diagnose import Check, curves_of, end_share, finding, whole
from striate.metrics import intervals
from striate.values import Curves, Finding, Values


def run(values: Values) -> Finding:
    """Asks the curves of the training."""
    curves = curves_of(values)
    return _nothing() if curves is None else of_curves(curves)


def of_curves(curves: Curves) -> Finding:
    """Holds the accuracy on changed training images against that on unchanged validation images.

    Found where surely more of the training's errors come from the changes than remain without.
    """
    train, val = whole(curves.train_accuracy), whole(curves.val_accuracy)
    if train is None or val is None:
        return _nothing()
    learnt = end_share(train, curves.train_images)
    clean = end_share(val, curves.val_images)
    cost = intervals.difference(clean, learnt)
    figures = {
        "train": learnt.value,
        "val": clean.value,
        "points": 100 * cost.value,
        "low": 100 * cost.low,
    }
    if cost.low > 1 - clean.low:
        return finding(
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
    return finding(
        "augmentation_strong",
        "passed",
        "info",
        title="Augmentation not too strong",
        meaning="{train:.1%} of the training images are right, as they were changed, and {val:.1%} "
        "of the validation images: the changes do not outweigh the other errors.",
        figures=figures,
    )


def _nothing() -> Finding:
    return finding(
        "augmentation_strong",
        "not_applicable",
        "info",
        title="Augmentation not too strong",
        meaning="There are too few epochs with both accuracies to look at.",
    )


CHECK = Check(code="augmentation_strong", run=run, of_curves=of_curves)
