"""Whether the stated probabilities can be believed, and what sure answers are worth."""

import numpy as np

from striate import statistics
from striate.report.charts import reliability
from striate.report.language import Words
from striate.values import Block, Section, Values

BIN_IMAGES, BINS = 12, 10
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


def confidence_section(values: Values, words: Words) -> Section | None:
    """The reliability chart and a table of accuracy above thresholds of the probability."""
    score = values.summary.test
    if score is None:
        return None
    probabilities = values.predictions.probabilities[values.counted]
    truth = values.predictions.truth[values.counted]
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    lead = words(
        "confidence.lead", error=words.percent(score.calibration_error), loss=score.log_loss
    )
    blocks = [_thresholds(sure, right, words)]
    if len(sure) >= 3 * BIN_IMAGES:
        blocks.insert(0, _chart(sure, right, words))
    return Section(
        key="confidence", title=words("confidence.title"), lead=lead, blocks=tuple(blocks)
    )


def _chart(sure: np.ndarray, right: np.ndarray, words: Words) -> Block:
    order = np.argsort(sure, kind="stable")
    parts = np.array_split(order, min(BINS, len(order) // BIN_IMAGES))
    means = np.array([sure[part].mean() for part in parts])
    intervals = [statistics.wilson(int(right[part].sum()), len(part)) for part in parts]
    title = words("confidence.chart")
    return Block(
        kind="chart",
        title=title,
        note=words("confidence.note"),
        svg=reliability(
            "reliability",
            title,
            words("confidence.about"),
            means,
            intervals,
            x_label=words("confidence.stated"),
            y_label=words("confidence.right"),
        ),
        header=tuple(words(f"confidence.{name}") for name in ("stated", "right", "span", "n")),
        rows=tuple(
            (
                words.percent(float(mean)),
                words.percent(found.value),
                words.span(found.low, found.high),
                f"{found.n:,}",
            )
            for mean, found in zip(means, intervals, strict=True)
        ),
    )


def _thresholds(sure: np.ndarray, right: np.ndarray, words: Words) -> Block:
    rows, bars = [], []
    for level in LEVELS:
        kept = sure >= level
        if not kept.any():
            continue
        found = statistics.wilson(int(right[kept].sum()), int(kept.sum()))
        rows.append(
            (
                words("confidence.at_least", share=words.percent(level, 0)),
                words("confidence.share", n=found.n, share=words.percent(float(kept.mean()), 0)),
                words.percent(found.value),
                words.span(found.low, found.high),
            )
        )
        bars.append((found.value, found.low, found.high))
    return Block(
        kind="table",
        title=words("confidence.table"),
        header=tuple(words(f"confidence.{name}") for name in ("level", "kept", "right", "span")),
        rows=tuple(rows),
        bars=tuple(bars),
    )
