"""Leakage: test images of which the model has seen a copy, or a given test split made of such."""

import numpy as np

from striate.diagnose import Check, make_finding
from striate.values import Figure, Finding, Rows, Score, Values

# A given test split with this share of copies would have judged the copies, not the model.
SERIOUS_SHARE = 0.1


def check_leakage(values: Values) -> Finding:
    """Counts test images with a copy in training or validation, and what they would have added.

    Those of a given test split that was set aside count too: its owner has a number from it.
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
            meaning="Test images that are copies of images it learnt from or chose by: {leaked:,} "
            "of {n:,}. They do not count."
            + ("" if plain else " {value:.1%} without them, {with_leaked:.1%} with them."),
            advice="Take the copies out of your test split; index.csv says what each is a copy of.",
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
        meaning="No test image has a copy among the images it learnt from. {copies:,} images "
        "belong to a group with others, and every group stayed on one side.",
        figures={"copies": copies},
    )


def _of_given(values: Values) -> Finding:
    leaked, given = len(values.split.given_leaked), len(values.split.given_test)
    return make_finding(
        "leakage",
        "found",
        "serious" if leaked >= SERIOUS_SHARE * given else "warning",
        title="The test split that you gave holds copies of training images",
        meaning="{leaked:,} of the {n:,} images of the test split that you gave are copies of "
        "training or validation images (or of one group with them). It cannot judge, so it was "
        "set aside, and all images were pooled. An accuracy measured on it says nothing of new "
        "images.",
        advice="Take the copies out of your test split, and measure again whatever was measured "
        "on it; index.csv says what each is a copy of.",
        variant="given",
        figures={
            "leaked": leaked,
            "n": given,
            **_pair(values, values.split.given_leaked, values.split.given_test),
        },
    )


def _pair(values: Values, leaked: Rows, test: Rows) -> dict[str, Figure]:
    """Paths of a leaked test image and of its twin elsewhere, the same picture where there is one.

    Empty texts where no twin is known.
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
    """Whether all of them, right or wrong, could not move the accuracy out of its interval."""
    low, high = score.interval
    assert score.with_leaked is not None
    return leaked / score.with_leaked.n < min(score.value - low, high - score.value)


def _count_copies(values: Values) -> int:
    """How many images share their group with another."""
    sizes = np.bincount(values.split.groups[values.index.used()])
    return int(sizes[sizes > 1].sum())


CHECK = Check(code="leakage", run=check_leakage, every_task=True)
