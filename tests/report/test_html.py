"""Pictures inside the page: small, and kept to the pixel where they are small already."""

import base64
import io

import numpy as np
from PIL import Image

from striate.report.html import image_data_uri


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_small_pictures_keep_every_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    uri = image_data_uri(image)
    assert uri.startswith("data:image/png;base64,")
    assert (np.asarray(decoded(uri)) == image).all()


def test_grey_pictures_with_and_without_a_channel_are_alike() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    assert image_data_uri(image) == image_data_uri(image[..., None])


def test_large_pictures_become_thumbnails() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    uri = image_data_uri(image, longest=100)
    assert uri.startswith("data:image/webp;base64,")
    assert decoded(uri).size == (67, 100)


def test_other_numbers_of_channels_show_the_first_three_or_the_first() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 7), np.uint8)
    for channels in (4, 5, 7):
        assert image_data_uri(image[..., :channels]) == image_data_uri(image[..., :3])
    assert image_data_uri(image[..., :2]) == image_data_uri(image[..., 0])
