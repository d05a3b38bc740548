"""Planted wrong labels come first, right ones are left in peace."""

import numpy as np
import pytest

from striate.probe.label_errors import confident_classes, left_out_probabilities, rank_label_errors
from striate.values import Example, Index, Rows


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
