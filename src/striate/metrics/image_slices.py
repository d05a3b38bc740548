"""Where a model is worse: kinds of images by what can be measured of them without the model.

Legend: `N` judged images. A slice is the lowest or the highest quarter of a property, or a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.metrics.paired_tests import hypergeometric_pvalue
from striate.values import Example, Interval, Rows

Floats = NDArray[np.float64]
SLICES = ("dark", "bright", "flat", "harsh", "blurred", "detailed", "small", "large")
LEAST = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSlice:
    """The images of one kind, and how often a model is right on them and on all others."""

    name: str
    inside: NDArray[np.bool_]
    accuracy: Interval
    others: Interval


def image_properties(images_NHWC: NDArray[np.uint8], examples: list[Example]) -> dict[str, Floats]:
    """Brightness, contrast, sharpness and size of every image.

    Sharpness is the mean size of the Laplacian over the spread of the pixels: of two images
    alike in contrast the blurred one has less.
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
    """What `properties` told of several blocks of images, as of one."""
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

    Where a property has one value for more than half of the images its quarters mean nothing
    and are left out, and so are slices of fewer than 10 images.
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
    """The named groups of at least 10 images, the one that is least often right first.

    `names` N are the source's own, empty where an image has none; at most `most` are given. An
    interval is for more images of this very group, which are taken for independent; none where
    fewer than two groups can be told apart.
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
    """Name, images right and images of the groups that can be judged, the worst first."""
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
    """The slices that lie below all other images by more than their intervals explain."""
    return tuple(
        one for one in tried if intervals.share_difference(one.others, one.accuracy).low > 0
    )


def find_weak_groups(
    right: NDArray[np.bool_], names: Sequence[str], error: float
) -> tuple[tuple[str, ...], int]:
    """The groups with fewer right answers than chance gives, and how many groups were tried.

    By Fisher's exact test against all other images, one-sided, at `error` over the number of
    groups tried (Bonferroni): a false alarm from any of them comes at most so often. It holds
    for small groups, where intervals at such levels do not. The images of a group are taken for
    independent, so it says of these very groups that they are worse, not why. Worst first.
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
