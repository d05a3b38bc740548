"""Images as Python code gives them, as a list: paths, PIL images, arrays, bytes.

Nothing heavy is imported here, so that a single image is predicted without delay.
"""

import io
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.formats.array_parts import CHANNELS, move_channels_last
from striate.data.formats.unreadable import Unreadable
from striate.errors import UsageError

MOST_WITHOUT_LENGTH = 1_000_000
BLOCK = 256
KINDS = (
    "Give paths, PIL images, bytes, open files, arrays (N x H x W, N x H x W x "
    "C, H x W x C), tensors (N x C x H x W), or a list of these."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """An image that is stored elsewhere, such as in an archive.

    `read` returns its bytes, or raises `Unreadable`.
    """

    read: Callable[[], bytes]


def unusable(reason: str) -> Stored:
    """An image that cannot be read, with the reason: its row is kept."""
    return Stored(read=partial(_raise, reason))


def one_or_many(images: Any, column: str = "image") -> list[Any]:
    """The images in an argument of `predict`: one image, or many, as a list.

    An array or tensor with two axes, or with three of which one has 1, 3 or 4 channels, is one
    image; of a frame the column is taken. Raises `UsageError` for anything else.
    """
    if isinstance(images, np.ndarray) and images.ndim == 0:
        images = images.item()
    if _is_one(images):
        return [images]
    return many(images, alone=True, column=column)


def many(images: Any, *, alone: bool = False, column: str = "image") -> list[Any]:
    """The images in a list, an iterator, a column, an array or a tensor.

    With `alone` an array may also be one image. Raises `UsageError` if there are no images, or if
    an array's shape or range is not that of images.
    """
    if isinstance(images, Mapping | Set) or _is_one(images):
        _refuse(images)
    if hasattr(images, "columns") and hasattr(images, "shape"):
        return _of_frame(images, column)
    array = _whole_array(images)
    if array is not None:
        return _list_array(array, alone=alone, first=hasattr(images, "detach"))
    return list(_entries(images))


def entry(item: Any) -> Any:
    """One image of many, read later: a path, a PIL image, an array, bytes or a `Stored`.

    Anything else becomes an image that cannot be read, with the reason.
    """
    if isinstance(item, tuple) and len(item) == 2:
        item = item[0]  # an image and its label
    if isinstance(item, Mapping):
        known = [item[key] for key in ("image", "bytes", "path") if item.get(key) is not None]
        item = known[0] if known else item
    if isinstance(item, np.ndarray) and item.ndim == 0:
        item = item.item()
    if isinstance(item, bytearray | memoryview):
        return bytes(item)
    if is_nothing(item):
        return unusable("the image has no path")
    if isinstance(item, str | os.PathLike | Image.Image | bytes | Stored):
        return item
    if hasattr(item, "read"):
        return _content(item)
    if isinstance(item, list | tuple):
        if any(np.ndim(part) > 3 for part in item if hasattr(part, "shape")):
            return unusable("it is a batch; give the dataset instead of its loader")
        array = _whole_array(list(item))
        item = item if array is None else array
    numbers = hasattr(item, "detach") or hasattr(item, "__array__")
    shape = _shape_of(item) if numbers else ()
    if len(shape) < 2:
        return unusable(f"a {type(item).__name__} is not an image")
    if len(shape) > 3:
        return unusable(f"it is a batch of shape {shape}; give its images one by one")
    return item


def list_pictures(X: Any, owner: str) -> Sequence[Any]:
    """The pictures of anything but rows of numbers; an array of all is checked as a whole."""
    if _is_one(X) or isinstance(X, Mapping | Set):
        raise UsageError(
            f"X is a single {type(X).__name__}, not a list of images.", "Give a list: [X]"
        )
    if hasattr(X, "iloc"):
        X = X.to_numpy()
    array = X if isinstance(X, np.ndarray) or hasattr(X, "toarray") else _whole_array(X)
    if array is None or (array.dtype.kind in "OUT" and array.ndim == 1):
        pictures = many(X)
    else:
        pictures = _checked(array, owner, first=hasattr(X, "detach"))
    if not len(pictures):
        raise UsageError(
            f"Found array with 0 sample(s) while a minimum of 1 is required by {owner}.",
            "Give images in X.",
        )
    return pictures


def _checked(X: Any, owner: str, *, first: bool) -> list[Any]:
    """The images of an array; errors for scikit-learn in its own words."""
    from sklearn.utils import check_array

    if X.dtype.kind in "OUT" and X.ndim == 2 and X.shape[1] == 1:
        return list(X[:, 0])
    array = check_array(X, allow_nd=True, ensure_2d=False, estimator=owner, input_name="X")
    if array.ndim not in {3, 4}:
        raise UsageError(
            f"X has the shape {array.shape}, which is not a batch of images.",
            "Give paths, PIL images or an array N x H x W or N x H x W x C (C = 1, 3 or "
            "4); for rows of pixels set image_shape=(height, width).",
        )
    return _list_array(array, alone=False, first=first)


def _is_one(images: Any) -> bool:
    """Whether something is a single picture that is no array, or nothing like pictures."""
    if isinstance(images, np.ndarray) and images.ndim == 0:
        return True
    if isinstance(images, str | bytes | bytearray | memoryview | os.PathLike | Image.Image):
        return True
    return isinstance(images, Stored) or hasattr(images, "read")


def _refuse(images: Any) -> NoReturn:
    raise UsageError(f"A {type(images).__name__} is not a collection of images.", KINDS)


def _of_frame(frame: Any, column: str) -> list[Any]:
    """The images in a frame's column, or in its only one; paths are left to the table's reader.

    The reader knows where paths start, and the error if there is no such column.
    """
    names = list(frame.columns)
    if column not in names and len(names) != 1:
        return [frame]
    found = list(_entries(frame[column if column in names else names[0]]))
    paths = column in names and all(isinstance(x, str | os.PathLike | None) for x in found)
    return [frame] if paths else found


def _shape_of(item: Any) -> tuple[int, ...]:
    """The shape of an array or a tensor; none where it cannot be told."""
    try:
        return tuple(np.shape(item) if not hasattr(item, "shape") else item.shape)
    except Exception:  # the object is another's; it raises what it likes
        return ()


def _whole_array(images: Any) -> NDArray[Any] | None:
    """The array that holds all images: an array, a tensor, nested lists of numbers.

    Raises `UsageError` if its numbers cannot be read, such as a sparse tensor.
    """
    try:
        return _as_array(images)
    except Exception as error:  # the object is another's; it raises what it likes
        raise UsageError(
            f"A {type(images).__name__} cannot be turned into an array: "
            f"{str(error)[:100].rstrip('.')}.",
            KINDS,
        ) from error


def _as_array(images: Any) -> NDArray[Any] | None:
    if hasattr(images, "detach"):
        tensor = images.detach().cpu()
        return np.asarray((tensor.float() if tensor.dtype.is_floating_point else tensor).numpy())
    if hasattr(images, "__array__") and not hasattr(images, "to_list"):
        return np.asarray(images)
    nested = isinstance(images, list | tuple) and images
    if nested and all(isinstance(x, list | tuple | int | float) for x in images):
        try:
            array = np.asarray(images)
        except ValueError:  # rows of different lengths
            return None
        return array if array.dtype.kind in "buif" else None
    return None


def _entries(images: Any) -> Iterator[Any]:
    """The entries of a list, a column, an iterator, or of what has a length and items."""
    if hasattr(images, "to_list"):
        images = images.to_list()  # a column of pandas or polars
    if hasattr(images, "to_pylist"):
        images = images.to_pylist()
    if isinstance(images, Collection):
        yield from images
        return
    if hasattr(images, "__len__") and hasattr(images, "__getitem__"):
        for number in range(len(images)):
            try:
                item = images[number]
            except Exception as error:  # the code is another's
                item = unusable(
                    f"it cannot be read from the collection ({type(error).__name__}: {error!s:.80})"
                )
            yield item
        return
    if not hasattr(images, "__iter__"):
        _refuse(images)
    for number, item in enumerate(images):
        if number >= MOST_WITHOUT_LENGTH:
            raise UsageError(
                f"The iterator has given {number:,} images and may never end.",
                "Give a part of it: itertools.islice(images, 50_000)",
            )
        yield item


def _list_array(array: NDArray[Any], *, alone: bool, first: bool) -> list[Any]:
    """The pictures of an array: channels last, or first where a tensor has them there."""
    if array.dtype.kind in "OUST":
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            return list(array.reshape(len(array)))
        raise UsageError(
            f"An array of shape {array.shape} and type {array.dtype} is not a batch of images.",
            'Give numbers: x.astype("uint8"), or a list of paths.',
        )
    _must_be_range(array)
    shape = array.shape
    if array.ndim == 2 and alone:
        return [array]
    if array.ndim == 3:
        return _of_three_axes(array, alone=alone, first=first)
    if array.ndim == 4:
        moved = first and shape[1] in CHANNELS
        pictures = np.moveaxis(array, 1, -1) if moved else move_channels_last(array)
        return list(pictures)
    raise UsageError(f"An array of shape {shape} is not a batch of images.", KINDS)


def _of_three_axes(array: NDArray[Any], *, alone: bool, first: bool) -> list[Any]:
    """One image with channels, or many grey ones; refused if it could be either."""
    shape = array.shape
    last = shape[-1] in (*CHANNELS, 2)  # no picture is two pixels wide
    if not alone or (shape[0] not in CHANNELS and not last):
        return list(array)
    if first and shape[0] in CHANNELS:
        return [np.moveaxis(array, 0, -1)]
    if last:
        return [array]
    if shape[0] == 1:
        return list(array)
    raise UsageError(
        f"An array of shape {shape} is ambiguous: one image with channels first, or "
        f"{shape[0]} greyscale images.",
        "For one image: np.moveaxis(x, 0, -1); for greyscale images: x[..., None]",
    )


def _must_be_range(array: NDArray[Any]) -> None:
    """Raise `UsageError` if numbers are not pixel values; NaN is reported row by row."""
    if array.dtype.kind not in "buif":
        raise UsageError(
            f"An array of {array.dtype} is not a batch of images.",
            'Give numbers: x.astype("uint8")',
        )
    if array.dtype.kind != "f":
        return
    bounds = [
        (float(part.min(where=good, initial=0)), float(part.max(where=good, initial=0)))
        for part in (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))
        for good in [np.isfinite(part)]
    ]
    low, high = min((b[0] for b in bounds), default=0), max((b[1] for b in bounds), default=0)
    if low < 0 or high > 1:
        raise UsageError(
            f"Float images must be in [0, 1]; these range from {low:g} to {high:g}.",
            "Divide them: x / 255"
            if low >= 0 and high <= 255
            else "Scale them to [0, 1], for example (x - x.min()) / (x.max() - x.min()), and "
            "leave Normalize out: striate normalises by itself.",
        )


def _content(file: Any) -> Any:
    """The bytes of an open file or a `BytesIO`, from its beginning."""
    try:
        if getattr(file, "seekable", lambda: False)():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError, io.UnsupportedOperation) as error:
        return unusable(f"the file cannot be read ({error})")
    if isinstance(content, str):
        return unusable('it was opened as text; open it as bytes: open(path, "rb")')
    return bytes(content)


def is_nothing(item: Any) -> bool:
    """Whether an entry is missing: None, NaN, a blank, or pandas' own missing values."""
    if item is None or (isinstance(item, float) and math.isnan(item)):
        return True
    return (isinstance(item, str) and not item.strip()) or type(item).__name__ in (
        "NAType",
        "NaTType",
    )


def _raise(reason: str) -> bytes:
    raise Unreadable(reason)


def find_pixel_range(rows_ND: NDArray[Any]) -> tuple[float, float]:
    """The values of black and white in rows of numbers."""
    if rows_ND.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(rows_ND.min()), float(rows_ND.max())
    return (0.0, 1.0) if rows_ND.dtype.kind == "f" and low >= 0 and high <= 1 else (low, high)


def reshape_rows(
    rows_ND: NDArray[Any], pixel_range: tuple[float, float], shape: tuple[int, ...]
) -> Sequence[NDArray[np.uint8]]:
    """Rows of numbers as uint8 images, each reshaped to `shape`; one side may be -1.

    Values beyond the range become black or white. Raises `UsageError` if a row does not fill such
    an image.
    """
    sides = tuple(shape) if np.iterable(shape) else (shape,)
    whole = all(isinstance(side, int | np.integer) for side in sides)
    if not whole or len(sides) not in {2, 3} or (len(sides) == 3 and sides[2] not in {1, 3, 4}):
        raise UsageError(
            f"image_shape={shape!r} is not the shape of an image.",
            "Give (height, width) or (height, width, channels).",
        )
    try:
        return list(_scale_to_bytes(rows_ND, *pixel_range).reshape(len(rows_ND), *sides))
    except ValueError:
        raise UsageError(
            f"X has {rows_ND.shape[1]} features, which does not match image_shape={shape!r}.",
            "Give the height and width of the images; one of them may be -1.",
        ) from None


def _scale_to_bytes(rows_ND: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    if rows_ND.dtype == np.uint8 and (black, white) == (0, 255):
        return rows_ND
    shares_ND = (rows_ND.astype(np.float64) - black) / ((white - black) or 1.0)
    return np.rint(np.clip(shares_ND, 0, 1) * 255).astype(np.uint8)
