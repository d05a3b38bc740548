"""Groups by a pattern in the paths: joined captures, the class in it, what fits nothing."""

import pytest

from striate.config.settings import check_settings
from striate.data.split.grouping import set_evaluation_groups, set_groups
from striate.errors import SourceError, UsageError
from striate.values import Example, Index, Options

PATHS = ("a/p1_x_1.png", "a/p1_x_2.png", "a/p2_y_1.png", "b/p1_x_1.png", "b/p2_y_1.png")


def index(paths: tuple[str, ...] = PATHS) -> Index:
    examples = tuple(Example(path=path, label=path.split("/")[0]) for path in paths)
    return Index(root="", name="set", kind="folder", classes=("a", "b"), examples=examples)


def groups(pattern: str, paths: tuple[str, ...] = PATHS) -> list[str]:
    found = set_groups(index(paths), Options(group_pattern=pattern))
    return [example.group for example in found.examples]


def test_what_is_captured_is_the_group() -> None:
    assert groups(r"p(\d+)_") == ["1", "1", "2", "1", "2"]
    assert groups(r"p(\d+)_(.)") == ["1/x", "1/x", "2/y", "1/x", "2/y"]
    assert groups(r"^(.)/p(\d)") == ["a/1", "a/1", "a/2", "b/1", "b/2"]
    assert groups(r"p(?:1_(x)|2_(y))") == ["x/", "x/", "/y", "x/", "/y"]


def test_the_class_may_be_a_part_of_it() -> None:
    assert groups(r"{class}/p(\d+)") == ["a/1", "a/1", "a/2", "b/1", "b/2"]
    odd = ("a+(/a+(_1.png", "a+(/a+(_2.png", "b/b_1.png")
    assert groups(r"{class}_(\d)", odd) == ["a+(/1", "a+(/2", "b/1"]


def test_an_image_that_does_not_fit_stands_alone_and_is_counted() -> None:
    found = set_groups(index((*PATHS, "b/other.png")), Options(group_pattern=r"p(\d+)_"))
    assert found.examples[-1].group == ""
    told = {note.code: note.figures for note in found.notes}
    assert told == {
        "read.groups": {"groups": 2, "least": 2, "most": 3},
        "read.group_unmatched": {"n": 1, "of": 6, "path": "b/other.png"},
    }


def test_a_pattern_that_fits_nothing() -> None:
    with pytest.raises(SourceError, match="matches none of the 5 paths") as caught:
        groups(r"writer(\d+)")
    assert caught.value.exit_code == 3
    assert PATHS[0] in caught.value.sentence


def test_one_group_of_all_leaves_none_to_judge() -> None:
    with pytest.raises(SourceError, match="All 5 images in set are in one group, p"):
        groups(r"(p)")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"p(\d+", "not a regular expression: missing"),
        (r"*", "not a regular expression"),
        (r"p\d+", "captures nothing"),
        (r"{class}", "captures nothing"),
        ("", "must be text"),
    ],
)
def test_a_faulty_pattern_is_a_faulty_command(pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        check_settings({"group_pattern": pattern})
    assert caught.value.exit_code == 2


def test_a_column_and_a_pattern_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        check_settings({"group": "patient", "group_pattern": r"(\d+)"})


def test_without_groups_nothing_is_said() -> None:
    assert set_groups(index(), Options()) == index()


def test_to_judge_a_pattern_that_fits_nothing_is_no_fault() -> None:
    found = set_evaluation_groups(index(), r"p(\d+)_")
    assert [e.group for e in found.examples] == ["1", "1", "2", "1", "2"]
    assert set_evaluation_groups(index(), r"writer(\d+)") == index()
    assert set_evaluation_groups(index(), None) == index()
