"""Whatever lies in a folder, however it is listed: one row a file, no group on two sides."""

import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.odd_files import damaged_files, encoded, scene

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.index_csv import complete_index
from striate.data.split.split import split_index
from striate.values import Index, Options, Rows, Split

PATTERN = r"_(\d+)\."
NAMES = ("汉字", "space here", "é", "-dash", "UPPER", "comma,")
SCANDIR = os.scandir
# Pictures to draw from: few, so that many files are equal, some of them in other formats.
POOL = [
    encoded(scene(12, 12, seed=seed), kind) for seed in range(60) for kind in ("PNG", "BMP", "GIF")
]
DAMAGED = [damaged_files()[name] for name in ("empty.jpg", "half.png", "text.jpg")]

Tree = dict[str, bytes]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Files of two to four classes, some nested, equal, damaged, hidden or without a class."""
    rng = random.Random(draw(st.integers(0, 10_000)))
    own = draw(st.booleans())
    files: Tree = {}
    for label in rng.sample(NAMES, draw(st.integers(2, 4))):
        for number in range(draw(st.sampled_from([4, 30, 150]))):
            group = rng.randrange(12)
            below = rng.choice(["", "", "inner/", "inner/more/"])
            seed = len(files) + 1000
            content = encoded(scene(12, 12, seed=seed), "PNG") if own else rng.choice(POOL)
            files[f"{label}/{below}{number}_{group}.png"] = content
        files[f"{label}/damaged_3.jpg"] = rng.choice(DAMAGED)
        files[f"{label}/.hidden_3.png"] = POOL[0]
    files["stray.png"] = POOL[1]
    return files


class Shuffled:
    """`os.scandir` in an order that is another every time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, path: Any) -> "Shuffled":
        with SCANDIR(path) as entries:
            self.entries = list(entries)
        self.random.shuffle(self.entries)
        return self

    def __enter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def __exit__(self, *_: object) -> None:
        pass


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(), st.booleans(), st.integers(0, 3))
def test_one_row_a_file_and_no_group_on_two_sides(tree: Tree, grouped: bool, seed: int) -> None:
    options = Options(seed=seed, group_pattern=PATTERN if grouped else None)
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        root = Path(place)
        for path, content in random.Random(seed).sample(sorted(tree.items()), len(tree)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        index, split = told(root, options)
        patch.setattr(os, "scandir", Shuffled(seed))
        again, other = told(root, options)
    assert again == index
    for name in ("train", "val", "test", "leaked", "groups"):
        assert np.array_equal(getattr(split, name), getattr(other, name))
    assert [example.path for example in index.examples] == sorted(tree)
    states = {path: example.status for path, example in zip(sorted(tree), index.examples,
                                                            strict=True)}  # fmt: skip
    for path, status in states.items():
        expected = "ignored" if "hidden" in path else "used"
        expected = "set_aside" if "damaged" in path or path == "stray.png" else expected
        assert status == expected
    assert_sides_are_apart(index, split, grouped=grouped)


def told(root: Path, options: Options) -> tuple[Index, Split]:
    """A folder read, decoded, cut and accounted for."""
    index, cache = build_cache(read_index(root, options), options)
    split = split_index(index, find_duplicate_groups(index, cache), options)
    return complete_index(index, split), split


def assert_sides_are_apart(index: Index, split: Split, *, grouped: bool) -> None:
    """Every image in use is on one side, and whatever it shares with others is there too."""
    sides: list[Rows] = [split.train, split.val, split.test]
    if split.folds is not None:
        sides = [
            np.flatnonzero(split.folds == fold) for fold in np.unique(split.folds) if fold >= 0
        ]
    placed = sorted(np.concatenate(sides).tolist())
    assert placed == index.used().tolist()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, rows in enumerate(sides):
        for row in rows:
            example = index.examples[row]
            where["bytes", example.bytes_hash].add(number)
            where["pixels", example.pixels_hash].add(number)
            where["group", str(split.groups[row])].add(number)
            if grouped:
                where["pattern", example.path.rpartition("_")[2]].add(number)
    assert {len(numbers) for numbers in where.values()} == {1}
