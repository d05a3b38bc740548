"""How often the model is right on dark, blurred, small … images."""

import numpy as np

from striate.decision.slices import properties, slices
from striate.report.language import Words
from striate.values import Block, Section, Values

LEAST = 60


def slices_section(values: Values, words: Words) -> Section | None:
    """A table of the outer quarters by brightness, contrast, sharpness and size."""
    rows = values.test_rows[values.counted]
    if len(rows) < LEAST:
        return None
    right = (values.predictions.predicted == values.predictions.truth)[values.counted]
    measured = properties(values.cache.images[rows], [values.index.examples[row] for row in rows])
    found = slices(
        measured, right, values.counted_groups, seed=values.options.seed, folds=values.folds
    )
    if not found:
        return None
    lines = tuple(
        (
            words.named("slice", one.name),
            f"{one.accuracy.n:,}",
            f"{int(np.count_nonzero(right & one.inside)):,}",
            words.percent(one.accuracy.value),
            words.span(one.accuracy.low, one.accuracy.high),
        )
        for one in found
    )
    table = Block(
        kind="table",
        header=tuple(words(f"slices.{name}") for name in ("kind", "n", "right", "share", "span")),
        rows=lines,
        bars=tuple((o.accuracy.value, o.accuracy.low, o.accuracy.high) for o in found),
        note=words("slices.note"),
    )
    return Section(
        key="slices", title=words("slices.title"), lead=words("slices.lead"), blocks=(table,)
    )
