"""Kinds of files that verbs write, and how striate knows its own again by their first bytes."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

BYTES_LOOKED_AT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKind:
    """A kind of file that a verb writes; `ours` tells by its first bytes whether striate did."""

    ours: Callable[[bytes], bool]


def csv_kind(*needed: str, allowed: Callable[[str], bool] = lambda name: False) -> OutputKind:
    """A CSV file that begins with these columns and has no others but those allowed."""

    def ours(start: bytes) -> bool:
        head = _header(start)
        begins = tuple(head[: len(needed)]) == needed
        return begins and all(map(allowed, head[len(needed) :]))

    return OutputKind(ours=ours)


def json_lines_kind(*needed: str, allowed: Iterable[str] = ()) -> OutputKind:
    """JSON lines: an object a line that has these keys, and no others but those allowed."""
    known = {*needed, *allowed}

    def ours(start: bytes) -> bool:
        line = start.split(b"\n", 1)[0]
        try:
            keys = set(json.loads(line))
        except (ValueError, RecursionError, TypeError):
            # A line that is longer than what was looked at ends in the middle.
            keys = set(re.findall(r'"(\w+)": ', line.decode("utf-8", "replace")))
            return (
                len(start) == BYTES_LOOKED_AT and line.startswith(b"{") and keys >= set(needed[:1])
            )
        return line.startswith(b"{") and set(needed) <= keys <= known

    return OutputKind(ours=ours)


def page_kind(generator: str) -> OutputKind:
    """A page that says in its head which part of striate made it."""
    mark = f'<meta name="generator" content="{generator}">'.encode()
    return OutputKind(ours=lambda start: mark in start)


def union_kind(*kinds: OutputKind) -> OutputKind:
    """A file of any of some kinds."""
    return OutputKind(ours=lambda start: any(kind.ours(start) for kind in kinds))


def _is_prediction_column(name: str) -> bool:
    """Whether a column of `predict` may have this name behind `path` and `predicted`."""
    return name in PREDICTION_COLUMNS or re.match(r"p:|(class|p)_\d+$", name) is not None


def _is_earlier_page(start: bytes) -> bool:
    """Whether an inspection of a time without generators made a page; reports have findings."""
    brand = b'<p class="brand">striate</p>' in start
    return brand and b'name="generator"' not in start and b'href="#findings"' not in start


def _header(start: bytes) -> list[str]:
    """The first row of CSV, empty where there is none."""
    text = io.StringIO(start.decode("utf-8-sig", "replace"), newline="")
    try:
        return next(csv.reader(text, strict=True), [])  # a name may hold the end of a line
    except csv.Error:
        return []


# What `predict` may tell of an image beside its path and its answer.
PREDICTION_COLUMNS = ("probability", "familiarity", "set", "flagged", "expected_cost", "error")
PREDICTIONS_KIND = union_kind(
    csv_kind("path", "predicted", allowed=_is_prediction_column),
    json_lines_kind("path", "predicted", allowed=(*PREDICTION_COLUMNS, "probabilities")),
)
PAGE_GENERATOR = "striate inspect"
INSPECTION_PAGE = union_kind(page_kind(PAGE_GENERATOR), OutputKind(ours=_is_earlier_page))
