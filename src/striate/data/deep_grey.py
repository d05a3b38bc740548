"""Grey of more than 8 bits, whole numbers or floats -> uint8, neither white nor black."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def grey_of_image(image: Image.Image) -> Pixels:
    """A loaded image of mode I, I;16 or F as uint8 H x W, by the bits and meaning it states.

    A level that is named see-through becomes white, as paper shows through.
    """
    tags = getattr(image, "tag_v2", {})
    levels = np.asarray(image)
    if levels.dtype == np.int32 and image.format == "TIFF" and 2 not in tags.get(339, (1,)):
        levels = levels.view(np.uint32)  # Pillow knows no whole numbers of 32 bits without sign.
    pixels = to_8_bit(levels, _stated_bits(tags))
    if tags.get(262) == 0:
        pixels = 255 - pixels  # "White is zero": Pillow minds it up to 8 bits only.
    key = image.info.get("transparency")
    return np.where(levels == key, np.uint8(255), pixels) if isinstance(key, int) else pixels


def to_8_bit(deep: NDArray[Any], stated_bits: int = 0) -> Pixels:
    """Grey levels of more than 8 bits as uint8, the same shape.

    Integers: the bits that the file states, else 8, 12 or 16, the fewest that hold the
    brightest pixel (cameras of 12 bits write 16-bit files, which else would be black).
    Floats in [0, 1] or [0, 255] keep their meaning; anything else is stretched to its range.
    What is not finite has the lowest level.
    """
    levels: NDArray[Any] = deep
    if deep.dtype.kind == "f":
        finite = np.isfinite(deep)
        low, high = _range(deep[finite])
        levels = np.where(finite, deep, min(low, high)).astype(np.float32)
        if low >= 0 and high <= 1:
            return _by_lines(lambda part: _rounded(part * 255), levels)
    else:
        low, high = _range(deep)
        bits = next((b for b in (8, 12, 16) if high < 1 << b), 0)
        bits = stated_bits if stated_bits and high < 1 << stated_bits else bits
        if low >= 0 and bits:
            shift = max(0, bits - 8)
            return _by_lines(lambda part: (part.astype(np.uint32) >> shift).astype(np.uint8), deep)
    if low >= 0 and high <= 255:
        return _by_lines(_rounded, levels)
    span = high - low or 1.0
    scale = 255 / span
    return _by_lines(lambda part: _rounded((part.astype(np.float64) - low) * scale), levels)


def _by_lines(turned: Callable[[NDArray[Any]], Pixels], levels: NDArray[Any]) -> Pixels:
    """What a function of single levels makes of them all, some lines at a time to save memory."""
    pixels = np.empty(levels.shape, np.uint8)
    lines = max(1, BAND_PIXELS // max(1, levels[:1].size))
    for top in range(0, len(levels), lines):
        pixels[top : top + lines] = turned(levels[top : top + lines])
    return pixels


def _rounded(levels: NDArray[Any]) -> Pixels:
    pixels: Pixels = np.rint(levels).astype(np.uint8)
    return pixels


def _range(levels: NDArray[Any]) -> tuple[float, float]:
    return (float(levels.min()), float(levels.max())) if levels.size else (0.0, 0.0)


def _stated_bits(tags: Any) -> int:
    """Significant bits a TIFF states: MaxSampleValue or BitsPerSample; 0 where it does not."""
    highest = tags.get(281, 0)
    highest = max(highest) if isinstance(highest, tuple) and highest else highest
    if isinstance(highest, int) and 255 < highest < 65535:
        return highest.bit_length()
    bits = tags.get(258, (0,))
    return int(bits[0]) if bits and 8 < bits[0] < 16 else 0


BAND_PIXELS = 1 << 22
