"""The array form of images: size, channels, resizing to a square, alpha."""

import statistics
from collections import Counter
from dataclasses import dataclass

from striate.data.formats.decode import ALPHA_CHANNELS
from striate.data.formats.header import ARRAY, CHANNELS_SUFFIX, GREY_MODES
from striate.data.formats.resize import Resize
from striate.values import Index

LARGEST_SIDE = 224
SMALL_SIDE = 64
MOST_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class ImageForm:
    """How an image is converted to an array."""

    size: int
    channels: int
    resize: Resize
    alpha: bool


def image_form(index: Index, channels: int | None = None, resize: Resize = "squash") -> ImageForm:
    """The form of the cached images of an index; `channels` as in the images unless given."""
    channels = channels or working_channels(index)
    return ImageForm(working_size(index, channels), channels, resize, keeps_alpha(index, channels))


def working_size(index: Index, channels: int | None = None) -> int:
    """Side of the cached images: that of small images, at most 224 pixels.

    Up to 64 pixels the most frequent longer side, above that the median; smaller if all images
    together would take more than 8 GiB.
    """
    rows = max(1, len(index.examples))
    bound = int((MOST_BYTES / (rows * (channels or working_channels(index)))) ** 0.5)
    return min(preferred_size(index), max(32, bound - bound % 8))


def working_channels(index: Index) -> int:
    """1 if all images in use are grey, 3 for colour; for arrays with more, the majority.

    Images with another number of channels are excluded then.
    """
    modes = Counter(example.mode for example in index.examples if example.status == "used")
    many = {mode: count for mode, count in modes.items() if mode.endswith(CHANNELS_SUFFIX)}
    if many:
        return int(max(many, key=lambda mode: (many[mode], mode)).removesuffix(CHANNELS_SUFFIX))
    return 1 if all(mode in GREY_MODES for mode in modes) else 3


def keeps_alpha(index: Index, channels: int) -> bool:
    """Whether the last of 2 or 4 channels is alpha: so it is of files, of arrays nobody knows."""
    used = (example for example in index.examples if example.status == "used")
    return channels in ALPHA_CHANNELS and any(example.format != ARRAY for example in used)


def preferred_size(index: Index) -> int:
    """Side of the cached images without the memory limit."""
    sides = [max(e.width, e.height) for e in index.examples if e.status == "used"]
    if not sides:
        return SMALL_SIDE
    median = statistics.median_low(sides)
    if median > SMALL_SIDE:
        return min(LARGEST_SIDE, median)
    counts = Counter(side for side in sides if side <= SMALL_SIDE)
    return max(counts, key=lambda side: (counts[side], side))
