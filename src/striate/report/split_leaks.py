"""Test images that are copies of training images: the first thing that a reader hears."""

from collections.abc import Sequence

from striate.report.language import Words
from striate.report.pixels import SMALL_IMAGE_SIDE, image_data_uri
from striate.values import Block, Finding, Section, Values


def grave_leak(findings: Sequence[Finding]) -> Finding | None:
    """The finding of copies in the test split where it could change the number; else None."""
    for finding in findings:
        told = finding.code == "leakage" and finding.outcome == "found"
        if told and finding.severity in ("serious", "warning"):
            return finding
    return None


def leakage_section(values: Values, findings: Sequence[Finding], words: Words) -> Section | None:
    """The count, and a test image beside its twin; None where nothing leaked that matters."""
    leak = grave_leak(findings)
    if leak is None:
        return None
    title, meaning, advice = words.finding(leak)
    card = Block(kind="finding", title=title, text=meaning, note=advice, severity=leak.severity)
    pair = _pair(values, leak, words)
    return Section(
        key="leakage", title=words("leakage.title"), blocks=(card, *([pair] if pair else []))
    )


def _pair(values: Values, leak: Finding, words: Words) -> Block | None:
    """The two images side by side; None where the finding names none of this index."""
    rows = {example.path: row for row, example in enumerate(values.index.examples)}
    paths = [str(leak.figures.get(name) or "") for name in ("one", "other")]
    if any(path not in rows for path in paths):
        return None
    names = (words("leakage.test"), words("leakage.twin"))
    return Block(
        kind="gallery",
        title=words("leakage.pair"),
        images=tuple(image_data_uri(values.cache.images[rows[path]]) for path in paths),
        captions=tuple(f"{name}\n{path}" for name, path in zip(names, paths, strict=True)),
        alts=tuple(words("mistakes.alt", path=path) for path in paths),
        severity="sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "",
    )
