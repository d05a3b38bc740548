"""Thresholds per class: worked by hand; what is wished is reached on new images."""

import math

import numpy as np
import pytest

from striate.predict.thresholds import (
    confident_mask,
    find_thresholds,
    flag_classes,
    precision_thresholds,
    recall_thresholds,
)


def answers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes that are true, and the classes drawn from them."""
    generator = np.random.default_rng(seed)
    table = generator.dirichlet((0.5, 0.5, 0.5), n)
    truth = np.array([generator.choice(3, p=row) for row in table])
    return table, truth


def test_the_lowest_probability_that_is_right_often_enough() -> None:
    sure = np.array([0.9, 0.8, 0.7, 0.6, 0.55])
    table = np.stack([sure, 1 - sure], axis=1)
    truth = np.array([0, 0, 1, 0, 1])
    assert precision_thresholds(table, truth, 0.75)[0] == pytest.approx(0.6)
    assert precision_thresholds(table, truth, 0.99)[0] == pytest.approx(0.8)
    assert math.isinf(precision_thresholds(table, 1 - truth, 0.99)[0])
    assert math.isinf(precision_thresholds(table, truth, 0.5)[1])  # It is never the most probable.


def test_equal_probabilities_are_said_together() -> None:
    table = np.array([[0.8, 0.2]] * 4)
    assert math.isinf(precision_thresholds(table, np.array([0, 0, 1, 1]), 0.9)[0])


def test_the_rank_of_a_wanted_recall() -> None:
    table = np.stack([np.arange(1, 10) / 10, 1 - np.arange(1, 10) / 10], axis=1)
    truth = np.zeros(9, np.int64)
    assert recall_thresholds(table, truth, 0.5)[0] == pytest.approx(0.5)
    assert recall_thresholds(table, truth, 0.9)[0] == pytest.approx(0.1)
    assert recall_thresholds(table, truth, 0.95)[0] == 0  # Nine images cannot back that.


def test_what_was_wished_is_reached_on_new_images() -> None:
    precise, found = [], []
    for seed in range(8):
        table, truth = answers(600, seed)
        new, labels = answers(2000, 100 + seed)
        sure = confident_mask(new, precision_thresholds(table, truth, 0.9))
        precise.append((new.argmax(axis=1) == labels)[sure].mean())
        marks = flag_classes(new, recall_thresholds(table, truth, 0.9))
        found.append(marks[np.arange(len(labels)), labels].mean())
    assert np.mean(precise) > 0.87
    assert 0.88 < np.mean(found) < 0.92


def test_the_interval_is_of_images_that_did_not_choose() -> None:
    table, truth = answers(400, 0)
    groups = np.arange(400) // 2
    for kind in ("precision", "recall"):
        rows = find_thresholds(kind, ("a", "b", "c"), table, truth, groups, 0.9)
        assert [row.name for row in rows] == ["a", "b", "c"]
        for row in rows:
            assert row.reached is not None
            assert row.reached.low < 0.9 < row.reached.high + 0.05
    sizes = find_thresholds("recall", ("a", "b", "c"), table, truth, groups, 0.9)
    assert sum(row.reached.n for row in sizes if row.reached) == 400
