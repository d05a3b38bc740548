"""The most confident mistakes, as pictures: the quickest way to see what goes wrong."""

from dataclasses import replace

import numpy as np

from striate.report.language import Words
from striate.report.pixels import SMALL, data_uri
from striate.values import Block, Rows, Section, Values

SHOWN = 24


def mistakes_section(values: Values, words: Words) -> Section | None:
    """Wrong answers by their stated probability, highest first."""
    judged = int(values.counted.sum())
    if not judged:
        return None
    wrong = worst_mistakes(values)
    if not len(wrong):
        text = words("mistakes.none", n=judged)
        blocks: tuple[Block, ...] = (Block(kind="text", text=text),)
        return Section(key="mistakes", title=words("mistakes.title"), blocks=blocks)
    shown = one_a_group(wrong, values.split.groups[values.test_rows[wrong]])
    note = words("mistakes.one_a_group") if len(shown) < len(wrong) else ""
    gallery = _gallery(shown[:SHOWN], values, words)
    return Section(
        key="mistakes",
        title=words("mistakes.title"),
        lead=words("mistakes.lead", n=len(wrong), judged=judged),
        blocks=(replace(gallery, note=note),),
    )


def worst_mistakes(values: Values) -> Rows:
    """Places in `predictions` that were wrong, the surest first."""
    predictions = values.predictions
    wrong = values.counted & (predictions.predicted != predictions.truth)
    places = np.flatnonzero(wrong)
    sure = predictions.probabilities[places].max(axis=1)
    return places[np.argsort(-sure, kind="stable")]


def one_a_group(places: Rows, groups: Rows) -> Rows:
    """The first place of every group, in their order: pictures of one group look alike."""
    _, first = np.unique(groups, return_index=True)
    found: Rows = places[np.sort(first)]
    return found


def _gallery(places: Rows, values: Values, words: Words) -> Block:
    predictions = values.predictions
    images, captions, alts = [], [], []
    for place in places:
        said = int(predictions.predicted[place])
        images.append(data_uri(values.cache.images[values.test_rows[place]]))
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
        severity="sharp" if values.cache.size <= SMALL else "",
    )
