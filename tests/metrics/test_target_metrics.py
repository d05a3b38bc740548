"""Formulas for several labels and for numbers, against scikit-learn and against brute force."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, r2_score

from striate.metrics import target_metrics


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn_ties_and_weights_too(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 12, 80) / 4
    marks = generator.random(80) < 0.3
    weights = generator.integers(0, 4, (3, 80)).astype(np.float32)
    found = target_metrics.average_precision(scores, marks, weights)
    for row, value in zip(weights, found, strict=True):
        assert value == pytest.approx(average_precision_score(marks, scores, sample_weight=row))
    assert target_metrics.average_precision(scores, marks)[0] == pytest.approx(
        average_precision_score(marks, scores)
    )


def test_a_label_that_nobody_has_has_no_precision() -> None:
    assert np.isnan(target_metrics.average_precision(np.arange(4), np.zeros(4))[0])


def test_f1_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    said, marks = generator.random((2, 60)) < 0.4
    one = np.ones((1, 60), np.float32)
    assert target_metrics.f1_score(said, marks, one)[0] == pytest.approx(f1_score(marks, said))


def test_the_threshold_has_the_best_f1_of_all() -> None:
    generator = np.random.default_rng(2)
    marks = generator.random((90, 2)) < 0.3
    chances = np.clip(0.3 * marks + 0.6 * generator.random((90, 2)), 0, 1)
    one = np.ones((1, 90), np.float32)
    for k, threshold in enumerate(target_metrics.best_thresholds(chances, marks)):
        best = target_metrics.f1_score(chances[:, k] >= threshold, marks[:, k], one)[0]
        others = [
            target_metrics.f1_score(chances[:, k] >= t, marks[:, k], one)[0] for t in chances[:, k]
        ]
        assert best == pytest.approx(max(others))


def test_a_threshold_without_any_image_is_a_half() -> None:
    assert target_metrics.best_thresholds(np.full((4, 1), 0.2), np.zeros((4, 1))) == (0.5,)


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(50, 9, 200)
    answers = truth + generator.normal(0, 3, 200)
    error, explained, root = target_metrics.number_measures(answers, truth)
    assert error.value == pytest.approx(np.abs(answers - truth).mean(), rel=1e-6)
    assert explained.value == pytest.approx(r2_score(truth, answers), rel=1e-6)
    assert root.value == pytest.approx(np.sqrt(np.square(answers - truth).mean()), rel=1e-6)
    assert error.low < error.value < error.high


def test_the_interval_of_an_error_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    true = np.sqrt(2 / np.pi)
    held = 0
    for seed in range(200):
        truth = generator.normal(0, 5, 100)
        answers = truth + generator.normal(0, 1, 100)
        error = target_metrics.number_measures(answers, truth, seed=seed, draws=400)[0]
        held += error.low <= true <= error.high
    assert held >= 180  # 0.95 of 200 is 190; 180 is 3.2 standard errors below


def test_copies_in_groups_widen_the_interval() -> None:
    generator = np.random.default_rng(5)
    truth = generator.normal(0, 5, 40)
    answers = truth + generator.normal(0, 1, 40)
    alone = target_metrics.number_measures(answers, truth)[0]
    four = target_metrics.number_measures(
        np.repeat(answers, 4), np.repeat(truth, 4), np.repeat(np.arange(40), 4)
    )[0]
    naive = target_metrics.number_measures(np.repeat(answers, 4), np.repeat(truth, 4))[0]
    assert four.high - four.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert naive.high - naive.low < 0.65 * (four.high - four.low)


def test_a_perfect_order_does_not_claim_certainty() -> None:
    marks = np.arange(20)[:, None] < 6
    chances = marks.astype(np.float32)
    table = target_metrics.label_measures(chances, marks, marks.astype(np.float64))
    assert table[0][0].value == 1.0
    assert table[0][0].low < 0.7  # Wilson's of 6 of 6
    assert 0.8 < table[1][0].low < 0.9  # of 20 of 20


def test_the_mean_leaves_out_labels_that_nobody_has() -> None:
    marks = np.zeros((30, 2))
    marks[:10, 0] = 1
    chances = np.random.default_rng(6).random((30, 2)).astype(np.float32)
    first, second, mean = target_metrics.label_measures(chances, chances > 0.5, marks, draws=200)
    assert np.isnan(second[0].value)
    assert mean[0].value == pytest.approx(first[0].value)


def test_the_logistic_fit_finds_the_slope_of_many_images() -> None:
    generator = np.random.default_rng(7)
    scores = generator.normal(0.3, 0.2, 20_000)
    marks = generator.random(20_000) < target_metrics.logistic(8 * scores - 3)
    slope, offset = target_metrics.fit_logistic(scores, marks)
    oracle = LogisticRegression(C=1e9, tol=1e-8).fit(scores[:, None], marks)
    assert slope == pytest.approx(float(oracle.coef_[0, 0]), rel=0.02)
    assert offset == pytest.approx(float(oracle.intercept_[0]), rel=0.02)


@pytest.mark.parametrize("marks", [np.zeros(30), np.ones(30), np.arange(30) > 14])
def test_the_logistic_fit_stays_finite(marks: np.ndarray) -> None:
    for scores in (np.zeros(30), np.arange(30.0), -np.arange(30.0)):
        slope, offset = target_metrics.fit_logistic(scores, marks)
        assert slope > 0
        assert np.isfinite([slope, offset]).all()


def test_better_answers_have_little_chance_of_luck_and_equal_ones_all() -> None:
    rng = np.random.default_rng(5)
    marks = (rng.random((80, 3)) < 0.4).astype(float)
    good, bad = (marks + noise * rng.normal(size=marks.shape) for noise in (0.3, 1.5))
    new, old, chance = target_metrics.compare_labels(good, bad, marks, draws=300)
    assert new > old
    assert chance < 0.01
    assert target_metrics.compare_labels(bad, good, marks, draws=300)[2] > 0.99
    assert target_metrics.compare_labels(good, good, marks, draws=300)[2] == 1.0
    assert target_metrics.compare_numbers(good[:, 0], bad[:, 0], marks[:, 0], draws=300)[2] < 0.01
    assert target_metrics.compare_numbers(good[:, 0], good[:, 0], marks[:, 0], draws=300)[2] == 1.0


def test_a_gain_on_one_group_is_the_gain_of_one_witness() -> None:
    truth = np.zeros(40)
    old, new = np.ones(40), np.where(np.arange(40) < 20, 0.0, 1.1)
    alone = target_metrics.compare_numbers(new, old, truth, draws=500)[2]
    grouped = target_metrics.compare_numbers(
        new, old, truth, np.r_[np.zeros(20), np.arange(1, 21)], draws=500
    )[2]
    assert alone < 0.01
    assert grouped > 0.2
