"""Families, leaks and the clean table: what shows one picture, and what stays."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.clean_table import select_clean_rows, table_rows
from striate.data.split.duplicates import describe_family, duplicate_families, find_split_leaks
from striate.values import Example, Index


def index_of(*files: tuple[str, str, str, str], aside: int = 0) -> Index:
    """An index of files: path, label, split, and what its bytes are."""
    examples = [
        Example(path=path, label=label, split=split, bytes_hash=content, pixels_hash=content[:1])
        for path, label, split, content in files
    ]
    examples += [Example(path=f"z{n}", status="set_aside", reason="cut") for n in range(aside)]
    return Index(
        root="/pictures",
        name="pictures",
        kind="folder",
        classes=tuple(sorted({label for _, label, _, _ in files})),
        examples=tuple(examples),
        given_splits=tuple(sorted({split for _, _, split, _ in files} - {""})),
    )


def test_a_family_says_what_its_files_share() -> None:
    index = index_of(
        ("a", "x", "", "p1"), ("b", "x", "", "p1"), ("c", "x", "", "p2"), ("d", "y", "", "q1")
    )
    assert duplicate_families(index, np.array([0, 0, 2, 3])) == ((0, 1),)
    assert describe_family(index, (0, 1)).kind == "bytes"
    assert describe_family(index, (0, 2)).kind == "pixels"
    near = describe_family(index, (0, 3))
    assert near.kind == "near"
    assert near.contradicts


def test_a_leak_names_the_closest_copy_in_another_split() -> None:
    index = index_of(("a", "x", "train", "q1"), ("b", "x", "train", "p1"), ("c", "x", "test", "p1"))
    (leak,) = find_split_leaks(index, ((0, 1, 2),))
    assert (leak.path, leak.copy, leak.kind) == ("c", "b", "bytes")
    assert leak.copy_split == "train"


def test_val_judges_where_no_test_is_given_and_nothing_leaks_without_splits() -> None:
    index = index_of(("a", "x", "train", "p1"), ("b", "x", "val", "p1"))
    assert [leak.path for leak in find_split_leaks(index, ((0, 1),))] == ["b"]
    bare = replace(index, given_splits=())
    assert find_split_leaks(bare, ((0, 1),)) == ()


def test_the_clean_table_keeps_one_file_of_each_picture() -> None:
    index = index_of(
        ("a", "x", "train", "p1"),
        ("b", "x", "train", "p1"),
        ("c", "x", "test", "p1"),  # leaks
        ("d", "x", "test", "q1"),
        ("e", "x", "test", "q1"),
        ("f", "x", "train", "r1"),  # contradicts g
        ("g", "y", "train", "r1"),
        ("h", "y", "train", "s1"),
        ("i", "y", "val", "t1"),
        ("j", "y", "train", "t1"),  # train stays before val
        aside=2,
    )
    clean = select_clean_rows(index, ((0, 1, 2), (3, 4), (5, 6), (8, 9)))
    assert [index.examples[row].path for row in clean.rows] == ["a", "d", "h", "j"]
    assert (clean.copies, clean.leaked, clean.contradicting, clean.set_aside) == (3, 1, 2, 2)


def test_rows_carry_paths_that_the_tables_folder_can_find() -> None:
    index = index_of(("sub/a", "x", "train", "p1"), ("b", "y", "", "q1"))
    doubts = {"b": (0.91234, "x")}
    rows = list(table_rows(index, (0, 1), Path("/pictures/sub"), doubts))
    assert rows[0] == ("a", "x", "train", "", "", "")
    assert rows[1] == ("/pictures/b", "y", "", "", "0.912", "x")
