"""What is fitted on the training images before any network sees them: centre and scale."""

import numpy as np

from striate.values import Cache, Rows

MOST_PIXELS = 32_000_000
SMALLEST_STD = 1 / 255


def fit_scaling(cache: Cache, rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the rows' pixels, in units of 0..1.

    Exact up to 32 million pixels, then over evenly spaced rows of that many.
    """
    pixels = cache.size**2
    most = max(1, MOST_PIXELS // pixels)
    chosen = np.sort(rows)
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).round().astype(np.int64)]
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
