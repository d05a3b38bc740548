"""Classical image features: histograms of oriented gradients and colour histograms.

Legend: `N` images of `H` x `W` pixels and `C` channels, `D` features.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.values import Rows

SIDE, CELL, ORIENTATIONS, LEVELS = 64, 8, 9, 4
_AT_ONCE = 128
_SMALL = 1e-5


def shallow_features(
    images_NHWC: NDArray[np.uint8], rows: Rows
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Gradient and colour features of some images, N x D, and the number of each kind."""
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        small = _resize_images(images_NHWC[rows[start : start + _AT_ONCE]])
        parts.append(np.concatenate([hog_features(small), colour_histograms(small)], axis=1))
    widths = (
        hog_features(_blank_image(images_NHWC)).shape[1],
        colour_histograms(_blank_image(images_NHWC)).shape[1],
    )
    nothing = np.zeros((0, sum(widths)), np.float32)
    return np.concatenate([nothing, *parts]), widths


def hog_features(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients: Dalal & Triggs 2005, sections 6.2 to 6.4.

    The channel with the largest gradient counts; 9 orientations of 0 to 180 degrees, each gradient
    split between the two nearest; cells of 8 pixels, overlapping blocks of 2 x 2 cells,
    L2-normalised, clipped at 0.2 and normalised again.
    """
    pixels = images_NHWC.astype(np.float32)
    down, across = np.zeros_like(pixels), np.zeros_like(pixels)
    down[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    across[:, :, 1:-1] = pixels[:, :, 2:] - pixels[:, :, :-2]
    steep = down**2 + across**2
    best = steep.argmax(axis=3)[..., None]
    down, across, steep = (
        np.take_along_axis(values, best, axis=3)[..., 0] for values in (down, across, steep)
    )
    length = np.sqrt(steep)
    turned = np.mod(np.arctan2(down, across), np.pi) * (ORIENTATIONS / np.pi) - 0.5
    lower = np.floor(turned)
    share = turned - lower
    cells = sum(
        _cell_histograms(length * weight, np.mod(bins, ORIENTATIONS).astype(np.int64))
        for bins, weight in ((lower, 1 - share), (lower + 1, share))
    )
    return _normalise_blocks(np.asarray(cells, np.float32))


def colour_histograms(images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Joint histogram of the channels with 4 levels each, as square roots of shares.

    Square roots make Euclidean distances Hellinger distances; grey images get 16 levels, and so
    does each channel by itself if there are more than three.
    """
    count, channels = len(images_NHWC), images_NHWC.shape[3]
    if channels > 3:
        return np.hstack([colour_histograms(images_NHWC[..., k : k + 1]) for k in range(channels)])
    levels = LEVELS if channels > 1 else LEVELS**2
    steps = (images_NHWC.astype(np.int64) * levels) >> 8
    numbers = np.zeros(steps.shape[:3], np.int64)
    for channel in range(channels):
        numbers = numbers * levels + steps[..., channel]
    bins = levels**channels
    owners = np.arange(count)[:, None] * bins + numbers.reshape(count, -1)
    found = np.bincount(owners.ravel(), minlength=count * bins).reshape(count, bins)
    return np.sqrt(found / max(1, numbers[0].size if count else 1)).astype(np.float32)


def _cell_histograms(
    weights_NHW: NDArray[np.float32], bins_NHW: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights summed by cell and orientation: N x cells x cells x orientations."""
    count, side = len(weights_NHW), weights_NHW.shape[1] // CELL
    cell = np.arange(weights_NHW.shape[1]) // CELL
    place = (np.arange(count)[:, None, None] * side + cell[:, None]) * side + cell
    numbers = place * ORIENTATIONS + bins_NHW
    sums = np.bincount(numbers.ravel(), weights_NHW.ravel(), count * side * side * ORIENTATIONS)
    return np.asarray(sums, np.float64).reshape(count, side, side, ORIENTATIONS)


def _normalise_blocks(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    corners = (cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:])
    blocks = np.concatenate(corners, axis=3)
    for cut in (0.2, np.inf):
        length = np.sqrt(np.square(blocks).sum(axis=3, keepdims=True) + _SMALL**2)
        blocks = np.minimum(blocks / length, cut)
    return blocks.reshape(len(cells), -1).astype(np.float32)


def _resize_images(images_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images at 64 x 64 pixels."""
    return np.stack([_resize_image(image) for image in images_NHWC])


def _resize_image(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One image at 64 x 64, its colours together or, for other channel counts, each by itself."""
    parts = [image_HWC] if image_HWC.shape[2] == 3 else np.moveaxis(image_HWC, 2, 0)
    small = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(part)).resize(
                (SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0
            )
        )
        for part in parts
    ]
    return np.dstack(small)


def _blank_image(images_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.zeros((1, SIDE, SIDE, images_NHWC.shape[3]), np.uint8)
