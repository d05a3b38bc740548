from itertools import pairwise

import numpy as np
import pytest
import torch

from striate.errors import UsageError
from striate.train.schedule import (
    CYCLE_WARMUP,
    PATIENCE,
    SCHEDULES,
    count_unfrozen_groups,
    lr_factor,
    planned_epochs,
    shorten_schedule,
    shorten_schedule_at_step,
)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_stay_between_zero_and_the_peak(name: str) -> None:
    shares = [lr_factor(name, step, 10, 8) for step in range(81)]
    assert min(shares) >= -1e-12
    assert max(shares) == pytest.approx(1, abs=0.1)


def test_one_cycle_rises_and_falls_straight_to_zero() -> None:
    peak = round(CYCLE_WARMUP * 1000)
    shares = [lr_factor("one-cycle", step, 100, 10) for step in range(1001)]
    assert shares.index(max(shares)) == peak
    assert shares[1000] == 0
    assert shares[(1000 + peak) // 2] == pytest.approx(0.5)


def test_cosine_halves_in_the_middle_and_ends_at_zero() -> None:
    assert lr_factor("cosine", 1000, 100, 10) == pytest.approx(0)
    assert lr_factor("cosine", 525, 100, 10) == pytest.approx(0.5)


def test_a_shortened_schedule_goes_on_where_it_was_and_ends_at_zero() -> None:
    cut = shorten_schedule("one-cycle", 4, 10)
    whole = [lr_factor("one-cycle", step, 100, 10) for step in range(401)]
    short = [lr_factor(cut, step, 100, 6) for step in range(601)]
    assert short[:401] == pytest.approx(whole)
    assert short[600] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(short[400:]))


def test_a_schedule_may_be_shortened_twice() -> None:
    twice = shorten_schedule(shorten_schedule("one-cycle", 4, 10), 5, 8)
    assert lr_factor(twice, 450, 100, 6) == pytest.approx(lr_factor("one-cycle 4/10", 450, 100, 8))
    assert lr_factor(twice, 600, 100, 6) == pytest.approx(0)


def test_a_schedule_may_be_shortened_at_a_step() -> None:
    cut = shorten_schedule_at_step("one-cycle", 430, 1000)
    whole = [lr_factor("one-cycle", step, 100, 10) for step in range(431)]
    short = [lr_factor(cut, step, 100, 5, last_step=460) for step in range(461)]
    assert short[:431] == pytest.approx(whole)
    assert short[460] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(short[430:]))
    assert [planned_epochs(cut, 5, 100, epoch) for epoch in (1, 5, 6)] == [10, 10, 5]


@pytest.mark.parametrize("name", ["sinus", "one-cycle 3", "one-cycle 3/x", "one-cycle steps:3", ""])
def test_unknown_schedules_are_refused(name: str) -> None:
    with pytest.raises((UsageError, ValueError)):
        lr_factor(name, 0, 10, 10)


def test_step_decay_falls_to_a_tenth_twice() -> None:
    shares = [lr_factor("step", step, 10, 8) for step in range(81)]
    assert (shares[39], shares[40], shares[60]) == (1.0, 0.1, 0.01)


def test_linear_falls_evenly_after_its_warm_up() -> None:
    assert lr_factor("linear", 525, 100, 10) == pytest.approx(0.5)
    assert lr_factor("linear", 25, 100, 10) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_plateau_is_torchs(seed: int) -> None:
    losses = [float(x) for x in np.random.default_rng(seed).random(40)]
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=PATIENCE, eps=0)
    for number, loss in enumerate(losses):
        assert lr_factor("plateau", 0, 1, 99, losses[:number]) == pytest.approx(
            optimizer.param_groups[0]["lr"]
        )
        reference.step(loss)


@pytest.mark.parametrize(
    ("epochs", "groups", "learning"),
    [
        (8, 9, [1, 3, 5, 7, 9, 9, 9, 9]),
        (4, 4, [1, 3, 4, 4]),
        (2, 9, [1, 9]),
        (1, 9, [1]),
        (20, 3, [1, 2, 2, 2, 2, 2, *[3] * 14]),
    ],
)
def test_layers_wake_from_the_head_down_and_all_in_the_second_half(
    epochs: int, groups: int, learning: list[int]
) -> None:
    assert [
        count_unfrozen_groups(epoch, epochs, groups) for epoch in range(1, epochs + 1)
    ] == learning
