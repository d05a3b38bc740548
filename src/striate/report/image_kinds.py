"""Accuracy by kind of image (dark, blurred, small …) and by group; confident mistakes."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.metrics.image_slices import (
    ImageSlice,
    group_slices,
    image_properties,
    property_slices,
)
from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.values import Block, Rows, Section, Values

MIN_IMAGES = 60
MOST_GROUPS = 12


def image_slices_section(values: Values, words: Words) -> Section | None:
    """Tables of the outer quarters of each property, and of the least accurate groups."""
    rows = values.test_rows[values.counted]
    if len(rows) < MIN_IMAGES:
        return None
    right = (values.predictions.predicted == values.predictions.truth)[values.counted]
    measured = image_properties(
        values.cache.images[rows], [values.index.examples[row] for row in rows]
    )
    found = property_slices(
        measured, right, values.counted_groups, seed=values.options.seed, folds=values.folds
    )
    named = group_slices(
        right,
        [values.index.examples[row].group for row in rows],
        values.counted_groups,
        seed=values.options.seed,
        folds=values.folds,
        most=MOST_GROUPS,
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
    found: tuple[ImageSlice, ...],
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


MOST_SHOWN = 24


def confident_mistakes_section(values: Values, words: Words) -> Section | None:
    """Misclassified images, the highest predicted probability first."""
    judged = int(values.counted.sum())
    if not judged:
        return None
    wrong = confident_mistake_places(values)
    if not len(wrong):
        text = words("mistakes.none", n=judged)
        blocks: tuple[Block, ...] = (Block(kind="text", text=text),)
        return Section(key="mistakes", title=words("mistakes.title"), blocks=blocks)
    shown = first_of_each_group(wrong, values.split.groups[values.test_rows[wrong]])
    note = words("mistakes.one_a_group") if len(shown) < len(wrong) else ""
    gallery = _gallery(shown[:MOST_SHOWN], values, words)
    return Section(
        key="mistakes",
        title=words("mistakes.title"),
        lead=words("mistakes.lead", n=len(wrong), judged=judged),
        blocks=(replace(gallery, note=note),),
    )


def confident_mistake_places(values: Values) -> Rows:
    """Places in `predictions` of misclassified images, most confident first."""
    predictions = values.predictions
    wrong = values.counted & (predictions.predicted != predictions.truth)
    places = np.flatnonzero(wrong)
    sure = predictions.probabilities[places].max(axis=1)
    return places[np.argsort(-sure, kind="stable")]


def first_of_each_group(places: Rows, groups: Rows) -> Rows:
    """The first place of every group, in order, since images of a group look alike."""
    _, first = np.unique(groups, return_index=True)
    found: Rows = places[np.sort(first)]
    return found


def _gallery(places: Rows, values: Values, words: Words) -> Block:
    predictions = values.predictions
    images, captions, alts = [], [], []
    for place in places:
        said = int(predictions.predicted[place])
        images.append(image_data_uri(values.cache.images[values.test_rows[place]]))
        given, answered = predictions.classes[predictions.truth[place]], predictions.classes[said]
        probability = float(predictions.probabilities[place, said])
        captions.append(
            "\n".join(
                (
                    words("mistakes.said", name=answered, share=words.percent(probability, 0)),
                    words("mistakes.given", name=given),
                    predictions.paths[place],
                )
            )
        )
        alts.append(words("mistakes.alt", path=predictions.paths[place]))
    return Block(
        kind="gallery",
        images=tuple(images),
        captions=tuple(captions),
        alts=tuple(alts),
        severity="sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "",
    )
