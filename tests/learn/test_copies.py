"""Mirrored copies help where the side says nothing, and are refused where it is the class."""

import numpy as np
import pytest

from striate.learn.flip_rotation_test import augmentation_gain
from striate.values import Rows


def sided(n: int = 400, chiral: bool = True) -> tuple[np.ndarray, np.ndarray, Rows]:
    """Features of two classes and of their mirror images: two numbers, left and right.

    Where a class is told by its side, mirroring turns one class into the other; where not,
    each class is seen from one side alone in training, and mirroring shows the other.
    """
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.int64)
    left_right = np.zeros((n, 2))
    if chiral:
        left_right[labels == 0, 0] = 2
        left_right[labels == 1, 1] = 2
    else:
        side = np.where(np.arange(n) < n // 2, 0, rng.integers(0, 2, n))
        left_right[np.arange(n), side] = np.where(labels == 0, 2.0, -2.0)
    left_right += rng.normal(0, 1.0, (n, 2))
    plain = left_right.astype(np.float32)
    return plain, plain[:, ::-1].copy(), labels


@pytest.mark.parametrize("chiral", [True, False])
def test_flips_are_refused_where_the_side_tells_the_class(chiral: bool) -> None:
    plain, mirrored, labels = sided(chiral=chiral)
    train, val = np.arange(200), np.arange(200, 400)
    assert augmentation_gain(plain, mirrored, labels, train, val).helps is not chiral


def test_flips_that_change_nothing_are_refused() -> None:
    plain, _, labels = sided()
    found = augmentation_gain(plain, plain, labels, np.arange(200), np.arange(200, 400))
    assert not found.helps
    assert found.n == 400
    assert found.right_plain > 200
