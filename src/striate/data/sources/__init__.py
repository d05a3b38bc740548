"""The kinds of sources of labelled images: one file per kind, each ending in SOURCE."""

from collections.abc import Callable
from dataclasses import dataclass

from striate.data.formats.header import Content
from striate.values import Index, ReadingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """A kind of source.

    `matches(source)` tells whether it is of this kind; `read(source, options)` lists what is
    there, with labels and given splits, headers not read yet; `open_row(index, row)` gives
    the content of one row: bytes of a file, an array, or a PIL image. A kind that is `last` is
    asked after the others.
    """

    name: str
    matches: Callable[[object], bool]
    read: Callable[[object, ReadingOptions], Index]
    open_row: Callable[[Index, int], Content]
    last: bool = False
