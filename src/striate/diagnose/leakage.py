"""Leakage: test images of which the model has seen a copy."""

import numpy as np

from striate.diagnose import Check, finding
from striate.values import Finding, Values


def run(values: Values) -> Finding:
    """Counts test images with a copy in training or validation, and what they would have added."""
    score = values.summary.test
    leaked = len(values.split.leaked)
    if leaked and score is not None and score.with_leaked is not None:
        few = leaked <= FEW * score.with_leaked.n
        if score.metric != "accuracy":
            return _of_other_task(leaked, score.with_leaked.n, few)
        return finding(
            "leakage",
            "found",
            "info" if few else "warning",
            title="Copies of training images are in the test split",
            meaning="{leaked:,} of {n:,} test images are copies of images it learnt from or chose "
            "by. They do not count: {value:.1%} without them, {with_leaked:.1%} with them.",
            advice="Take the copies out of your test split; index.csv says what each is a copy of.",
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


def _of_other_task(leaked: int, images: int, few: bool) -> Finding:
    return finding(
        "leakage",
        "found",
        "info" if few else "warning",
        title="Copies of training images are in the test split",
        meaning="{leaked:,} of {n:,} test images are copies of images it learnt from or chose "
        "by. They do not count.",
        advice="Take the copies out of your test split; index.csv lists them by their hash.",
        variant="plain",
        figures={"leaked": leaked, "n": images},
    )


def _copies(values: Values) -> int:
    """How many images share their group with another."""
    sizes = np.bincount(values.split.groups[values.index.used()])
    return int(sizes[sizes > 1].sum())


FEW = 0.01

CHECK = Check(code="leakage", run=run, every_task=True)
