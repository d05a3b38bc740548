"""A foreign picture is named, its copy does not hide it, and healthy sets hear next to nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.probe.outlier_scores import (
    confident_classes,
    find_outliers,
    left_out_probabilities,
    mean_neighbour_distances,
    nearest_cosine_distances,
    normalise_length,
    rank_label_errors,
    robust_deviations,
    standardise_features,
)
from striate.values import Example, Index, Rows, Task
from striate.values.seeds import make_rng

COUNT = 300


def stages(seed: int) -> dict[str, NDArray[np.float32]]:
    """Features of two stages: four classes, each with a centre of its own."""
    generator = make_rng(seed, "stages")
    labels = generator.integers(0, 4, COUNT)
    return {
        name: (generator.normal(size=(4, 40))[labels] + generator.normal(size=(COUNT, 40))).astype(
            np.float32
        )
        for name in ("low", "high")
    }


def index(rare: int = 0, task: Task = "label") -> Index:
    """All images of one class, but for the first few."""
    examples = tuple(
        Example(path=f"{n:03}.png", label="rare" if n < rare else "a") for n in range(COUNT)
    )
    classes = ("a", "rare")
    return Index(root="", name="", kind="memory", classes=classes, examples=examples, task=task)


ROWS = np.arange(COUNT)


def test_healthy_sets_hear_next_to_nothing() -> None:
    named = [len(find_outliers(stages(seed), index(), ROWS, ROWS)) for seed in range(30)]
    assert sum(named) <= 2  # 6 of 200 seeds name one image each.


@pytest.mark.parametrize("stage", ["low", "high"])
def test_one_foreign_picture_is_named_with_its_stage(stage: str) -> None:
    given = stages(0)
    given[stage][17] += 8
    (found,) = find_outliers(given, index(), ROWS, ROWS)
    assert (found.row, found.path, found.label, found.stage) == (17, "017.png", "a", stage)
    assert found.deviations > found.bar > 4


def test_a_copy_does_not_vouch_for_it() -> None:
    given = stages(0)
    for row in (17, 18, 19, 20, 21, 22, 23):
        given["low"][row] = given["low"][17] + (8 if row == 17 else 0)
    assert not find_outliers(given, index(), ROWS, ROWS)
    groups = np.where((ROWS >= 17) & (ROWS <= 23), 17, ROWS)
    found = find_outliers(given, index(), ROWS, groups)
    assert {outlier.row for outlier in found} == set(range(17, 24))


@pytest.mark.parametrize("rare", [2, 3, 4, 5, 6])
def test_a_rare_class_of_its_own_kind_is_not_named_for_being_rare(rare: int) -> None:
    given = stages(1)
    for table in given.values():
        table[:rare] += 12
    assert not find_outliers(given, index(rare), ROWS, ROWS)
    # Without the labels nobody could know.
    assert {outlier.row for outlier in find_outliers(given, index(), ROWS, ROWS)} == set(
        range(rare)
    )


def test_rare_classes_of_healthy_sets_hear_next_to_nothing() -> None:
    named = 0
    for seed in range(20):
        given = stages(seed)
        for table in given.values():
            table[:4] += 12
        named += len(find_outliers(given, index(4), ROWS, ROWS))
    assert named <= 3


def test_a_foreign_picture_in_a_rare_class_is_named() -> None:
    given = stages(1)
    for table in given.values():
        table[:4] += 12
        table[0] -= 24
    assert {outlier.row for outlier in find_outliers(given, index(4), ROWS, ROWS)} == {0}


def test_copies_in_a_rare_class_do_not_vouch_for_each_other() -> None:
    given = stages(1)
    for table in given.values():
        table[:4] += 12
    groups = np.where(ROWS < 4, 0, ROWS)
    found = find_outliers(given, index(4), ROWS, groups)
    assert {outlier.row for outlier in found} == set(range(4))


def test_where_nothing_can_be_told_nobody_is_named() -> None:
    given = {name: table[:40] for name, table in stages(0).items()}
    given["low"][3] += 50
    assert not find_outliers(given, index(), ROWS[:40], ROWS[:40])
    together = np.minimum(ROWS, 2)
    assert not find_outliers(stages(0), index(), ROWS, together)
    alike = {"low": np.zeros((COUNT, 5), np.float32)}
    alike["low"][3] = 1
    assert not find_outliers(alike, index(), ROWS, ROWS)


def test_distances_and_deviations_by_hand() -> None:
    line = np.arange(8, dtype=np.float32)[:, None] ** 2
    found = mean_neighbour_distances(standardise_features(line), np.arange(8)) * line.std()
    assert found[0] == pytest.approx((1 + 4 + 9 + 16 + 25) / 5, rel=1e-5)
    logs = np.exp(np.array([-1.0, 0.0, 1.0, 5.0, -0.5]))
    assert robust_deviations(logs)[3] == pytest.approx(5 / 1.4826)


def blobs(n: int = 300, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, Rows]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % classes).astype(np.int64)
    centres = 4 * rng.normal(size=(classes, 8))
    return (centres[labels] + rng.normal(size=(n, 8))).astype(np.float32), labels


def index_of(labels: Rows) -> Index:
    names = ("ant", "bee", "cat")
    examples = tuple(Example(path=f"{i:03}.png", label=names[k]) for i, k in enumerate(labels))
    return Index(root="", name="x", kind="memory", classes=names, examples=examples)


def test_planted_wrong_labels_are_the_most_doubtful() -> None:
    features, labels = blobs()
    wrong = np.arange(0, 300, 20)
    given = labels.copy()
    given[wrong] = (given[wrong] + 1) % 3
    probabilities = left_out_probabilities(features, given, 3)
    doubts = rank_label_errors(probabilities, index_of(given), np.arange(300))
    first = doubts[: len(wrong)]
    assert {doubt.row for doubt in first} == set(wrong.tolist())
    assert all(doubt.flagged for doubt in first)
    assert [d.suggested for d in first] == [index_of(labels).examples[d.row].label for d in first]
    assert len(doubts) == 300
    assert list(doubts) == sorted(doubts, key=lambda doubt: -doubt.doubt)
    assert sum(doubt.flagged for doubt in doubts) == len(wrong)


def test_clean_labels_are_left_in_peace() -> None:
    features, labels = blobs()
    doubts = rank_label_errors(
        left_out_probabilities(features, labels, 3), index_of(labels), np.arange(300)
    )
    assert not any(doubt.flagged for doubt in doubts)


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    features, labels = blobs(60)
    features = np.concatenate([features, features[:1]])
    labels = np.concatenate([labels, labels[:1]])
    labels[[0, 60]] = 1  # a picture and its copy, both under a wrong label
    groups = np.concatenate([np.arange(60), [0]])
    together = left_out_probabilities(features, labels, 3, groups)
    apart = left_out_probabilities(features, labels, 3)
    assert together[0, 1] < apart[0, 1]


def test_rows_may_be_some_of_the_index() -> None:
    features, labels = blobs(90)
    rows = np.arange(10, 70)
    probabilities = left_out_probabilities(features[rows], labels[rows], 3)
    doubts = rank_label_errors(probabilities, index_of(labels), rows)
    assert sorted(doubt.row for doubt in doubts) == rows.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_flags_are_cleanlabs(seed: int) -> None:
    filtering = pytest.importorskip("cleanlab.filter")
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 500)
    scores = rng.normal(size=(500, 4)) + 2.5 * np.eye(4)[labels]
    flipped = rng.random(500) < 0.1
    labels[flipped] = rng.integers(0, 4, int(flipped.sum()))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = filtering.find_label_issues(
        labels, probabilities, filter_by="confident_learning", n_jobs=1
    )
    confident = confident_classes(probabilities.astype(np.float32), labels)
    assert np.array_equal((confident >= 0) & (confident != labels), expected)


def test_a_label_that_is_the_most_probable_is_not_doubted_where_a_class_is_rare() -> None:
    labels = np.array([0] * 40 + [1] * 2)
    probabilities = np.tile(np.array([0.99, 0.01], np.float32), (42, 1))
    probabilities[:20] = (0.985, 0.015)
    examples = tuple(Example(path=f"{n}.png", label="ab"[k]) for n, k in enumerate(labels))
    index = Index(root="", name="x", kind="folder", classes=("a", "b"), examples=examples)
    doubts = rank_label_errors(probabilities, index, np.arange(42))
    assert {doubt.row for doubt in doubts if doubt.flagged} == {40, 41}


def test_the_third_nearest_counts() -> None:
    angles = np.deg2rad([0, 10, 20, 30])
    reference = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = nearest_cosine_distances(np.array([[5.0, 0.0]], np.float32), reference)
    assert found == pytest.approx([1 - np.cos(np.deg2rad(20))], abs=1e-6)


def test_ones_own_group_does_not_count() -> None:
    reference = normalise_length(np.array([[1, 0], [1, 0.01], [0, 1], [0, 1]], np.float32))
    owners = np.array([0, 0, 1, 2])
    alone = nearest_cosine_distances(reference, reference, owners, owners)
    # The first two have only the other groups' two; the third has two near 90 degrees.
    assert alone[:2] == pytest.approx([1, 1], abs=0.02)
    assert nearest_cosine_distances(reference, reference)[0] == pytest.approx(1, abs=0.02)


def test_with_few_or_none_left_it_is_as_far_as_is_known() -> None:
    one = normalise_length(np.array([[1, 0]], np.float32))
    assert nearest_cosine_distances(one, one).tolist() == [0.0]
    assert nearest_cosine_distances(one, one, np.zeros(1), np.zeros(1)).tolist() == [2.0]
    assert nearest_cosine_distances(np.zeros((1, 2), np.float32), one).tolist() == [1.0]
