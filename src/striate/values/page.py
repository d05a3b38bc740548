"""Blocks, sections and the report."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of the report: `kind` names the macro of `page.html` that draws it.

    `rows` under `header` are a table, or the table twin of a chart. `bars` gives a row of the
    table a bar: value, low, high in [0, 1]. `shades` gives the cells of a matrix their colour:
    above 0 right, below 0 wrong. `marked` are the rows to stress. `alts` describe the images.
    """

    kind: Literal[
        "text", "table", "chart", "gallery", "facts", "finding", "code", "scale", "matrix", "list"
    ]
    title: str = ""
    text: str = ""
    note: str = ""
    code: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    header: tuple[str, ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()
    shades: tuple[tuple[float, ...], ...] = ()
    marked: tuple[int, ...] = ()
    svg: str = ""
    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    alts: tuple[str, ...] = ()
    severity: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the report and the blocks below it."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole report, in one language, ready to be drawn."""

    lang: str
    title: str
    headline: str
    subline: str
    sections: tuple[Section, ...]
