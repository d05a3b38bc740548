"""Possible label errors and outliers as galleries."""

from collections.abc import Sequence

from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.values import Block, Cache, Doubt, Outlier, Section, Values

MOST_SHOWN = 18


def label_errors_section(values: Values, words: Words) -> Section | None:
    """Flagged images, most suspect first; None if there are none."""
    doubts = [doubt for doubt in values.doubts if doubt.flagged]
    if not doubts:
        return None
    return Section(
        key="doubts",
        title=words("doubts.title"),
        lead=words("doubts.lead", n=len(doubts)),
        blocks=(label_errors_gallery(doubts, values.cache, words),),
    )


def label_errors_gallery(doubts: Sequence[Doubt], cache: Cache, words: Words) -> Block:
    """The most suspect images with their label and the more likely one."""
    shown = doubts[:MOST_SHOWN]
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
        images=tuple(image_data_uri(cache.images[doubt.row]) for doubt in shown),
        captions=captions,
        alts=tuple(words("mistakes.alt", path=doubt.path) for doubt in shown),
        severity="sharp" if cache.size <= SMALL_IMAGE_SIDE else "",
    )


MOST_OUTLIERS = 18


def outliers_section(outliers: Sequence[Outlier], cache: Cache, words: Words) -> Section | None:
    """Outliers, the furthest first; None if there are none."""
    if not outliers:
        return None
    shown = outliers[:MOST_OUTLIERS]
    gallery = Block(
        kind="gallery",
        images=tuple(image_data_uri(cache.images[outlier.row]) for outlier in shown),
        captions=tuple(
            "\n".join(
                (
                    words("outliers.far", n=outlier.deviations),
                    words("mistakes.given", name=outlier.label),
                    outlier.path,
                )
            )
            for outlier in shown
        ),
        alts=tuple(words("mistakes.alt", path=outlier.path) for outlier in shown),
        severity="sharp" if cache.size <= SMALL_IMAGE_SIDE else "",
    )
    return Section(
        key="outliers",
        title=words("outliers.title"),
        lead=words("outliers.lead", n=len(outliers)),
        blocks=(gallery,),
    )
