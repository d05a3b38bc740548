"""Calibration: reliability diagram and accuracy of confident predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.report.charts import draw_reliability
from striate.report.language import Words
from striate.values import Block, Interval, Rows, Section, Values

BIN_IMAGES, BINS = 12, 10
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


def calibration_section(values: Values, words: Words) -> Section | None:
    """Reliability diagram, accuracy above thresholds, and how calibration was done."""
    score = values.summary.test
    if score is None:
        return None
    probabilities = values.predictions.probabilities[values.counted]
    truth = values.predictions.truth[values.counted]
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    figures = {"error": words.percent(score.calibration_error), "loss": score.log_loss}
    lead = words("confidence.lead", **figures)
    if score.calibration_interval is not None:
        span = words.span(*score.calibration_interval)
        lead = words("confidence.lead_span", span=span, **figures)
    judged = _JudgedPredictions(
        sure=sure,
        right=right,
        groups=values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
    )
    # With many classes and few images no answer may be sure of half.
    blocks = [_thresholds_table(judged, words)] if (sure >= LEVELS[0]).any() else []
    if len(sure) >= 3 * BIN_IMAGES:
        blocks.insert(0, _reliability_block(judged, words))
    how = values.model.calibration
    if how is not None and how.why is not None:
        blocks.append(Block(kind="text", text=words.sentence(how.why)))
    return Section(
        key="confidence", title=words("confidence.title"), lead=lead, blocks=tuple(blocks)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _JudgedPredictions:
    """Confidence and correctness of the evaluated predictions, and their groups."""

    sure: NDArray[np.float64]
    right: NDArray[np.bool_]
    groups: Rows
    seed: int
    folds: int

    def share(self, some: NDArray[Any]) -> Interval:
        """Accuracy of some predictions, with whole groups in the interval."""
        return intervals.accuracy_interval(
            self.right[some], self.groups[some], self.seed, folds=self.folds
        )


def _reliability_block(judged: _JudgedPredictions, words: Words) -> Block:
    sure = judged.sure
    order = np.argsort(sure, kind="stable")
    parts = np.array_split(order, min(BINS, len(order) // BIN_IMAGES))
    means = np.array([sure[part].mean() for part in parts])
    intervals = [judged.share(part) for part in parts]
    title = words("confidence.chart")
    return Block(
        kind="chart",
        title=title,
        note=words("confidence.note"),
        svg=draw_reliability(
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


def _thresholds_table(judged: _JudgedPredictions, words: Words) -> Block:
    rows, bars = [], []
    for level in LEVELS:
        kept = judged.sure >= level
        if not kept.any():
            continue
        found = judged.share(kept)
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
