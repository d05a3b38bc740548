"""The `index.csv` of an earlier run -> which of today's images it had, and on which side."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from striate.data.formats.read_file import path_to_text
from striate.errors import SourceError, UsageError
from striate.values import SPLITS, Example, Index, Split


def earlier_split_sides(path: str, index: Index) -> dict[int, str]:
    """The side of every row in use that stood in an earlier run, by equal bytes or pixels.

    Raises `UsageError` where the file is no `index.csv` with a split, `SourceError` where none
    of today's images is in it.
    """
    known = dict(_earlier_image_sides(path))
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


def _earlier_image_sides(path: str) -> Iterator[tuple[tuple[str, str], str]]:
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
            f"{path_to_text(path)} is no index.csv of a run ({type(error).__name__}: {error}).",
            "Name the index.csv in the folder of an earlier run.",
        ) from None
    # The last counts in a dict: training images come last.
    yield from sorted(found, key=lambda pair: -SPLITS.index(pair[1]))


def complete_index(index: Index, split: Split) -> Index:
    """The index with the split of every used example, and its group.

    A group has the name that the source gave it (of several joined by copies: the first by code
    point); one that only copies made has a number. A test image that does not count names the
    picture in training that it is a copy of.
    """
    side = {
        int(row): name
        for name, rows in (("train", split.train), ("val", split.val), ("test", split.test))
        for row in rows
    }
    used = [row for row, example in enumerate(index.examples) if example.status == "used"]
    sizes = Counter(int(split.groups[row]) for row in used)
    judging = {*split.test.tolist(), *split.given_test.tolist()}
    twin = {int(split.groups[row]): row for row in reversed(used) if row not in judging}
    names: dict[int, str] = {}
    for row in used:
        if given := index.examples[row].group:
            number = int(split.groups[row])
            names[number] = min(names.get(number, given), given)
    leaked = {int(row) for row in split.leaked}
    set_apart = {int(row) for row in split.given_leaked}

    def told(row: int, example: Example) -> Example:
        if example.status != "used":
            return example
        group = int(split.groups[row])
        reason = example.reason
        if row in leaked or row in set_apart:
            other = index.examples[twin[group]].path if group in twin else "an image in training"
            of_given = "given as a test image, but" if row in set_apart else "not counted:"
            copy = f"{of_given} the same picture as {other}"
            reason = f"{copy}; {reason}" if reason else copy
        return replace(
            example,
            split=side.get(row, ""),
            group=names.get(group, str(group) if sizes[group] > 1 else ""),
            reason=reason,
        )

    return replace(
        index, examples=tuple(told(row, example) for row, example in enumerate(index.examples))
    )
