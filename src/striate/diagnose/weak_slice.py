"""Weak slice: dark, blurred, small … images or groups that are found less often than others."""

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
    "the quarter with least contrast",
    "the quarter with most contrast",
    "the most blurred quarter",
    "the most detailed quarter",
    "the smallest quarter",
    "the largest quarter",
)


def check_weak_slice(values: Values) -> Finding:
    """Holds each outer quarter against all other images, and each of the source's own groups.

    The error of the check is shared: among the eight quarters, and where there are groups half
    of it among these.
    """
    rows = values.test_rows[values.counted]
    if len(rows) < MIN_IMAGES:
        return make_finding(
            "weak_slice",
            "not_applicable",
            "info",
            title="Weak slices",
            meaning="{n:,} judged images are too few to be cut into kinds.",
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
        title="Some groups are harder",
        meaning="Of the {n:,} judged images of group {name} {share:.1%} are right, of the others "
        "{others:.1%}. {failing:,} of {groups:,} groups with enough images are worse than chance "
        "explains, though so many were looked at; images of one group were taken for independent.",
        advice="Look at the images of these groups: what sets them apart (light, device, place, "
        "hand)? Collect more groups like them; until then trust answers on such groups less.",
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
        title="Some kinds of images are harder",
        meaning="Of {name} of the judged images {share:.1%} are right, of the others "
        "{others:.1%}: more apart than chance explains, though eight kinds were looked at.",
        advice="Collect more images of this kind, or augment with it; until then trust its "
        "answers less.",
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
            title="Weak slices",
            meaning="Neither dark nor bright, flat nor harsh, blurred nor detailed, small nor "
            "large images, nor those of any of {groups:,} groups are worse than the others by "
            "more than chance explains ({n:,} images).",
            variant="groups",
            figures={"n": images, "groups": groups},
        )
    return make_finding(
        "weak_slice",
        "passed",
        "info",
        title="Weak slices",
        meaning="Neither dark nor bright, flat nor harsh, blurred nor detailed, small nor large "
        "images are worse than the others by more than chance explains ({n:,} images).",
        figures={"n": images},
    )


CHECK = Check(code="weak_slice", run=check_weak_slice)
