"""Images unlike all others, as pictures."""

from collections.abc import Sequence

from striate.report.language import Words
from striate.report.pixels import SMALL, data_uri
from striate.values import Block, Cache, Outlier, Section

SHOWN = 18


def outliers_section(outliers: Sequence[Outlier], cache: Cache, words: Words) -> Section | None:
    """The most unlike first; no section where there are none."""
    if not outliers:
        return None
    shown = outliers[:SHOWN]
    gallery = Block(
        kind="gallery",
        images=tuple(data_uri(cache.images[outlier.row]) for outlier in shown),
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
        severity="sharp" if cache.size <= SMALL else "",
    )
    return Section(
        key="outliers",
        title=words("outliers.title"),
        lead=words("outliers.lead", n=len(outliers)),
        blocks=(gallery,),
    )
