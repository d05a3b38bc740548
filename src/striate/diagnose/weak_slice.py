"""Weak slice: dark, blurred, small … images, or groups, with significantly lower accuracy."""

import numpy as np
from numpy.typing import NDArray

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics.image_slices import (
    SLICES,
    ImageSlice,
    find_weak_groups,
    find_weak_slices,
    group_slices,
    image_properties,
    property_slices,
)
from striate.values import Finding, Values

MIN_IMAGES = 60
SLICE_NAMES = (
    "the darkest quarter",
    "the brightest quarter",
    "the quarter with the least contrast",
    "the quarter with the most contrast",
    "the most blurred quarter",
    "the most detailed quarter",
    "the smallest quarter",
    "the largest quarter",
)


def check_weak_slice(values: Values) -> Finding:
    """Compare each outer quarter with all other images, and each of the source's groups.

    The error rate of the check is shared among the eight quarters; if there are groups, they get
    half of it.
    """
    rows = values.test_rows[values.counted]
    if len(rows) < MIN_IMAGES:
        return make_finding(
            "weak_slice",
            "not_applicable",
            "info",
            title="Accuracy by kind of image",
            meaning="{n:,} evaluated images are too few to be divided into kinds.",
            figures={"n": len(rows)},
        )
    right = (values.predictions.predicted == values.predictions.truth)[values.counted]
    names = [values.index.examples[row].group for row in rows]
    failing, groups = find_weak_groups(right, names, (1 - CHECK_LEVEL) / 2)
    error = (1 - CHECK_LEVEL) / (2 if groups else 1)
    measured = image_properties(
        values.cache.images[rows], [values.index.examples[row] for row in rows]
    )
    # Bonferroni: each of the eight gets an eighth of the error.
    tried = property_slices(
        measured,
        right,
        values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
        level=1 - error / len(SLICES),
    )
    weak = find_weak_slices(tried)
    # A kind says more of why than a group does.
    if weak:
        return _weak_kind_finding(min(weak, key=lambda one: one.accuracy.value))
    if failing:
        return _weak_group_finding(failing, groups, right, names, values)
    return _passed_finding(len(rows), groups)


def _weak_group_finding(
    failing: tuple[str, ...],
    groups: int,
    right: NDArray[np.bool_],
    names: list[str],
    values: Values,
) -> Finding:
    (worst,) = group_slices(
        right,
        names,
        values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
        most=1,
    )
    return make_finding(
        "weak_slice",
        "found",
        "advice",
        title="Accuracy is lower on some groups",
        meaning="Accuracy is {share:.1%} on the {n:,} evaluated images of group {name} and "
        "{others:.1%} on the others. Of {groups:,} groups with enough images, "
        "{failing:,} are significantly worse, corrected for the number of groups. The "
        "test treats the images of one group as independent.",
        advice="Look at the images of these groups. What distinguishes them: light, device, "
        "place, handwriting? Collect more groups like them; until then, rely less on "
        "predictions for such groups.",
        variant="group",
        figures={
            "name": worst.name,
            "share": worst.accuracy.value,
            "others": worst.others.value,
            "n": worst.accuracy.n,
            "failing": len(failing),
            "groups": groups,
        },
    )


def _weak_kind_finding(worst: ImageSlice) -> Finding:
    number = SLICES.index(worst.name)
    return make_finding(
        "weak_slice",
        "found",
        "advice",
        title="Accuracy is lower on one kind of image",
        meaning="Accuracy is {share:.1%} on {name} of the evaluated images and {others:.1%} on "
        "the others. The difference is significant, corrected for the eight kinds compared.",
        advice="Collect more images of this kind, or use augmentation that produces such images. "
        "Until then, rely less on predictions for them.",
        variant=(
            "dark",
            "bright",
            "flat",
            "harsh",
            "blurred",
            "detailed",
            "small",
            "large",
        )[number],
        figures={
            "name": SLICE_NAMES[number],
            "share": worst.accuracy.value,
            "others": worst.others.value,
            "n": worst.accuracy.n,
        },
    )


def _passed_finding(images: int, groups: int) -> Finding:
    if groups:
        return make_finding(
            "weak_slice",
            "passed",
            "info",
            title="Accuracy by kind of image",
            meaning="No kind of image (dark, bright, low or high contrast, blurred, detailed, "
            "small, large) and none of {groups:,} groups has a significantly lower "
            "accuracy than the others ({n:,} images).",
            variant="groups",
            figures={"n": images, "groups": groups},
        )
    return make_finding(
        "weak_slice",
        "passed",
        "info",
        title="Accuracy by kind of image",
        meaning="No kind of image (dark, bright, low or high contrast, blurred, detailed, small, "
        "large) has a significantly lower accuracy than the others ({n:,} images).",
        figures={"n": images},
    )


CHECK = Check(code="weak_slice", run=check_weak_slice)
