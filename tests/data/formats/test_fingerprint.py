"""Hashes of pixels: any change shows, also those that weak sums miss."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.odd_files import scene

from striate.data.formats.resize import hash_pixels


def test_equal_pixels_have_equal_hashes_wherever_they_lie() -> None:
    picture = scene()
    assert hash_pixels(picture) == hash_pixels(picture.copy())
    assert hash_pixels(picture[::-1][::-1]) == hash_pixels(picture)
    assert hash_pixels(np.asfortranarray(picture)) == hash_pixels(picture)
    assert len(hash_pixels(picture)) == 32


def test_the_hash_is_the_same_on_every_machine_for_good() -> None:
    ramp = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    assert hash_pixels(ramp) == "53544d3e1657bc6cd7e441dd2e8b80f1"


@given(
    st.lists(st.tuples(st.integers(0, 999), st.integers(1, 255)), min_size=1, max_size=4),
    st.integers(0, 5),
)
def test_any_change_shows(changes: list[tuple[int, int]], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (25, 40, 1), dtype=np.uint8)
    other = picture.copy().reshape(-1)
    for place, by in changes:
        other[place] = (int(other[place]) + by) % 256
    other = other.reshape(picture.shape)
    assert (hash_pixels(picture) == hash_pixels(other)) == np.array_equal(picture, other)


def test_binary_pictures_that_differ_in_two_pixels_of_one_column() -> None:
    pictures = []
    for one in range(63):
        picture = np.zeros((64, 64, 1), np.uint8)
        picture[[one, one + 1], 63] = 128
        pictures.append(picture)
    assert len({hash_pixels(picture) for picture in pictures}) == 63


def test_shapes_count() -> None:
    sides = (1, 2, 3, 4, 6, 12)
    pictures = [np.zeros((side, 12 // side, 1), np.uint8) for side in sides]
    assert all(hash_pixels(a) != hash_pixels(b) for a, b in pairwise(pictures))


@pytest.mark.parametrize("pixels", [1, 3, 4, 5, 200_003])
def test_the_last_pixel_counts(pixels: int) -> None:
    picture = np.zeros((1, pixels, 1), np.uint8)
    other = picture.copy()
    other[0, -1, 0] = 1
    assert hash_pixels(picture) != hash_pixels(other)
