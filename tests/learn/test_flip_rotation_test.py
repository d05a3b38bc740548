"""Copies are asked about by some images alone, turned as a training turns them."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.train import made_training

from striate.learn.flip_rotation_test import (
    AugmentationGains,
    flip_images,
    measure_augmentation_on_sample,
    rotate_randomly,
)
from striate.values import Index

CACHE, LABELS = made_training.stripes(60)


class _Index(Index):
    def labels(self) -> Any:
        return LABELS


def gain(seconds: float) -> AugmentationGains | None:
    index = _Index(root="", name="", kind="", classes=made_training.CLASSES, examples=())
    train, val, groups = np.arange(45), np.arange(45, 60), np.arange(60)
    return measure_augmentation_on_sample(
        index, CACHE, train, val, groups, made_training.MACHINE, seconds, 0
    )


def test_all_of_a_small_set_is_asked() -> None:
    found = gain(60.0)
    assert found is not None
    assert found.flips.n == found.rotations.n == 60
    assert found == gain(60.0)


def test_nothing_is_said_where_the_time_holds_too_few_images() -> None:
    assert gain(0.01) is None


def test_mirrored_twice_is_the_image() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    assert (flip_images(flip_images(images)) == images).all()
    assert (flip_images(images)[:, :, 0] == images[:, :, -1]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_turned_about_its_middle_by_its_own_angle(channels: int) -> None:
    images = np.zeros((300, 33, 33, channels), np.uint8)
    images[:, 14:19, 14:19] = 255
    images[:, 16, 19:30] = 200
    found = rotate_randomly(images, torch.Generator().manual_seed(0))
    assert found.shape == images.shape
    assert found.dtype == np.uint8
    assert (found[:, 16, 16] == 255).all()
    assert len(np.unique(found.reshape(300, -1), axis=0)) > 290
    same = rotate_randomly(images, torch.Generator().manual_seed(0))
    assert (same == found).all()
