"""Squares of any size: what Pillow makes, within a level."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.data.odd_files import scene

from striate.data.formats.resize import resize_image


def pillow(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The oracle."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return small.reshape(size, size, -1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 8, 31, 64, 100])
@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (9, 200), (1, 1), (2, 300), (64, 64)])
def test_squash_as_pillow_does(shape: tuple[int, int], size: int, channels: int) -> None:
    pixels = np.ascontiguousarray(scene(*shape)[..., :channels])
    assert np.abs(resize_image(pixels, size).astype(int) - pillow(pixels, size)).max() <= 1


def test_turned_and_read_only_pixels() -> None:
    pixels = scene(48, 64)
    pixels.setflags(write=False)
    expected = resize_image(np.ascontiguousarray(pixels.swapaxes(0, 1)[::-1]), 20)
    assert np.array_equal(resize_image(pixels.swapaxes(0, 1)[::-1], 20), expected)


def test_crop_takes_the_middle() -> None:
    pixels = scene(40, 80)
    assert np.array_equal(resize_image(pixels, 40, "crop"), pixels[:, 20:60])
    assert np.array_equal(
        resize_image(pixels, 16, "crop"), resize_image(pixels[:, 20:60].copy(), 16)
    )


def test_pad_lays_it_on_white() -> None:
    padded = resize_image(scene(40, 80), 80, "pad")
    assert (padded[:20] == 255).all()
    assert (padded[60:] == 255).all()
    assert np.array_equal(padded[20:60], scene(40, 80))


def test_the_same_pixels_whatever_the_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    pictures = [scene(200, 300, seed=n) for n in range(16)]
    alone = [resize_image(picture, 64) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: resize_image(picture, 64), pictures))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
