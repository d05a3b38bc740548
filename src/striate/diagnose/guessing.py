"""Guessing: no better than always answering the largest class."""

import numpy as np

from striate.diagnose import Check, finding, judged
from striate.values import Figure, Finding, Values


def run(values: Values) -> Finding:
    """Holds the lower end of the accuracy against the share of the largest class."""
    score = values.summary.test
    if score is None:
        return finding(
            "guessing",
            "not_applicable",
            "info",
            title="Better than guessing",
            meaning="No image with a known label was left to judge by.",
        )
    counts = np.bincount(values.predictions.truth[values.counted])
    majority = float(counts.max() / counts.sum())
    accuracy = judged(score)
    figures: dict[str, Figure] = {
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "majority": majority,
        "name": values.predictions.classes[int(counts.argmax())],
    }
    if accuracy.low <= majority:
        return finding(
            "guessing",
            "found",
            "serious",
            title="No better than guessing, as far as can be told",
            meaning="It may have learnt nothing: {accuracy:.1%} right, where always answering "
            "{name} gives {majority:.1%}.",
            advice="Check that the labels match the pictures and that the difference can be seen "
            "at the network's input size; more images would narrow the interval.",
            figures=figures,
        )
    return finding(
        "guessing",
        "passed",
        "info",
        title="Better than guessing",
        meaning="{accuracy:.1%} right (at least {low:.1%} with 99% certainty), where always "
        "answering {name} gives {majority:.1%}.",
        figures=figures,
    )


CHECK = Check(code="guessing", run=run)
