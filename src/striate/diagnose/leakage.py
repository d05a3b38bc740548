"""Leakage: test images with a copy in training, or a provided test split that has such."""

import numpy as np

from striate.diagnose import Check, make_finding
from striate.values import Figure, Finding, Rows, Score, Values

# A given test split with this share of copies would have judged the copies, not the model.
SERIOUS_SHARE = 0.1


def check_leakage(values: Values) -> Finding:
    """Count test images with a copy in training or validation, and their effect on accuracy.

    Those of a provided test split that was not used count too, since figures from it exist.
    """
    score, split = values.summary.test, values.split
    if len(split.given_leaked):
        return _of_given(values)
    leaked = len(split.leaked)
    if leaked and score is not None and score.with_leaked is not None:
        plain = score.metric != "accuracy"
        return make_finding(
            "leakage",
            "found",
            "warning" if plain or not _too_few_to_matter(leaked, score) else "info",
            title="Copies of training images are in the test split",
            meaning="{leaked:,} of {n:,} test images are copies of training or validation images "
            "and are not counted."
            + ("" if plain else " Accuracy {value:.1%} without them, {with_leaked:.1%} with them."),
            advice="Remove the copies from your test split; index.csv lists the original of each.",
            variant="plain" if plain else "",
            figures={
                "leaked": leaked,
                "n": score.with_leaked.n,
                "value": score.value,
                "with_leaked": score.with_leaked.value,
                **_pair(values, split.leaked, split.test),
            },
        )
    copies = _count_copies(values)
    return make_finding(
        "leakage",
        "passed",
        "info",
        title="Leakage",
        meaning="No test image has a copy among the training or validation images. {copies:,} "
        "images belong to a group, and no group is divided between splits.",
        figures={"copies": copies},
    )


def _of_given(values: Values) -> Finding:
    leaked, given = len(values.split.given_leaked), len(values.split.given_test)
    return make_finding(
        "leakage",
        "found",
        "serious" if leaked >= SERIOUS_SHARE * given else "warning",
        title="The test split that you provided contains copies of training images",
        meaning="{leaked:,} of the {n:,} images in the test split that you provided are copies "
        "of training or validation images, or belong to the same group as one. An accuracy "
        "measured on that split says nothing about new images. So the split was not used, and "
        "all images were pooled.",
        advice="Remove the copies from your test split and repeat whatever was measured on it; "
        "index.csv lists the original of each copy.",
        variant="given",
        figures={
            "leaked": leaked,
            "n": given,
            **_pair(values, values.split.given_leaked, values.split.given_test),
        },
    )


def _pair(values: Values, leaked: Rows, test: Rows) -> dict[str, Figure]:
    """Paths of a leaked test image and of its copy, one with equal pixels if there is one.

    Empty texts if no copy is known.
    """
    examples, groups = values.index.examples, values.split.groups
    others = np.setdiff1d(values.index.used(), test)
    for same in (True, False):
        for row in leaked:
            for twin in others[groups[others] == groups[row]]:
                if not same or examples[twin].picture == examples[row].picture:
                    return {"one": examples[row].path, "other": examples[twin].path}
    return {"one": "", "other": ""}


def _too_few_to_matter(leaked: int, score: Score) -> bool:
    """Whether the leaked images, right or wrong, leave the accuracy within its interval."""
    low, high = score.interval
    assert score.with_leaked is not None
    return leaked / score.with_leaked.n < min(score.value - low, high - score.value)


def _count_copies(values: Values) -> int:
    """Number of images that share their group with another."""
    sizes = np.bincount(values.split.groups[values.index.used()])
    return int(sizes[sizes > 1].sum())


CHECK = Check(code="leakage", run=check_leakage, every_task=True)
