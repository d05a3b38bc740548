"""One model against another on the same images, by their losses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.metrics.paired_tests import paired_loss_pvalue

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
