"""Leakage: test images of which the model has seen a copy."""

import numpy as np

from striate.diagnose import Check, finding
from striate.values import Finding, Score, Values


def run(values: Values) -> Finding:
    """Counts test images with a copy in training or validation, and what they would have added."""
    score = values.summary.test
    leaked = len(values.split.leaked)
    if leaked and score is not None and score.with_leaked is not None:
        plain = score.metric != "accuracy"
        return finding(
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
            },
        )
    copies = _copies(values)
    return finding(
        "leakage",
        "passed",
        "info",
        title="Leakage",
        meaning="No test image has a copy among the images it learnt from. {copies:,} images "
        "belong to a group with others, and every group stayed on one side.",
        figures={"copies": copies},
    )


def _too_few_to_matter(leaked: int, score: Score) -> bool:
    """Whether all of them, right or wrong, could not move the accuracy out of its interval."""
    low, high = score.interval
    assert score.with_leaked is not None
    return leaked / score.with_leaked.n < min(score.value - low, high - score.value)


def _copies(values: Values) -> int:
    """How many images share their group with another."""
    sizes = np.bincount(values.split.groups[values.index.used()])
    return int(sizes[sizes > 1].sum())


CHECK = Check(code="leakage", run=run, every_task=True)
