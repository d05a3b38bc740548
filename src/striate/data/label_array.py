"""An array of labels -> the names of the classes, one an image."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from striate.data.table_file import cell_text
from striate.errors import SourceError


def labels_of(array: NDArray[Any], names: Sequence[str], what: str) -> list[str]:
    """The label of every image: a number (named by `names` where there are any), a text, one-hot.

    `what` names the array in messages. Raises `SourceError` where it is no list of labels.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        array = _of_one_hot(array, what)
    if array.ndim != 1 or array.dtype.kind not in "buifUS":
        raise SourceError(
            f"{what} has the shape {array.shape} and the type {array.dtype}, "
            "which is no list of labels.",
            "Give one number or text for each image.",
        )
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "backslashreplace") for text in array.tolist()]
    if array.dtype.kind == "U" or not len(names):
        return [cell_text(value) for value in array.tolist()]
    return named([int(value) for value in array.tolist()], names, what)


def named(numbers: Sequence[int], names: Sequence[str], what: str) -> list[str]:
    """The names behind class numbers; raises `SourceError` where a number has none."""
    beyond = [number for number in numbers if not 0 <= number < len(names)]
    if beyond:
        raise SourceError(
            f"{what} has the class {beyond[0]}, and there are {len(names)} names of classes.",
            "Numbers of classes begin at 0; give a name for each.",
        )
    return [str(names[number]) for number in numbers]


def _of_one_hot(array: NDArray[Any], what: str) -> NDArray[Any]:
    """The number of the one class that each row marks."""
    marked = array != 0
    if array.dtype.kind not in "buif" or not (marked.sum(axis=1) == 1).all():
        raise SourceError(
            f"{what} has the shape {array.shape}, and not every row marks exactly one class.",
            "Give one number or text for each image.",
        )
    numbers: NDArray[Any] = marked.argmax(axis=1)
    return numbers
