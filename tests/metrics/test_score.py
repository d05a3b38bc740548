import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.metrics.intervals import wilson
from striate.metrics.score import balanced_interval, paired_loss_pvalue
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


LOSSES = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=40)


def test_losses_that_are_plainly_smaller_are_said_to_be() -> None:
    rng = np.random.default_rng(0)
    old = rng.exponential(1, 60)
    assert paired_loss_pvalue(0.7 * old, old) < 1e-4
    assert paired_loss_pvalue(old, 0.7 * old) > 0.9999
    assert paired_loss_pvalue(old, old) == 0.5


def test_chance_is_called_better_as_often_as_it_may() -> None:
    rng = np.random.default_rng(1)
    found = [paired_loss_pvalue(rng.exponential(1, 30), rng.exponential(1, 30)) for _ in range(400)]
    assert 0.05 < np.mean(np.array(found) < 0.1) < 0.16


def test_images_of_one_group_are_one_witness() -> None:
    old = np.linspace(0, 1, 50)
    assert paired_loss_pvalue(0.5 * old, old) < 1e-6
    assert paired_loss_pvalue(0.5 * old, old, np.zeros(50)) == 0.5
    assert paired_loss_pvalue(np.full(50, 0.5), np.ones(50)) == 0.0


def test_differences_that_are_alike_but_for_rounding_leave_nothing_to_chance() -> None:
    assert paired_loss_pvalue([1.1] * 3, [3.0] * 3) == 0.0
    assert paired_loss_pvalue([3.0] * 3, [1.1] * 3) == 1.0


def test_different_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="3 and 2 images"):
        paired_loss_pvalue([1, 2, 3], [1, 2])


@settings(deadline=None)
@given(LOSSES)
def test_the_other_way_round_it_is_the_other_way_round(pairs: list[tuple[float, float]]) -> None:
    new, old = np.array(pairs).T
    forward, back = paired_loss_pvalue(new, old), paired_loss_pvalue(old, new)
    assert 0 <= forward <= 1
    assert forward + back >= 0.99
