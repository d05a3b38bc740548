"""What the network sees: its first filters, and one image on its way through the layers."""

from striate.report.language import Words
from striate.report.pixels import data_uri
from striate.values import Block, Explanation, Section


def seeing_section(explanations: tuple[Explanation, ...], words: Words) -> Section | None:
    """A gallery an explanation; None where there is none."""
    if not explanations:
        return None
    return Section(
        key="seeing",
        title=words("seeing.title"),
        lead=words("seeing.lead"),
        blocks=tuple(_gallery(explanation, words) for explanation in explanations),
    )


def _gallery(explanation: Explanation, words: Words) -> Block:
    title = words.filled(f"method_title.{explanation.method}", {}, explanation.title)
    return Block(
        kind="gallery",
        title=title,
        text=words.sentence(explanation.about),
        images=tuple(data_uri(image, longest=240) for image in explanation.images),
        captions=explanation.captions,
        alts=tuple(f"{title}: {caption}" for caption in explanation.captions),
        severity=f"sharp {explanation.method}",
    )
