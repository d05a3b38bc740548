"""Features made by hand: an edge falls into its orientation, a colour into its level."""

import numpy as np
import pytest

from striate.probe.handmade_features import (
    ORIENTATIONS,
    SIDE,
    colour_histograms,
    hog_features,
    shallow_features,
)


def stripes(angle: float, channels: int = 3) -> np.ndarray:
    """One picture of waves whose gradient points along an angle in degrees."""
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    turned = np.deg2rad(angle)
    wave = np.sin((across * np.cos(turned) + down * np.sin(turned)) / 3) * 100 + 128
    return np.repeat(wave[None, ..., None], channels, axis=3).astype(np.uint8)


@pytest.mark.parametrize("angle", [10, 50, 90, 130, 170])
def test_an_edge_falls_into_its_orientation(angle: int) -> None:
    found = hog_features(stripes(angle)).reshape(-1, ORIENTATIONS).sum(axis=0)
    assert found.argmax() == angle // 20
    assert np.isclose(found.argmax() * 20 + 10, angle)


def test_blocks_have_length_one_and_flat_images_none() -> None:
    block = 4 * ORIENTATIONS
    lengths = np.linalg.norm(hog_features(stripes(30)).reshape(-1, block), axis=1)
    assert lengths == pytest.approx(np.ones(len(lengths)), abs=1e-3)
    assert not hog_features(np.full((1, SIDE, SIDE, 1), 70, np.uint8)).any()


def test_the_length_of_a_gradient_does_not_matter() -> None:
    strong, weak = stripes(40), (stripes(40) // 2).astype(np.uint8)
    assert hog_features(strong) == pytest.approx(hog_features(weak), abs=0.03)


def test_colours_are_shares_of_the_pixels() -> None:
    picture = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    picture[:, : SIDE // 4, :, 0] = 255  # a quarter red, the rest black
    found = np.square(colour_histograms(picture))
    assert found[0, 0] == pytest.approx(0.75)
    assert found[0, 3 * 16] == pytest.approx(0.25)
    assert found.sum() == pytest.approx(1)
    assert colour_histograms(picture[..., :1]).shape == (1, 16)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_become_as_many_features(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 40, channels), np.uint8)
    found, widths = shallow_features(images, np.array([4, 0]))
    assert found.shape == (2, sum(widths))
    assert widths[0] == 7 * 7 * 4 * ORIENTATIONS
    assert np.isfinite(found).all()
    assert (shallow_features(images, np.array([0]))[0] == found[1:]).all()
