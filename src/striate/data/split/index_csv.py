"""The `index.csv` of an earlier run: which of the present images it had, in which split."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from striate.data.formats.read_file import path_to_text
from striate.errors import SourceError, UsageError
from striate.values import SPLITS, Example, Index, Split


def earlier_split_sides(path: str, index: Index) -> dict[int, str]:
    """The earlier split of every row in use that an earlier run had, by bytes or pixels.

    Raises `UsageError` if the file is not an `index.csv` with splits, `SourceError` if none of the
    present images is in it.
    """
    known = dict(_earlier_image_sides(path))
    if not known:
        raise UsageError(
            f"{path} names no splits: a run that was evaluated by cross-validation has none.",
            "Give the index.csv of a run with a test split, or leave --split out.",
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
            f"None of the {len(index.used()):,} images in {index.name} is listed in {path}.",
            "Give the index.csv of a run on earlier images of the same source.",
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
            f"{path_to_text(path)} is not the index.csv of a run ({type(error).__name__}: "
            f"{error}).",
            "Give the index.csv in the folder of an earlier run.",
        ) from None
    # The last counts in a dict: training images come last.
    yield from sorted(found, key=lambda pair: -SPLITS.index(pair[1]))


def complete_index(index: Index, split: Split) -> Index:
    """The index with the split of every used example, and its group.

    A group has the name that the source gave it (the first by code point if duplicates joined
    several); a group that only duplicates made has a number. A test image that is not counted names
    the training image that it duplicates.
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
            copy = f"{of_given} the same image as {other}"
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
