"""The arithmetic of time, by hand."""

import pytest

from striate.strategy.budget import (
    choose_feature_size,
    epoch_seconds,
    epochs_within,
    training_seconds,
    trial_seconds,
)


def test_training_leaves_time_for_the_report():
    assert training_seconds(100) == pytest.approx(100 - 8 - 10)
    assert training_seconds(100, judge_seconds=5) == pytest.approx(77)
    assert training_seconds(5) == 0
    assert training_seconds(-30) == 0


def test_a_trial_is_a_small_share():
    assert trial_seconds(2, 100) == pytest.approx(0.12 * 120)
    assert trial_seconds(60, 100) == pytest.approx(0.25 * 82)
    assert trial_seconds(2, 0) == 0


def test_an_epoch_looks_at_validation_too():
    assert epoch_seconds(3000, 1000) == pytest.approx(3)
    assert epoch_seconds(3000, 1000, 600) == pytest.approx(3.2)
    assert epoch_seconds(3000, 1000, 600, 600) == pytest.approx(4)


def test_whole_epochs():
    assert epochs_within(10, 3, most=100) == 3
    assert epochs_within(9, 3, most=100) == 3
    assert epochs_within(10, 3, most=2) == 2
    assert epochs_within(1, 3, most=100) == 0
    assert epochs_within(0, 3, most=100) == 0


@pytest.mark.parametrize(
    ("images", "image_size", "seconds", "size"),
    [
        (1000, 224, 60, 224),
        (5000, 224, 10, 192),
        (60_000, 224, 60, 128),
        (10**6, 224, 60, 96),
        (1000, 28, 60, 96),
        (1000, 32, 60, 128),
        (1000, 40, 60, 160),
        (1000, 64, 60, 224),
        (1000, 8, 60, 96),
    ],
)
def test_the_input_is_as_large_as_time_and_image_allow(
    images: int, image_size: int, seconds: float, size: int
):
    assert choose_feature_size(images, image_size, 448, seconds) == size


def test_a_net_with_a_small_input_keeps_it():
    assert choose_feature_size(1000, 224, 448, 60, usual_size=64) == 64
