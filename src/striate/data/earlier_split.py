"""The `index.csv` of an earlier run -> which of today's images it had, and on which side."""

import csv
from collections.abc import Iterator
from pathlib import Path

from striate.data.read_file import shown
from striate.errors import SourceError, UsageError
from striate.values import SPLITS, Index


def earlier_sides(path: str, index: Index) -> dict[int, str]:
    """The side of every row in use that stood in an earlier run, by equal bytes or pixels.

    Raises `UsageError` where the file is no `index.csv` with a split, `SourceError` where none
    of today's images is in it.
    """
    known = dict(_marks(path))
    if not known:
        raise UsageError(
            f"{path} says of no image on which side it was; a run that was judged by "
            "cross-validation has no split.",
            "Name the index.csv of a run with a test split, or leave --split out.",
        )
    sides = {}
    for row in index.used():
        example = index.examples[row]
        marks = (("bytes", example.bytes_hash), ("pixels", example.pixels_hash))
        side = next((known[mark] for mark in marks if mark in known), "")
        if side:
            sides[int(row)] = side
    if not sides:
        raise SourceError(
            f"None of the {len(index.used()):,} images in {index.name} stands in {path}.",
            "Name the index.csv of a run on earlier images of the same source.",
        )
    return sides


def _marks(path: str) -> Iterator[tuple[tuple[str, str], str]]:
    """What tells an earlier image again, with its side; of copies on two sides, the training's."""
    found: list[tuple[tuple[str, str], str]] = []
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["status"] == "used" and line["split"] in SPLITS:
                    for kind in ("bytes", "pixels"):
                        if line[f"{kind}_hash"]:
                            found.append(((kind, line[f"{kind}_hash"]), line["split"]))
    except (KeyError, csv.Error, UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"{shown(path)} is no index.csv of a run ({type(error).__name__}: {error}).",
            "Name the index.csv in the folder of an earlier run.",
        ) from None
    # The last counts in a dict: training images come last.
    yield from sorted(found, key=lambda pair: -SPLITS.index(pair[1]))
