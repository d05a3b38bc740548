import math

import numpy as np
import pytest
from tests.train.made_training import MACHINE, MEAN, STD, network, plan, stripes

from striate.learn.finetune.lr_range_test import (
    run_lr_range_test,
    smooth_losses,
    smooth_over_rates,
    steepest_rate,
)
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
    assert math.log10(steepest_rate(rates, losses)) == pytest.approx(-2, abs=0.05)


RATES = [1e-3 * 10 ** (5 * k / 99) for k in range(100)]


def noisy_losses(seed: int) -> list[float]:
    """A loss that falls around 0.1, is least at 0.6 and explodes at 2, with a batch's noise."""
    draw = np.random.default_rng(seed)
    places = np.log10(RATES)
    fall = 2.3 - 1.5 / (1 + np.exp(-6 * (places + 1)))
    rise = np.exp(np.minimum(5, 9 * (places - 0.2)))
    losses = (fall + rise) * np.exp(draw.normal(0, 0.12, len(RATES)))
    return [float(loss) for loss in losses[: int(np.argmax(places > 0.35))]]


def test_the_chosen_rate_hardly_depends_on_the_noise_of_the_batches() -> None:
    chosen = [math.log10(steepest_rate(RATES, noisy_losses(seed))) for seed in range(40)]
    assert np.std(chosen) < 0.1, "decades"
    assert np.median(chosen) == pytest.approx(-1, abs=0.15)


def test_the_chosen_rate_is_well_below_the_one_with_the_least_loss() -> None:
    for seed in range(40):
        losses = noisy_losses(seed)
        levels, _ = smooth_over_rates(RATES[: len(losses)], losses)
        assert steepest_rate(RATES, losses) <= RATES[int(levels.argmin())] / 3


def test_a_loss_that_never_falls_gives_the_first_rate() -> None:
    rates = [1.1**k for k in range(20)]
    assert steepest_rate(rates, [1.0 + 0.01 * k for k in range(20)]) == 1.0


def test_the_average_begins_at_the_first_loss() -> None:
    assert smooth_losses([3.0, 3.0, 3.0]) == pytest.approx([3.0, 3.0, 3.0])
