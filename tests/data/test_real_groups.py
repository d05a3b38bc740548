"""Real sets whose images hang together: by writer, by track, no group is on two sides."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.values import SPLITS, Index, Options, Split


def on_several_sides(index: Index, split: Split) -> tuple[int, int]:
    """How many named groups have images on more than one side, and how many groups there are."""
    sides: dict[str, set[str]] = defaultdict(set)
    for side in SPLITS:
        for row in getattr(split, side):
            sides[index.examples[row].group].add(side)
    return sum(len(found) > 1 for found in sides.values()), len(sides)


@pytest.mark.parametrize(
    ("name", "pattern", "groups"),
    [
        ("chinese_digits", r"input_(\d+)_", 24),
        pytest.param("gtsrb32", r"{class}_(\d+)_", 428, marks=pytest.mark.slow),
    ],
)
def test_no_group_on_two_sides(
    real_set: Callable[[str], Path], name: str, pattern: str, groups: int
) -> None:
    by_image = Options(split="pool")
    index, cache = build_cache(read_index(str(real_set(name)), by_image), by_image)
    split = split_index(index, find_duplicate_groups(index, cache), by_image)
    by_group = Options(split="pool", group_pattern=pattern)
    index = read_index(str(real_set(name)), by_group)
    # The same rows, so that each image of the split by image has its group's name.
    torn, met = on_several_sides(index, split)
    assert met == groups
    assert torn > groups / 3
    index, cache = build_cache(index, by_group)
    for seed in range(3):
        options = Options(split="pool", group_pattern=pattern, seed=seed)
        split = split_index(index, find_duplicate_groups(index, cache), options)
        assert on_several_sides(index, split) == (0, groups)
        assert 0.1 < len(split.test) / len(index.used()) < 0.2
