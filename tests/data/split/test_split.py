"""Who trains, who chooses, who judges: shares, groups, given splits, leaks, tiny sets."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.made_index import made_index, with_given

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split import split as split_module
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.index_csv import complete_index
from striate.data.split.portions import assign_portions, split_groups
from striate.data.split.split import split_index
from striate.store.summary import count_images
from striate.values import Index, Options, Rows, Split, Task

OPTIONS = Options()


def alone(index: Index) -> Rows:
    """Every image a group of its own."""
    return np.arange(len(index.examples))


def grouped(index: Index, *families: tuple[int, ...]) -> Rows:
    """Groups of which these are of several rows."""
    groups = alone(index)
    for family in families:
        groups[list(family)] = min(family)
    return groups


def per_class(index: Index, rows: Rows) -> Counter[str]:
    """Images of each class among the rows."""
    return Counter(index.examples[row].label for row in rows)


def paths(index: Index, rows: Rows) -> set[str]:
    """The paths of the rows."""
    return {index.examples[row].path for row in rows}


def codes(split: Split) -> list[str]:
    """The codes of the notes."""
    return [note.code for note in split.notes]


def test_shares_are_met_exactly_in_every_class() -> None:
    index = made_index({"a": 400, "b": 200, "c": 80})
    split = split_index(index, alone(index), OPTIONS)
    assert per_class(index, split.test) == {"a": 60, "b": 30, "c": 12}
    assert per_class(index, split.val) == {"a": 60, "b": 30, "c": 12}
    assert per_class(index, split.train) == {"a": 280, "b": 140, "c": 56}
    assert split.evaluation == "test-split"
    assert not split.notes


def test_seeds_differ_and_repeat() -> None:
    index = made_index({"a": 300, "b": 300})
    first, again, other = (split_index(index, alone(index), Options(seed=s)) for s in (0, 0, 1))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)
    common = len(set(first.test) & set(other.test))
    assert common < 30  # About 13 of 90 by chance.


def test_neither_rows_nor_names_of_unused_files_matter() -> None:
    index = made_index({"a": 300, "b": 300})
    aside = tuple(replace(e, path=f"{e.path}x", status="set_aside") for e in index.examples[::20])
    fuller = replace(index, examples=tuple(sorted((*index.examples, *aside), key=lambda e: e.path)))
    plain = split_index(index, alone(index), OPTIONS)
    split = split_index(fuller, alone(fuller), OPTIONS)
    for name in ("train", "val", "test"):
        assert paths(index, getattr(plain, name)) == paths(fuller, getattr(split, name))


def test_a_new_image_moves_hardly_any_other() -> None:
    index = made_index({"a": 300, "b": 300})
    more = made_index({"a": 301, "b": 300})
    before = split_index(index, alone(index), OPTIONS)
    after = split_index(more, alone(more), OPTIONS)
    assert len(paths(index, before.test) - paths(more, after.test)) <= 1
    assert len(paths(index, before.val) - paths(more, after.val)) <= 2


def test_test_and_val_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (split_module.MOST_TEST, split_module.MOST_VAL) == (10_000, 5_000)
    monkeypatch.setattr(split_module, "MOST_TEST", 100)
    monkeypatch.setattr(split_module, "MOST_VAL", 50)
    index = made_index({"a": 400, "b": 400})
    split = split_index(index, alone(index), OPTIONS)
    assert (len(split.test), len(split.val), len(split.train)) == (100, 50, 650)


def test_groups_stay_whole_and_shares_even() -> None:
    index = made_index({"a": 300, "b": 300})
    families = tuple(tuple(range(start, start + 5)) for start in range(0, 400, 5))
    split = split_index(index, grouped(index, *families), OPTIONS)
    assert_no_group_on_two_sides(split)
    for label, count in per_class(index, split.test).items():
        assert 40 <= count <= 50, label


def test_a_family_larger_than_the_test_share_trains() -> None:
    index = made_index({"a": 400, "b": 400})
    family = tuple(range(300))
    split = split_index(index, grouped(index, family), OPTIONS)
    assert set(family) <= set(split.train)
    assert per_class(index, split.test) == {"a": 60, "b": 60}


def test_contradictory_pictures_never_judge() -> None:
    index = made_index({"a": 300, "b": 300})
    pairs = tuple((n, 300 + n) for n in range(0, 300, 3))
    for seed in range(5):
        split = split_index(index, grouped(index, *pairs), Options(seed=seed))
        torn = {row for pair in pairs for row in pair}
        assert not torn & set(split.test)
        assert not torn & set(split.val)
        assert codes(split) == ["split.contradictory"]
        assert split.notes[0].figures["n"] == 100


def test_a_patient_with_several_classes_is_no_contradiction() -> None:
    index = made_index({"a": 300, "b": 300})
    named = tuple(
        replace(example, group=f"patient {row % 100}") for row, example in enumerate(index.examples)
    )
    index = replace(index, examples=named)
    groups = np.arange(600) % 100
    split = split_index(index, groups, OPTIONS)
    assert not split.notes
    assert 72 <= len(split.test) <= 108
    assert_no_group_on_two_sides(split)


def test_tiny_sets_are_judged_by_five_folds() -> None:
    index = made_index({"a": 8, "b": 8})
    split = split_index(index, alone(index), OPTIONS)
    assert split.evaluation == "cross-validation"
    assert split.folds is not None
    assert np.array_equal(split.train, index.used())
    assert not len(split.test)
    assert not len(split.val)
    assert sorted(Counter(split.folds.tolist()).values()) == [3, 3, 3, 3, 4]
    labels = index.labels()
    for label in (0, 1):
        assert max(Counter(split.folds[labels == label].tolist()).values()) == 2
    assert codes(split) == ["split.tiny"]


@pytest.mark.parametrize(
    ("counts", "evaluation"),
    [
        ({"a": 200, "b": 200}, "test-split"),
        ({"a": 200, "b": 193}, "cross-validation"),  # 59 images
        ({"a": 2000, "b": 27}, "test-split"),  # 4.05 of the rarest class
        ({"a": 2000, "b": 20}, "cross-validation"),  # 3 of the rarest class
    ],
)
def test_where_tiny_begins(counts: dict[str, int], evaluation: str) -> None:
    index = made_index(counts)
    assert split_index(index, alone(index), OPTIONS).evaluation == evaluation


def test_folds_keep_groups_whole_and_train_every_class() -> None:
    index = made_index({"a": 40, "b": 40, "c": 2})
    groups = grouped(index, *(tuple(range(n, n + 4)) for n in range(0, 80, 4)))
    split = split_index(index, groups, OPTIONS)
    assert split.folds is not None
    folds, labels = split.folds, index.labels()
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    for fold in range(5):
        assert set(labels[folds != fold]) == {0, 1, 2}


def test_thousand_classes_of_twelve() -> None:
    index = made_index({f"{n:04}": 12 for n in range(1000)})
    split = split_index(index, alone(index), OPTIONS)
    assert split.folds is not None
    assert Counter(split.folds.tolist()) == dict.fromkeys(range(5), 2400)


def test_given_train_val_test_are_kept() -> None:
    index = with_given({"train": {"a": 60, "b": 60}, "val": {"a": 9}, "test": {"a": 40, "b": 40}})
    split = split_index(index, alone(index), OPTIONS)
    for name in ("train", "val", "test"):
        assert {index.examples[r].split for r in getattr(split, name)} == {name}
    assert len(split.train) + len(split.val) + len(split.test) == len(index.examples)


def test_val_is_cut_from_train() -> None:
    index = with_given({"train": {"a": 100, "b": 60}, "test": {"a": 40, "b": 40}})
    split = split_index(index, alone(index), OPTIONS)
    assert per_class(index, split.val) == {"a": 15, "b": 9}
    assert {index.examples[r].split for r in split.val} == {"train"}
    assert len(split.train) == 136


def test_a_given_val_without_a_test_becomes_the_test() -> None:
    index = with_given({"train": {"a": 100, "b": 100}, "val": {"a": 40, "b": 40}})
    split = split_index(index, alone(index), OPTIONS)
    assert {index.examples[r].split for r in split.test} == {"val"}
    assert {index.examples[r].split for r in split.val} == {"train"}
    assert codes(split) == ["split.val_is_test"]


def test_train_alone_is_cut_anew() -> None:
    index = with_given({"train": {"a": 300, "b": 300}})
    assert len(split_index(index, alone(index), OPTIONS).test) == 90


def test_pool_throws_all_together() -> None:
    index = with_given({"train": {"a": 200, "b": 200}, "test": {"a": 100, "b": 100}})
    split = split_index(index, alone(index), Options(split="pool"))
    assert {index.examples[r].split for r in split.test} == {"train", "test"}
    assert len(split.test) == 90


def test_leaked_test_images_are_named_and_stay_in_test() -> None:
    index = with_given({"test": {"a": 50, "b": 50}, "train": {"a": 100, "b": 100}})
    pairs = ((0, 100), (1, 101), (2, 3, 102))
    split = split_index(index, grouped(index, *pairs), OPTIONS)
    assert split.leaked.tolist() == [0, 1, 2, 3]
    assert len(split.test) == 100
    assert codes(split) == ["split.leaked"]


def test_copies_of_validation_images_leak_too() -> None:
    index = with_given({"test": {"a": 99}, "train": {"a": 100, "b": 100}, "val": {"a": 9}})
    split = split_index(index, grouped(index, (0, 300), (150, 301)), OPTIONS)
    assert split.leaked.tolist() == [0]
    assert codes(split) == ["split.leaked", "split.val_copies"]


def test_too_few_clean_test_images_pool_everything() -> None:
    index = with_given({"test": {"a": 35, "b": 35}, "train": {"a": 80, "b": 80}})
    clean = split_index(index, grouped(index, *((n, 70 + n) for n in range(10))), OPTIONS)
    assert clean.evaluation == "test-split"
    dirty = split_index(index, grouped(index, *((n, 70 + n) for n in range(11))), OPTIONS)
    assert dirty.evaluation == "cross-validation"
    assert codes(dirty) == ["split.leaked", "split.given_too_small", "split.tiny"]
    assert len(dirty.train) == 230
    assert not len(dirty.leaked)
    assert dirty.given_leaked.tolist() == list(range(11))
    assert dirty.given_test.tolist() == list(range(70))
    assert "the same image as" in complete_index(index, dirty).examples[0].reason
    assert count_images(index, dirty).leaked == 11


def test_many_images_with_a_small_given_test_are_cut_anew() -> None:
    index = with_given({"test": {"a": 10, "b": 10}, "train": {"a": 800, "b": 800}})
    split = split_index(index, alone(index), OPTIONS)
    assert split.evaluation == "test-split"
    assert len(split.test) == 243
    assert codes(split) == ["split.given_too_small"]


@pytest.mark.parametrize(("least", "told"), [(2, True), (4, True), (5, False)])
def test_very_few_images_of_a_class_say_what_can_be_measured(least: int, told: bool) -> None:
    index = made_index({"a": least, "b": 30})
    assert ("split.few_a_class" in codes(split_index(index, alone(index), OPTIONS))) is told


def assert_no_group_on_two_sides(split: Split) -> None:
    """No group number in two of train, val and test."""
    sides = [set(split.groups[rows]) for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


@st.composite
def indexes_with_groups(draw: st.DrawFn) -> tuple[Index, Rows]:
    """Two to five classes of any size, some images unused, groups of any shape."""
    counts = draw(st.lists(st.integers(2, 90), min_size=2, max_size=5))
    index = made_index({f"class {k}": n for k, n in enumerate(counts)})
    rows = len(index.examples)
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    families = draw(st.sampled_from([rows, rows // 2 + 1, rows // 10 + 2]))
    groups = rng.integers(0, families, rows) if draw(st.booleans()) else np.arange(rows)
    if draw(st.booleans()):  # Groups inside classes only, as most duplicates are.
        groups = groups * 5 + index.labels()
    unused = set(rng.choice(rows, rows // 10, replace=False).tolist())
    examples = tuple(
        replace(e, status="set_aside" if row in unused else "used")
        for row, e in enumerate(index.examples)
    )
    return replace(index, examples=examples), groups.astype(np.int64)


@settings(max_examples=60, deadline=None)
@given(indexes_with_groups(), st.integers(0, 5))
def test_every_used_row_has_one_place_and_no_group_two(made: tuple[Index, Rows], seed: int) -> None:
    index, groups = made
    split = split_index(index, groups, Options(seed=seed))
    placed = np.concatenate([split.train, split.val, split.test])
    assert sorted(placed.tolist()) == index.used().tolist()
    assert_no_group_on_two_sides(split)
    if split.folds is not None:
        assert np.array_equal(np.flatnonzero(split.folds >= 0), index.used())
        for group in np.unique(groups[index.used()]):
            members = index.used()[groups[index.used()] == group]
            assert len(set(split.folds[members].tolist())) == 1
    else:
        counts = np.bincount(index.labels()[split.test], minlength=len(index.classes))
        assert len(split.test) >= 60
        assert counts.min() >= 4
        trained = set(index.labels()[split.train].tolist())
        assert trained == set(index.labels()[index.used()].tolist())


@settings(max_examples=30, deadline=None)
@given(indexes_with_groups(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(made: tuple[Index, Rows], seed: int, random) -> None:
    index, groups = made
    order = list(range(len(index.examples)))
    random.shuffle(order)
    shuffled = replace(index, examples=tuple(index.examples[row] for row in order))
    one = split_index(index, groups, Options(seed=seed))
    other = split_index(shuffled, groups[order], Options(seed=seed))
    for name in ("train", "val", "test"):
        assert paths(index, getattr(one, name)) == paths(shuffled, getattr(other, name))
    if one.folds is not None and other.folds is not None:
        assert np.array_equal(one.folds[order], other.folds)


@settings(max_examples=30, deadline=None)
@given(indexes_with_groups(), st.floats(0.05, 0.4))
def test_portions_of_any_share(made: tuple[Index, Rows], share: float) -> None:
    index, groups = made
    parts = assign_portions(split_groups(index, groups, 0), {"val": (share, 10_000)})
    assert sorted(parts["train"] + parts["val"]) == index.used().tolist()
    largest = max(Counter(groups[index.used()].tolist()).values())
    assert len(parts["val"]) <= share * len(index.used()) + len(index.classes) * largest


def test_thirty_odd_files_leave_the_split_of_flowers_unchanged(
    real_set: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    from tests.data.odd_files import add_odd_files

    shutil.copytree(real_set("flowers"), tmp_path / "flowers")

    def sides() -> list[set[str]]:
        index, cache = build_cache(read_index(tmp_path / "flowers", OPTIONS), OPTIONS)
        split = split_index(index, find_duplicate_groups(index, cache), OPTIONS)
        return [paths(index, rows) for rows in (split.train, split.val, split.test, split.leaked)]

    before = sides()
    assert len(before[3]) == 13
    add_odd_files(tmp_path / "flowers" / "train" / "daisy")
    assert sides() == before


def copied(index: Index, of: dict[str, int], times: int) -> Index:
    """The index with the first so many pictures of a class saved `times` times."""
    examples = list(index.examples)
    for label, pictures in of.items():
        for n in range(pictures):
            first = next(e for e in index.examples if e.path.endswith(f"{label}/{n:05}"))
            examples += [replace(first, path=f"{first.path}-{k}") for k in range(1, times)]
    return replace(index, examples=tuple(sorted(examples, key=lambda example: example.path)))


def by_bytes(index: Index) -> Rows:
    """Groups of equal bytes."""
    first: dict[str, int] = {}
    rows = [first.setdefault(e.bytes_hash, row) for row, e in enumerate(index.examples)]
    return np.array(rows)


@pytest.mark.parametrize("task", ["label", "labels"])
def test_files_that_are_copies_make_no_test_split(task: Task) -> None:
    few = made_index({"a": 100, "b": 100})
    index = replace(copied(few, {"a": 100, "b": 100}, 5), task=task)
    split = split_index(index, by_bytes(index), OPTIONS)
    assert split.evaluation == "cross-validation"
    assert split.notes[0].figures["n"] == 30  # of 150 files
    many = made_index({"a": 400, "b": 400})
    index = replace(copied(many, {"a": 400, "b": 400}, 3), task=task)
    split = split_index(index, by_bytes(index), OPTIONS)
    assert int(index.firsts(split.test).sum()) == 120


def test_one_picture_saved_often_does_not_take_its_class_along() -> None:
    index = made_index({"a": 200, "b": 300})
    saved_often = copied(index, {"a": 1}, 900)
    split = split_index(saved_often, by_bytes(saved_often), OPTIONS)
    different = split.test[saved_often.firsts(split.test)]
    assert per_class(saved_often, different) == {"a": 30, "b": 45}


def test_given_test_images_that_are_copies_do_not_make_enough() -> None:
    index = with_given({"train": {"a": 200, "b": 200}, "test": {"a": 20, "b": 20}})
    twice = copied(index, {"test/a": 20, "test/b": 20}, 2)
    split = split_index(twice, by_bytes(twice), OPTIONS)
    note = next(note for note in split.notes if note.code == "split.given_too_small")
    assert note.figures["n"] == 40


def test_folds_are_even_in_pictures() -> None:
    index = copied(made_index({"a": 50, "b": 50}), {"a": 5}, 20)
    split = split_index(index, by_bytes(index), OPTIONS)
    assert split.folds is not None
    different = np.flatnonzero(index.firsts(np.arange(len(index.examples))))
    assert np.bincount(split.folds[different]).tolist() == [20] * 5
