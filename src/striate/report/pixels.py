"""Arrays -> pictures inside the page: data URIs, small and the same on every machine."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALL_IMAGE_SIDE = 64


def image_data_uri(image: NDArray[np.uint8], longest: int = 160) -> str:
    """The picture as a data URI, at most `longest` pixels wide and high.

    `image` is uint8 H x W or H x W x C. Two channels show the first, more than three the first
    three as red, green and blue: the page says so. Small pictures are kept to the pixel as PNG
    (the page shows them enlarged, with square pixels); larger ones become WebP.
    """
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[..., 0] if image.shape[2] < 3 else np.ascontiguousarray(image[..., :3])
    picture = Image.fromarray(image)
    if max(picture.size) <= SMALL_IMAGE_SIDE:
        return _encode_image(picture, "PNG", optimize=True)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _encode_image(picture, "WEBP", quality=82, method=4)


def _encode_image(picture: Image.Image, kind: str, **settings: int | bool) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{code}"
