"""How often the model is right on dark, blurred, small … images, and on each group."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.decision.slices import Slice, group_slices, properties, slices
from striate.report.language import Words
from striate.values import Block, Section, Values

LEAST = 60
GROUPS = 12


def slices_section(values: Values, words: Words) -> Section | None:
    """Tables of the outer quarters of what can be measured, and of the worst groups."""
    rows = values.test_rows[values.counted]
    if len(rows) < LEAST:
        return None
    right = (values.predictions.predicted == values.predictions.truth)[values.counted]
    measured = properties(values.cache.images[rows], [values.index.examples[row] for row in rows])
    found = slices(
        measured, right, values.counted_groups, seed=values.options.seed, folds=values.folds
    )
    named = group_slices(
        right,
        [values.index.examples[row].group for row in rows],
        values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
        most=GROUPS,
    )
    blocks = []
    if found:
        titles = [words.named("slice", one.name) for one in found]
        blocks.append(_table(found, titles, right, words, "kind", "note"))
    if named:
        titles = [one.name for one in named]
        table = _table(named, titles, right, words, "group", "groups_note")
        blocks.append(replace(table, title=words("slices.groups_title")))
    if not blocks:
        return None
    return Section(
        key="slices", title=words("slices.title"), lead=words("slices.lead"), blocks=tuple(blocks)
    )


def _table(
    found: tuple[Slice, ...],
    titles: list[str],
    right: NDArray[np.bool_],
    words: Words,
    first: str,
    note: str,
) -> Block:
    rows = tuple(
        (
            title,
            f"{one.accuracy.n:,}",
            f"{int(np.count_nonzero(right & one.inside)):,}",
            words.percent(one.accuracy.value),
            words.span(one.accuracy.low, one.accuracy.high),
        )
        for title, one in zip(titles, found, strict=True)
    )
    return Block(
        kind="table",
        header=tuple(words(f"slices.{name}") for name in (first, "n", "right", "share", "span")),
        rows=rows,
        bars=tuple((o.accuracy.value, o.accuracy.low, o.accuracy.high) for o in found),
        note=words(f"slices.{note}"),
    )
