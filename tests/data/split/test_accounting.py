"""index.csv tells where every file went, and what a leaked test image is a copy of."""

from dataclasses import replace

import numpy as np

from striate.data.split.index_csv import complete_index
from striate.values import Example, Index, Split


def index_of(count: int) -> Index:
    examples = tuple(
        Example(path=f"{'ab'[k % 2]}/{k}.png", label="ab"[k % 2]) for k in range(count)
    )
    return Index(root="x", name="x", kind="folder", classes=("a", "b"), examples=examples)


def test_splits_groups_and_leaks_stand_on_the_rows() -> None:
    index = index_of(8)
    aside = replace(index.examples[7], status="set_aside", reason="it is empty")
    index = replace(index, examples=(*index.examples[:7], aside))
    split = Split(
        train=np.array([0, 1, 2]),
        val=np.array([3]),
        test=np.array([4, 5, 6]),
        groups=np.array([0, 1, 2, 3, 0, 5, 6, 7]),
        leaked=np.array([4]),
    )
    rows = complete_index(index, split).examples
    assert [row.split for row in rows] == ["train"] * 3 + ["val"] + ["test"] * 3 + [""]
    assert [row.group for row in rows] == ["0", "", "", "", "0", "", "", ""]
    assert rows[4].reason == "not counted: the same image as a/0.png"
    assert rows[7] == aside
    assert [row.reason for row in rows[:4]] == [""] * 4


def test_a_group_keeps_its_name_also_where_copies_join_two() -> None:
    index = index_of(5)
    named = [
        replace(e, group=g) for e, g in zip(index.examples, ("", "q", "p", "r", ""), strict=True)
    ]
    split = Split(
        train=np.arange(5),
        val=np.array([], np.int64),
        test=np.array([], np.int64),
        groups=np.array([0, 1, 1, 3, 0]),
        leaked=np.array([], np.int64),
    )
    rows = complete_index(replace(index, examples=tuple(named)), split).examples
    assert [row.group for row in rows] == ["0", "p", "p", "r", "0"]
