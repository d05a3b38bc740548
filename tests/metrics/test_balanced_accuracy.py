import numpy as np
import pytest

from striate.metrics.balanced_accuracy import balanced_interval
from striate.metrics.intervals import wilson
from striate.values.seeds import make_rng


def test_the_balanced_interval_by_hand():
    # Both recalls 1/2, and what is drawn towards one half stays there: 40 and 10 images count
    # as n with 1/4 / n = (1/4 / 40 + 1/4 / 10) / 4, which is 32.
    truth, guess = np.repeat([0, 1], [40, 10]), np.repeat([0, 1, 1, 0], [20, 20, 5, 5])
    whole = wilson(16, 32)
    assert balanced_interval(truth, guess) == pytest.approx((whole.low, whole.high))
    assert balanced_interval([], []) == (0.0, 1.0)
    low, high = balanced_interval([0, 1, 1], [0, 1, 1])
    assert 0 < low < high == 1.0


def test_a_class_of_few_images_all_right_is_not_taken_for_certain():
    low, high = balanced_interval(np.repeat([0, 1], [200, 4]), np.repeat([0, 1], [200, 4]))
    assert low < 0.8
    assert high == 1.0


def test_the_balanced_interval_holds_the_truth_as_often_as_it_says():
    covered, sizes = 0, (60, 30, 12, 8)
    for case in range(200):
        generator = make_rng(case, "balanced")
        chances = generator.beta(9, 2, size=4)
        truth = np.repeat(np.arange(4), sizes)
        right = generator.random(len(truth)) < chances[truth]
        low, high = balanced_interval(truth, np.where(right, truth, (truth + 1) % 4))
        covered += low <= chances.mean() <= high
    assert 184 <= covered <= 200


def test_images_of_one_group_are_one_witness_of_their_class():
    generator = make_rng(0, "balanced groups")
    truth, groups = np.repeat([0, 1], 60), np.arange(120) // 6
    right = (generator.random(20) < 0.7)[groups]
    guess = np.where(right, truth, 1 - truth)
    alone, together = balanced_interval(truth, guess), balanced_interval(truth, guess, groups)
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    wider = balanced_interval(truth, guess, groups, folds=5)
    assert wider[1] - wider[0] > together[1] - together[0]
