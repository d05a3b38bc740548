"""`X` as Python code gives it -> pictures: paths, PIL images, arrays, or rows of numbers."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import issparse
from sklearn.utils import check_array

from striate.errors import UsageError


def listed(X: Any, owner: str) -> Sequence[Any]:
    """The pictures of anything but rows of numbers; an array of all is checked as a whole."""
    if isinstance(X, str | bytes | os.PathLike | Image.Image):
        raise UsageError(
            f"X is a single {type(X).__name__}, not a list of images.", "Give a list: [X]"
        )
    if hasattr(X, "iloc"):
        X = X.to_numpy()
    if isinstance(X, list | tuple) and not any(isinstance(x, list | tuple) for x in X):
        pictures: Sequence[Any] = X
    else:
        pictures = _of_array(X if issparse(X) else np.asarray(X), owner)
    if not len(pictures):
        raise UsageError(
            f"Found array with 0 sample(s) while a minimum of 1 is required by {owner}.",
            "Give images in X.",
        )
    return pictures


def _of_array(X: Any, owner: str) -> Sequence[Any]:
    if X.dtype.kind in "OUT":
        column = X.reshape(len(X)) if X.ndim == 2 and X.shape[1] == 1 else X
        if column.ndim == 1:
            return list(column)
    checked_X = check_array(X, allow_nd=True, ensure_2d=False, estimator=owner, input_name="X")
    if checked_X.ndim not in {3, 4} or (
        checked_X.ndim == 4 and checked_X.shape[3] not in {1, 3, 4}
    ):
        raise UsageError(
            f"X of shape {checked_X.shape} is no set of images.",
            "Give paths, PIL images or an array N x H x W or N x H x W x C (C = 1, 3 or 4); "
            "for rows of pixels say image_shape=(height, width).",
        )
    if checked_X.dtype.kind == "f" and not (checked_X.min() >= 0 and checked_X.max() <= 1):
        raise UsageError(
            f"Images of floats must lie in [0, 1]; these go from {checked_X.min():g} "
            f"to {checked_X.max():g}.",
            "Scale them, for example: (X - X.min()) / (X.max() - X.min()).",
        )
    return list(checked_X)


def pixel_range_of(rows_ND: NDArray[Any]) -> tuple[float, float]:
    """What is black and what is white in rows of numbers."""
    if rows_ND.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(rows_ND.min()), float(rows_ND.max())
    return (0.0, 1.0) if rows_ND.dtype.kind == "f" and low >= 0 and high <= 1 else (low, high)


def rows_as_pictures(
    rows_ND: NDArray[Any], pixel_range: tuple[float, float], shape: tuple[int, ...]
) -> Sequence[NDArray[np.uint8]]:
    """Rows of numbers as pictures of 256 levels, each reshaped to `shape`, one side may be -1.

    What lies beyond the range becomes black or white. Raises `UsageError` where a row does not
    fill such a picture.
    """
    sides = tuple(shape) if np.iterable(shape) else (shape,)
    whole = all(isinstance(side, int | np.integer) for side in sides)
    if not whole or len(sides) not in {2, 3} or (len(sides) == 3 and sides[2] not in {1, 3, 4}):
        raise UsageError(
            f"image_shape is {shape!r}.", "Give (height, width) or (height, width, channels)."
        )
    try:
        return list(_as_bytes(rows_ND, *pixel_range).reshape(len(rows_ND), *sides))
    except ValueError:
        raise UsageError(
            f"X has {rows_ND.shape[1]} features, which image_shape={shape!r} cannot hold.",
            "Give the height and width of the pictures; one of them may be -1.",
        ) from None


def _as_bytes(rows_ND: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    if rows_ND.dtype == np.uint8 and (black, white) == (0, 255):
        return rows_ND
    shares_ND = (rows_ND.astype(np.float64) - black) / ((white - black) or 1.0)
    return np.rint(np.clip(shares_ND, 0, 1) * 255).astype(np.uint8)
