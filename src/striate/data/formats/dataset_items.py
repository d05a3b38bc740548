"""An item of a dataset -> its picture and its label, whatever library they come from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from striate.data.formats.array_parts import CHANNELS, move_channels_last
from striate.errors import SourceError

_KEEP = frozenset({"1", "L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B"})


def split_item(item: Any, what: str) -> tuple[NDArray[Any] | str, int | str]:
    """The picture of an item (an array, or the path of a file) and its label, number or text.

    An item is a pair (image, label) or has `image` and `label`; `what` names it in messages.
    Raises `SourceError` where it is neither, or one of the two cannot be used.
    """
    if isinstance(item, Mapping) and {"image", "label"} <= item.keys():
        item = (item["image"], item["label"])
    if not isinstance(item, tuple | list) or len(item) != 2:
        length = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise SourceError(
            f"{what} is a {type(item).__name__}{length}, not a pair (image, label).",
            "Give a dataset whose items are pairs of an image and its class.",
        )
    return convert_picture(item[0], what), convert_label(item[1], what)


def convert_picture(image: Any, what: str) -> NDArray[Any] | str:
    """An array with channels last, or the path of a file, of a PIL image, a tensor, an array."""
    if isinstance(image, str | os.PathLike):
        return str(os.fspath(image))
    if isinstance(image, Image.Image):
        return _image_to_array(image)
    array = to_channels_last(image)
    if array.ndim == 4:
        raise SourceError(
            f"{what} is a batch of shape {array.shape}, not an image.",
            "Give the dataset instead of its loader: loader.dataset",
        )
    if array.dtype.kind == "f" and array.size and not (array.min() >= 0 and array.max() <= 1):
        raise SourceError(
            f"{what} holds floats from {array.min():g} to {array.max():g}; float images "
            "must be in [0, 1].",
            "Leave Normalize out of its transforms: striate normalises by itself.",
        )
    return array


def to_channels_last(image: Any) -> NDArray[Any]:
    """A tensor C x H x W or an array as an array with channels last."""
    if not hasattr(image, "detach"):
        array = np.asarray(image)
        return move_channels_last(array) if array.ndim == 3 else array
    tensor = image.detach().cpu()
    tensor = tensor.float() if tensor.dtype.is_floating_point else tensor
    array = tensor.numpy()
    # A tensor's channels come first, even where its last axis is as long as channels may be.
    first = array.ndim == 3 and array.shape[0] in CHANNELS
    if first:
        return np.moveaxis(array, 0, -1)
    return move_channels_last(array) if array.ndim == 3 else array


def convert_label(label: Any, what: str) -> int | str:
    """A class's number or name, of a number, a text, a tensor of one, or a one-hot vector."""
    if isinstance(label, str):
        return label
    try:
        array = np.asarray(label.detach().cpu() if hasattr(label, "detach") else label)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim == 1 and array.size > 1 and array.dtype.kind in "buif":
        if (array != 0).sum() == 1:
            return int(array.argmax())
    elif array.size == 1 and array.dtype.kind in "biuU":
        return str(array.item()) if array.dtype.kind == "U" else int(array.item())
    elif array.size == 1 and array.dtype.kind == "f" and np.isfinite(array).all():
        number = float(array.item())
        return int(number) if number.is_integer() else str(number)
    raise SourceError(
        f"The label of {what} is {label!r:.60}; it must be a class number or a class name.",
        "Give a dataset with one class for each image.",
    )


def _image_to_array(image: Image.Image) -> NDArray[Any]:
    image = ImageOps.exif_transpose(image)
    if image.mode not in _KEEP or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    return np.asarray(image)


# Where torchvision's datasets keep paths and labels: together, or one beside the other.
_TOGETHER = ("samples", "_samples")
_BESIDE = ("_image_files", "_images")


def find_item_files(dataset: Any) -> list[tuple[str, Any]]:
    """The path and the label of every item; nothing where a transform would change them.

    Nothing also where the dataset is no class of torchvision or does not lie in files: then its
    items must be asked for.
    """
    changed = any(
        getattr(dataset, name, None) is not None
        for name in ("transform", "target_transform", "transforms")
    )
    if changed or not type(dataset).__module__.startswith("torchvision."):
        return []
    found: list[tuple[str, Any]] = []
    for name in _TOGETHER:
        if isinstance(pairs := getattr(dataset, name, None), list):
            found = [(str(path), label) for path, label in pairs]
    for name in _BESIDE:
        if isinstance(paths := getattr(dataset, name, None), list):
            labels = getattr(dataset, "_labels", [])
            found = [(str(path), label) for path, label in zip(paths, labels, strict=False)]
    whole = len(found) == len(dataset) and found and Path(found[0][0]).is_file()
    return found if whole else []
