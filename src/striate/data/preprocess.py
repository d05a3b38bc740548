"""What is fitted on the training images before any network sees them: centre and scale.

By channel here; whole images, pixel by pixel or whitened, in `whole_images.py`.
"""

import numpy as np

from striate.values import Cache, Rows

MOST_PIXELS = 32_000_000
SMALLEST_STD = 1 / 255


def channel_scaling(
    kind: str, cache: Cache, rows: Rows
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a kind of preprocessing takes from each channel and divides it by, in units of 0..1.

    Nothing and 1 for those that look at whole images: they begin at images of 0..1.
    """
    nothing, one = (0.0,) * cache.channels, (1.0,) * cache.channels
    if kind not in ("normalise", "centre"):
        return nothing, one
    mean, std = fit_scaling(cache, rows)
    return mean, (std if kind == "normalise" else one)


def evenly_spaced(rows: Rows, most: int) -> Rows:
    """The rows ascending; of more than `most` that many, evenly spaced."""
    rows = np.sort(rows)
    if len(rows) <= most:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)])


def fit_scaling(cache: Cache, rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the rows' pixels, in units of 0..1.

    Exact up to 32 million pixels, then over evenly spaced rows of that many.
    """
    chosen = evenly_spaced(rows, max(1, MOST_PIXELS // cache.size**2))
    counts = np.zeros((cache.channels, 256), np.int64)
    for start in range(0, len(chosen), 256):
        block = cache.images[chosen[start : start + 256]]
        for channel in range(cache.channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    total = max(1, int(counts[0].sum()))
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    # A set of equal pixels has no scale: one grey level, so that nothing is divided by zero.
    std = np.sqrt(np.maximum(variance, SMALLEST_STD**2))
    return tuple(float(m) for m in mean), tuple(float(s) for s in std)
