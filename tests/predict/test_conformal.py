"""Prediction sets: worked by hand, and held to their promise over many drawn sets."""

import numpy as np
import pytest

from striate.predict.conformal import conformal_threshold, max_coverage, prediction_sets


def one_hot_scores(given: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Images of class 0 with these probabilities of it."""
    first = np.array(given)
    return np.stack([first, 1 - first], axis=1), np.zeros(len(first), np.int64)


def test_the_rank_is_that_of_the_formula() -> None:
    table, truth = one_hot_scores([0.9, 0.8, 0.7, 0.6])
    alone = np.arange(4)
    # ceil((4 + 1) * 0.6) = 3: the third best.
    assert conformal_threshold(table, truth, alone, 0.6) == pytest.approx(0.7)
    assert conformal_threshold(table, truth, alone, 0.8) == pytest.approx(0.6)
    # Rank 5 of 4 does not exist: every class belongs.
    assert conformal_threshold(table, truth, alone, 0.81) == 0.0
    assert max_coverage(4) == pytest.approx(0.8)


def test_a_group_weighs_as_one_image() -> None:
    table, truth = one_hot_scores([0.9, 0.8, 0.7, 0.6])
    # Groups {0.9}, {0.8}, {0.7, 0.6}: masses 1, 1, 0.5, 0.5 of 4.
    owners = np.array([0, 1, 2, 2])
    assert conformal_threshold(table, truth, owners, 0.5) == pytest.approx(0.8)
    assert conformal_threshold(table, truth, owners, 0.6) == pytest.approx(0.7)
    assert conformal_threshold(table, truth, owners, 0.7) == pytest.approx(0.6)
    assert conformal_threshold(table, truth, owners, 0.76) == 0.0


def test_sets_hold_the_best_class_even_where_none_reaches() -> None:
    table = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.34, 0.33, 0.33]], np.float32)
    assert prediction_sets(table, 0.35).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, False, False],
    ]
    assert prediction_sets(table, 0.0).all()


def test_a_threshold_in_float32_keeps_the_image_that_set_it() -> None:
    table = np.random.default_rng(0).dirichlet(np.ones(5), 50).astype(np.float32)
    truth = np.arange(50) % 5
    least = conformal_threshold(table, truth, np.arange(50), 0.5)
    held = prediction_sets(table, least)[np.arange(50), truth]
    assert held.sum() >= 26


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_new_images_are_covered_as_promised(coverage: float) -> None:
    rng = np.random.default_rng(1)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.integers(0, 6, n)
        logits = rng.normal(0, 1.5, (n, 6))
        logits[np.arange(n), truth] += 1.0
        powers = np.exp(logits)
        return powers / powers.sum(axis=1, keepdims=True), truth

    covered = []
    for _ in range(60):
        table, truth = draw(99)
        least = conformal_threshold(table, truth, np.arange(99), coverage)
        new, true = draw(500)
        covered.append(prediction_sets(new, least)[np.arange(500), true].mean())
    # The mean over draws is (k / 100) exactly, k the rank; 60 draws of 99 spread by about 0.005.
    assert np.mean(covered) == pytest.approx(np.ceil(100 * coverage) / 100, abs=0.02)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, 1.5])
def test_a_coverage_out_of_bounds_is_refused(coverage: float) -> None:
    table, truth = one_hot_scores([0.9])
    with pytest.raises(ValueError, match="above 0 and below 1"):
        conformal_threshold(table, truth, np.arange(1), coverage)
