import math

import numpy as np
import pytest
from tests.train.made_training import MACHINE, MEAN, STD, network, plan, stripes

from striate.learn.finetune.lr_range_test import run_lr_range_test, smooth_losses, steepest_rate
from striate.values import Plan, RateSearch

CACHE, LABELS = stripes()


def search(of: Plan) -> RateSearch:
    return run_lr_range_test(
        network(of), of, CACHE, np.arange(90), MACHINE, labels=LABELS, mean=MEAN, std=STD, steps=40
    )


def test_the_rate_grows_by_equal_factors_until_the_loss_explodes() -> None:
    found = search(plan(learning_rate=1.0, dropout=0.0))
    factors = np.diff(np.log(found.rates))
    assert factors == pytest.approx(np.full(len(factors), math.log(1e5) / 39))
    assert len(found.losses) == len(found.rates)
    assert all(math.isfinite(loss) for loss in found.losses)
    assert 1e-3 <= found.chosen <= 100


def test_same_plan_same_curve() -> None:
    assert search(plan()) == search(plan())


def test_the_chosen_rate_is_where_the_loss_falls_fastest() -> None:
    rates = [10 ** (-4 + k / 50) for k in range(300)]
    losses = [2 - 1.5 / (1 + math.exp(-6 * math.log10(rate / 0.01))) for rate in rates]
    lag = 0.5  # in decades: the average follows some steps behind
    assert 0.01 <= steepest_rate(rates, losses) <= 0.01 * 10**lag


def test_a_loss_that_never_falls_gives_the_first_rate() -> None:
    rates = [1.1**k for k in range(20)]
    assert steepest_rate(rates, [1.0 + 0.01 * k for k in range(20)]) == 1.0


def test_the_average_begins_at_the_first_loss() -> None:
    assert smooth_losses([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
