"""Distances to the nearest images that were learnt from."""

import numpy as np
import pytest

from striate.probe.nearest_distances import nearest_cosine_distances, normalise_length


def test_the_third_nearest_counts() -> None:
    angles = np.deg2rad([0, 10, 20, 30])
    reference = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = nearest_cosine_distances(np.array([[5.0, 0.0]], np.float32), reference)
    assert found == pytest.approx([1 - np.cos(np.deg2rad(20))], abs=1e-6)


def test_ones_own_group_does_not_count() -> None:
    reference = normalise_length(np.array([[1, 0], [1, 0.01], [0, 1], [0, 1]], np.float32))
    owners = np.array([0, 0, 1, 2])
    alone = nearest_cosine_distances(reference, reference, owners, owners)
    # The first two have only the other groups' two; the third has two near 90 degrees.
    assert alone[:2] == pytest.approx([1, 1], abs=0.02)
    assert nearest_cosine_distances(reference, reference)[0] == pytest.approx(1, abs=0.02)


def test_with_few_or_none_left_it_is_as_far_as_is_known() -> None:
    one = normalise_length(np.array([[1, 0]], np.float32))
    assert nearest_cosine_distances(one, one).tolist() == [0.0]
    assert nearest_cosine_distances(one, one, np.zeros(1), np.zeros(1)).tolist() == [2.0]
    assert nearest_cosine_distances(np.zeros((1, 2), np.float32), one).tolist() == [1.0]
