"""Which epoch is kept of those held, which is given up, and when a training has seen enough."""

from dataclasses import replace

import numpy as np
import pytest

from striate.metrics.curve_smoothing import find_best_epoch
from striate.train import best_epoch
from striate.train.best_epoch import HELD, choose_kept_epoch, should_stop_early, worst_held_epoch
from striate.train.schedule import SCHEDULES, falls_to_zero
from striate.values import Epoch


def epochs(losses: np.ndarray | list[float]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            epoch=number + 1,
            step=number + 1,
            lr=0.1,
            train_loss=1.0,
            train_accuracy=0.5,
            val_loss=float(loss),
            val_accuracy=0.5,
            seconds=1.0,
            pictures_per_second=100.0,
        )
        for number, loss in enumerate(losses)
    )


def noisy(curve: np.ndarray, deviation: float = 0.02, seed: int = 0) -> np.ndarray:
    return curve + np.random.default_rng(seed).normal(0, deviation, len(curve))


def falling(count: int = 40) -> np.ndarray:
    return 0.4 + 2 * np.exp(-np.arange(count) / (count / 8))


def rising(count: int = 40) -> np.ndarray:
    return falling(count) + 0.02 * np.maximum(0, np.arange(count) - count // 2)


def after_all(losses: np.ndarray) -> int:
    """The kept epoch of a training that holds only a few epochs' weights."""
    held: set[int] = {0}
    seen = epochs(losses)
    for number in range(1, len(seen) + 1):
        held.add(number)
        if 0 in held or len(held) > HELD:
            held.discard(worst_held_epoch(seen[:number], held))
        assert 0 < len(held) <= HELD
        assert number in held
    return choose_kept_epoch(seen, held)


def test_few_held_epochs_keep_nearly_what_all_would() -> None:
    lost = []
    for seed in range(6):
        true = rising() if seed % 2 else falling()
        seen = noisy(true, seed=seed)
        lost.append(true[after_all(seen) - 1] - true[find_best_epoch(seen).place])
    assert np.mean(lost) < 0.005


def test_one_lucky_epoch_is_not_kept() -> None:
    losses = noisy(falling(), 0.005)
    losses[12] -= 0.1
    assert np.argmin(losses[:20]) == 12 or losses[12] < losses[11] - 0.05
    assert after_all(losses) > 30


def test_ties_go_to_the_earlier_of_those_held() -> None:
    assert choose_kept_epoch(epochs([0.5] * 6), [2, 4, 6]) == 2


def test_without_validation_images_the_latest_is_kept() -> None:
    blind = epochs([float("nan")] * 3)
    assert choose_kept_epoch(blind, [1, 2, 3]) == 3
    assert worst_held_epoch(blind, [1, 2, 3]) == 1


def test_before_any_epoch_there_are_the_first_weights() -> None:
    assert choose_kept_epoch((), [0]) == 0
    assert worst_held_epoch(epochs([0.5]), [0, 1]) == 0


def test_long_trainings_are_looked_at_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_epoch, "LONG", 24)
    seen = noisy(rising(60), 0.01)
    assert worst_held_epoch(epochs(seen), [2, 28, 31, 60]) == 2


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
def test_a_loss_that_rises_ends_a_training_that_does_not_end_itself(schedule: str) -> None:
    seen = epochs(noisy(rising()))
    ends = [n for n in range(1, 41) if should_stop_early("auto", schedule, seen[:n])]
    assert ends
    assert min(ends) > 22
    assert not any(should_stop_early("never", schedule, seen[:n]) for n in ends)
    falls = epochs(noisy(falling()))
    assert not any(should_stop_early("always", schedule, falls[:n]) for n in range(1, 41))


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "linear", "one-cycle 2/8"])
def test_rates_that_fall_to_zero_are_let_fall(schedule: str) -> None:
    seen = epochs(noisy(rising()))
    assert not should_stop_early("auto", schedule, seen)
    assert should_stop_early("always", schedule, seen)


def test_every_schedule_is_known_to_end_or_not() -> None:
    ending = {name for name in SCHEDULES if falls_to_zero(name)}
    assert ending == {"one-cycle", "cosine", "linear"}


def test_a_lucky_epoch_alone_ends_nothing() -> None:
    losses = noisy(falling(), 0.01)
    losses[10] = 0.3
    assert not any(
        should_stop_early("always", "constant", epochs(losses[:n])) for n in range(1, 41)
    )
    assert not should_stop_early(
        "always", "constant", (replace(epochs([0.4])[0], val_loss=np.nan),)
    )
