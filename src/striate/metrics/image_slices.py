"""Accuracy by kind of image: slices by measurable properties, and by the source's groups.

Legend: `N` evaluated images. A slice is the lowest or the highest quarter of a property, or a
group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.metrics.score import hypergeometric_pvalue
from striate.values import Example, Interval, Rows

Floats = NDArray[np.float64]
SLICES = ("dark", "bright", "flat", "harsh", "blurred", "detailed", "small", "large")
LEAST = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSlice:
    """The images of one slice, and the accuracy on them and on all others."""

    name: str
    inside: NDArray[np.bool_]
    accuracy: Interval
    others: Interval


def image_properties(images_NHWC: NDArray[np.uint8], examples: list[Example]) -> dict[str, Floats]:
    """Brightness, contrast, sharpness and size of every image.

    Sharpness is the mean absolute Laplacian over the spread of the pixels: of two images of equal
    contrast the blurred one has less.
    """
    found = np.array([_measure_image(image) for image in images_NHWC]).reshape(-1, 3)
    sizes = np.sqrt([float(e.width * e.height) for e in examples])
    return {
        "brightness": found[:, 0],
        "contrast": found[:, 1],
        "sharpness": found[:, 2],
        "size": np.asarray(sizes, np.float64),
    }


def join_properties(parts: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    """The properties of several blocks of images, concatenated."""
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def property_slices(
    measured: dict[str, Floats],
    right: NDArray[np.bool_],
    groups: Rows,
    *,
    seed: int = 0,
    folds: int = 0,
    level: float = 0.95,
) -> tuple[ImageSlice, ...]:
    """The outer quarters of each property, in the order of `SLICES`, with intervals at `level`.

    Properties with one value for more than half of the images are skipped, and so are slices of
    fewer than 10 images.
    """
    found = []
    for place, values in enumerate(measured.values()):
        low, high = np.quantile(values, (0.25, 0.75)) if len(values) else (0.0, 0.0)
        for k, inside in enumerate((values < low, values > high)):
            if low < high and inside.sum() >= LEAST:
                found.append(
                    ImageSlice(
                        name=SLICES[2 * place + k],
                        inside=inside,
                        accuracy=intervals.accuracy_interval(
                            right[inside], groups[inside], seed, level, folds=folds
                        ),
                        others=intervals.accuracy_interval(
                            right[~inside], groups[~inside], seed, level, folds=folds
                        ),
                    )
                )
    return tuple(found)


def group_slices(
    right: NDArray[np.bool_],
    names: Sequence[str],
    groups: Rows,
    *,
    seed: int = 0,
    folds: int = 0,
    level: float = 0.95,
    most: int | None = None,
) -> tuple[ImageSlice, ...]:
    """The named groups of at least 10 images, the least accurate first.

    `names` N are the source's own, empty for images without one; at most `most` are returned. An
    interval is for more images of this very group, assumed independent; none if there are fewer
    than two groups.
    """
    named = np.array(names, object)
    found = []
    for name, _, _ in _count_groups(right, names)[:most]:
        inside = np.asarray(named == name, np.bool_)
        found.append(
            ImageSlice(
                name=name,
                inside=inside,
                accuracy=intervals.accuracy_interval(right[inside], None, seed, level, folds),
                others=intervals.accuracy_interval(
                    right[~inside], groups[~inside], seed, level, folds
                ),
            )
        )
    return tuple(found)


def _count_groups(right: NDArray[np.bool_], names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Name, correct images and images of each group, the least accurate first."""
    kinds, owner = np.unique(np.array(names, str), return_inverse=True)
    hits = np.bincount(owner, right, len(kinds)).astype(int)
    sizes = np.bincount(owner, minlength=len(kinds))
    found = [
        (str(name), int(k), int(n))
        for name, k, n in zip(kinds, hits, sizes, strict=True)
        if name and n >= LEAST
    ]
    return sorted(found, key=lambda one: one[1] / one[2]) if len(found) > 1 else []


def find_weak_slices(tried: Sequence[ImageSlice]) -> tuple[ImageSlice, ...]:
    """The slices significantly worse than all other images by their intervals."""
    return tuple(
        one for one in tried if intervals.share_difference(one.others, one.accuracy).low > 0
    )


def find_weak_groups(
    right: NDArray[np.bool_], names: Sequence[str], error: float
) -> tuple[tuple[str, ...], int]:
    """The significantly worse groups, worst first, and how many groups were tested.

    One-sided Fisher's exact test against all other images, at `error` divided by the number of
    groups (Bonferroni), which bounds the chance of any false alarm. It is valid for small groups,
    where intervals at such levels are not. The images of a group are assumed independent, so it
    shows that these very groups are worse, not why.
    """
    tried = _count_groups(right, names)
    all_right, total = int(right.sum()), len(right)
    found = tuple(
        name
        for name, k, n in tried
        if hypergeometric_pvalue(k, n, all_right, total) <= error / len(tried)
    )
    return found, len(tried)


def _measure_image(image_HWC: NDArray[np.uint8]) -> tuple[float, float, float]:
    grey = image_HWC.astype(np.float32).mean(axis=2)
    spread = float(grey.std())
    bend = (
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    sharp = float(np.abs(bend).mean()) / spread if spread > 0 and bend.size else 0.0
    return float(grey.mean()), spread, sharp
