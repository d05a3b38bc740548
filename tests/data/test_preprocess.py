"""Centre and scale of the training images."""

import numpy as np
import pytest
from tests.data.odd_files import scene

from striate.data import preprocess
from striate.data.preprocess import fit_scaling
from striate.values import Cache


def cache_of(n: int, channels: int = 3) -> Cache:
    """A cache of scenes."""
    images = np.stack([scene(16, 16, seed=seed)[..., :channels] for seed in range(n)])
    return Cache(images=images, path="")


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_std_are_those_of_the_rows(channels: int) -> None:
    cache, rows = cache_of(10, channels), np.array([1, 4, 9])
    pixels = cache.images[rows] / 255
    mean, std = fit_scaling(cache, rows)
    assert mean == pytest.approx(pixels.mean((0, 1, 2)))
    assert std == pytest.approx(pixels.std((0, 1, 2)))


def test_flat_images_divide_by_no_zero() -> None:
    cache = Cache(images=np.full((3, 4, 4, 1), 7, np.uint8), path="")
    assert fit_scaling(cache, np.arange(3)) == (
        pytest.approx((7 / 255,)),
        pytest.approx((1 / 255,)),
    )


def test_large_sets_are_looked_at_in_evenly_spaced_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_of(40)
    whole = fit_scaling(cache, np.arange(40))
    monkeypatch.setattr(preprocess, "MOST_PIXELS", 10 * 16 * 16)
    part = fit_scaling(cache, np.arange(40))
    assert part == fit_scaling(cache, np.arange(40)[::-1])
    assert part != whole
    assert part[0] == pytest.approx(whole[0], abs=0.05)
