"""Arrays of pictures with their labels -> an Index, and from a row back to its picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.formats.header import MOST_CHANNELS
from striate.data.formats.table_file import cell_text
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import SPLIT_NAMES
from striate.errors import SourceError
from striate.values import Example, Index, Sentence

CHANNELS = (1, 3, 4)
_BLOCK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayPart:
    """Pictures N x H x W [x C] with N labels, and by what `name` the array of them is known.

    `splits` and `groups` say of every picture where it belongs; empty where nothing is said.
    """

    name: str
    images: NDArray[Any]
    labels: Sequence[str]
    splits: Sequence[str] = ()
    groups: Sequence[str] = ()


def index_of_parts(
    parts: Sequence[ArrayPart],
    *,
    root: str,
    name: str,
    kind: str,
    address: str = "",
    notes: tuple[Sentence, ...] = (),
) -> Index:
    """The index of some parts; a picture's path is the name of its array and its number there.

    Splits count as given only where one of them is `train`.
    """
    given = {split for part in parts for split in part.splits}
    examples: list[Example] = []
    for part in parts:
        count = len(part.images)
        splits = part.splits if part.splits and "train" in given else [""] * count
        groups = part.groups or [""] * count
        examples += [
            Example(path=path, label=label, split=split, group=group)
            for path, label, split, group in zip(
                number_paths(part.name, count), part.labels, splits, groups, strict=True
            )
        ]
    return Index(
        root=root,
        name=name,
        kind=kind,
        classes=(),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(split for split in SPLIT_NAMES if "train" in given and split in given),
        notes=notes,
        address=address,
    )


def read_picture(path: str, array: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    """The picture behind a path that `index_of_parts` made; `array` gives an array by its name.

    Raises `Unreadable` where it is not there any more.
    """
    name, _, number = path.rpartition("/")
    try:
        picture: NDArray[Any] = np.asarray(array(name)[int(number)])
    except (SourceError, OSError, LookupError, ValueError):
        raise Unreadable("it no longer exists") from None
    return picture


def check_picture_array(array: NDArray[Any], what: str) -> NDArray[Any]:
    """An array of pictures with channels last; `what` names it in messages.

    Raises `SourceError` where its shape, its type or its range is not that of pictures.
    """
    pictures = move_channels_last(array) if array.ndim == 4 else array
    fits = array.ndim == 3 or (array.ndim == 4 and _are_channels(pictures.shape, 3))
    if not fits or array.dtype.kind not in "buif":
        raise SourceError(
            f"{what} has the shape {array.shape} and the type {array.dtype}, which is not "
            "a batch of images.",
            "Give N x H x W (greyscale), N x H x W x C or N x C x H x W, with C smaller "
            "than H and W.",
        )
    if array.dtype.kind == "f":
        low, high = _find_range(array)
        if not (low >= 0 and high <= 1):
            raise SourceError(
                f"{what} holds floats from {low:g} to {high:g}; float images must be in [0, 1].",
                "Scale them, for example: (x - x.min()) / (x.max() - x.min())",
            )
    return pictures


def move_channels_last(array: NDArray[Any]) -> NDArray[Any]:
    """A picture or many with channels last, moved there where only the first axis can be them.

    One, three or four are channels wherever they stand; of others, the axis that is the shortest.
    """
    last, first = array.shape[-1], array.shape[-3]
    if last in CHANNELS:
        return array
    if first in CHANNELS or (first < min(array.shape[-2:]) and first <= MOST_CHANNELS):
        return np.moveaxis(array, -3, -1)
    return array


def _are_channels(shape: tuple[int, ...], axis: int) -> bool:
    """Whether an axis of pictures N x H x W x C can be channels."""
    length = shape[axis]
    return length in CHANNELS or 0 < length < min(*shape[1:3], MOST_CHANNELS + 1)


def number_paths(name: str, count: int) -> list[str]:
    """Paths of numbered pictures, in order also as texts."""
    width = len(str(max(0, count - 1)))
    return [f"{name}/{number:0{width}d}" for number in range(count)]


def _find_range(array: NDArray[Any]) -> tuple[float, float]:
    """Least and greatest number, in blocks so that a mapped array is never read whole."""
    if not array.size:
        return 0.0, 0.0
    step = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    blocks = [array[start : start + step] for start in range(0, len(array), step)]
    bounds = [(float(block.min()), float(block.max())) for block in blocks]
    lows, highs = np.array(bounds).T
    return float(lows.min()), float(highs.max())


def decode_labels(array: NDArray[Any], names: Sequence[str], what: str) -> list[str]:
    """The label of every image: a number (named by `names` where there are any), a text, one-hot.

    `what` names the array in messages. Raises `SourceError` where it is no list of labels.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        array = _decode_one_hot(array, what)
    if array.ndim != 1 or array.dtype.kind not in "buifUS":
        raise SourceError(
            f"{what} has the shape {array.shape} and the type {array.dtype}, which is not "
            "a list of labels.",
            "Give one number or text for each image.",
        )
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "backslashreplace") for text in array.tolist()]
    if array.dtype.kind == "U" or not len(names):
        return [cell_text(value) for value in array.tolist()]
    return name_class_numbers([int(value) for value in array.tolist()], names, what)


def name_class_numbers(numbers: Sequence[int], names: Sequence[str], what: str) -> list[str]:
    """The names behind class numbers; raises `SourceError` where a number has none."""
    beyond = [number for number in numbers if not 0 <= number < len(names)]
    if beyond:
        raise SourceError(
            f"{what} has the class number {beyond[0]}, but there are only {len(names)} "
            "class names.",
            "Class numbers begin at 0; give a name for each.",
        )
    return [str(names[number]) for number in numbers]


def _decode_one_hot(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The number of the one class that each row marks."""
    marked = array != 0
    if array.dtype.kind not in "buif" or not (marked.sum(axis=1) == 1).all():
        raise SourceError(
            f"{what} has the shape {array.shape}, and not every row marks exactly one class.",
            "Give one number or text for each image.",
        )
    numbers: NDArray[Any] = marked.argmax(axis=1)
    return numbers
