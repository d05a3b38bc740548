"""Mirroring is asked about where no features were computed, by some images alone."""

from typing import Any

import numpy as np
from tests.train import made_training

from striate.learn.flipping import flips_of_some
from striate.values import FlipGain, Index

CACHE, LABELS = made_training.stripes(60)


class _Index(Index):
    def labels(self) -> Any:
        return LABELS


def gain(seconds: float) -> FlipGain | None:
    index = _Index(root="", name="", kind="", classes=made_training.CLASSES, examples=())
    train, val, groups = np.arange(45), np.arange(45, 60), np.arange(60)
    return flips_of_some(index, CACHE, train, val, groups, made_training.MACHINE, seconds, 0)


def test_all_of_a_small_set_is_asked() -> None:
    found = gain(60.0)
    assert found is not None
    assert found.n == 60
    assert found == gain(60.0)


def test_nothing_is_said_where_the_time_holds_too_few_images() -> None:
    assert gain(0.01) is None
