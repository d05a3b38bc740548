"""The rows of a cleaned table: an index without what an inspection found wrong."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from striate.data.split.duplicates import judging_split
from striate.values import Example, Index

COLUMNS = ("image", "label", "split", "group", "doubt", "suggested")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRows:
    """The rows that stay, and how many were left out by reason."""

    rows: tuple[int, ...]
    set_aside: int
    copies: int
    contradicting: int
    leaked: int


def select_clean_rows(index: Index, families: tuple[tuple[int, ...], ...]) -> CleanRows:
    """The rows that stay: each image once, none with several labels, none that leaks.

    If an image is in several given splits, its copies in the evaluated split are left out. Then the
    first copy is taken, one in train before others.
    """
    judge = judging_split(index)
    out: set[int] = set()
    contradicting = leaked = copies = 0
    for family in families:
        examples = {row: index.examples[row] for row in family}
        if len({example.label for example in examples.values()}) > 1:
            out |= set(family)
            contradicting += len(family)
            continue
        across = {row for row, example in examples.items() if judge and example.split == judge}
        if len(across) == len(family):
            across = set()
        stays = min(
            (row for row in family if row not in across),
            key=lambda row: (index.examples[row].split not in ("", "train"), row),
        )
        leaked += len(across)
        copies += len(family) - len(across) - 1
        out |= set(family) - {stays}
    return CleanRows(
        rows=tuple(row for row in index.used().tolist() if row not in out),
        set_aside=sum(example.status == "set_aside" for example in index.examples),
        copies=copies,
        contradicting=contradicting,
        leaked=leaked,
    )


def table_rows(
    index: Index, rows: tuple[int, ...], folder: Path, doubts: Mapping[str, tuple[float, str]]
) -> Iterator[tuple[str, ...]]:
    """The cells of each row; paths are relative to `folder` where they lie below it.

    `doubts` gives a path its doubt, 0 to 1, and the label that would fit better.
    """
    for row in rows:
        example = index.examples[row]
        doubt, suggested = doubts.get(example.path, (None, ""))
        shown = "" if doubt is None else f"{doubt:.3f}"
        yield (
            _relative_path(index, example, folder),
            example.label,
            example.split,
            example.group,
            shown,
            suggested,
        )


def _relative_path(index: Index, example: Example, folder: Path) -> str:
    # Not `resolve`: links stay, so that the table names files as their owner does.
    file = Path(index.root) / example.path
    path, base = (Path(os.path.normpath(each.absolute())) for each in (file, folder))
    if path.is_relative_to(base):
        path = path.relative_to(base)
    return path.as_posix()
