"""The most doubtful labels, as pictures: what to look at before the next run."""

from collections.abc import Sequence

from striate.report.language import Words
from striate.report.pixels import SMALL, data_uri
from striate.values import Block, Cache, Doubt, Section, Values

SHOWN = 18


def doubts_section(values: Values, words: Words) -> Section | None:
    """Flagged images by their doubt, highest first; no section where there are none."""
    doubts = [doubt for doubt in values.doubts if doubt.flagged]
    if not doubts:
        return None
    return Section(
        key="doubts",
        title=words("doubts.title"),
        lead=words("doubts.lead", n=len(doubts)),
        blocks=(doubts_gallery(doubts, values.cache, words),),
    )


def doubts_gallery(doubts: Sequence[Doubt], cache: Cache, words: Words) -> Block:
    """The most doubtful images with their label and the one that would fit better."""
    shown = doubts[:SHOWN]
    captions = tuple(
        "\n".join(
            (
                words("doubts.given", name=d.label, share=words.percent(d.given_probability, 0)),
                words(
                    "doubts.rather",
                    name=d.suggested,
                    share=words.percent(d.suggested_probability, 0),
                ),
                d.path,
            )
        )
        for d in shown
    )
    return Block(
        kind="gallery",
        images=tuple(data_uri(cache.images[doubt.row]) for doubt in shown),
        captions=captions,
        alts=tuple(words("mistakes.alt", path=doubt.path) for doubt in shown),
        severity="sharp" if cache.size <= SMALL else "",
    )
