"""From boxes in images to rows: the classes of whole images, or every box as an image."""

import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.formats.decode import decode_image
from striate.data.formats.header import Content
from striate.data.formats.read_file import read_file, text_to_path
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import SPLIT_NAMES
from striate.errors import SourceError, UsageError
from striate.values import Example, Index, ReadingOptions, Sentence, Task, say

# Shares of an image by which a box may reach out of it: tools round.
OVERHANG = 0.01
REMEMBERED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A class and where it is, in shares of the upright image's width and height.

    Without a place `right` and `bottom` are 0. `fault` says why it cannot be used.
    """

    name: str = ""
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxedImage:
    """An image with its boxes; `size` is the width and height that it is said to have, or 0.

    `fault` says why the image cannot be used.
    """

    path: str
    split: str = ""
    boxes: tuple[Box, ...] = ()
    fault: str = ""
    size: tuple[int, int] = (0, 0)


def make_box(name: str, left: float, top: float, width: float, height: float, what: str) -> Box:
    """A box by its upper left corner and extent; its fault says where it cannot be."""
    right, bottom = left + width, top + height
    if not (width > 0 and height > 0):
        return Box(name=name, fault=f"{what} is empty")
    if min(left, top) < -OVERHANG or max(right, bottom) > 1 + OVERHANG:
        return Box(name=name, fault=f"{what} is outside the image")
    left, top, right, bottom = (min(1.0, max(0.0, each)) for each in (left, top, right, bottom))
    return Box(name=name, left=left, top=top, right=right, bottom=bottom)


def check_class_names(names: Sequence[object], where: str) -> tuple[str, ...]:
    """Names of classes as striate writes them; raises `SourceError` where one cannot be used."""
    # No lists: a YAML's aliases make some that are longer than any memory once written out.
    found = tuple(
        unicodedata.normalize("NFC", str(name).strip()) if isinstance(name, str | int) else ""
        for name in names
    )
    wrong = next((name for name in found if not name or "|" in name), None)
    if wrong is not None:
        raise SourceError(
            f"{where} has {f'the class {wrong}' if wrong else 'a class without a name'}.",
            "A class needs a name without | in it.",
        )
    return found


def index_of_boxes(
    images: Sequence[BoxedImage],
    options: ReadingOptions,
    *,
    root: str,
    name: str,
    kind: str,
    address: str,
    others: Sequence[Example] = (),
) -> Index:
    """The index of images with boxes: by the classes in them, or with `options.crop` by box.

    An image whose boxes are of one class has that class. Where some hold several, the task is
    several labels an image, unless `options.task` says otherwise; images that then cannot be
    used are set aside. `others` are rows of files that are no such images. Raises `UsageError`
    for a task that boxes cannot say.
    """
    if options.task == "number" or (options.task == "labels" and options.crop):
        raise UsageError(
            f"--task {options.task}: "
            + ("a box has one class." if options.crop else "boxes have classes, not numbers."),
            "Leave --task out.",
        )
    images = sorted(images, key=lambda image: image.path)
    several = sum(len(_classes_in_image(image)) > 1 for image in images if not _first_fault(image))
    notes: tuple[Sentence, ...] = ()
    task: Task = "label"
    if options.crop:
        examples = list(_crop_rows(images))
    else:
        task = "labels" if options.task == "labels" else "label"
        if options.task == "auto" and several:
            task, notes = "labels", (_several_classes_note(several, len(images)),)
        examples = [_image_row(image, task) for image in images]
    given = {example.split for example in examples if example.status == "used"}
    index = Index(
        root=root,
        name=name,
        kind=kind,
        classes=(),
        task=task,
        examples=tuple(sorted((*examples, *others), key=lambda example: example.path)),
        given_splits=tuple(n for n in SPLIT_NAMES if n in given and "train" in given),
        notes=notes,
        address=address,
    )
    _remember_boxes(index, images if options.crop else ())
    return index


def open_boxed_row(index: Index, row: int) -> Content:
    """The bytes of an image, or the upright pixels of a box in it; raises `Unreadable`."""
    example = index.examples[row]
    with _LOCK:
        images = _BOXES.get((index.kind, index.root, index.address), {})
    path, _, number = example.path.rpartition("#")
    if path in images and number.isdecimal() and example.path not in images:
        image = images[path]
        box = image.boxes[int(number) - 1]
        file = Path(text_to_path(index.root, path))
        try:
            facts = file.stat()
        except OSError:
            raise Unreadable("its image no longer exists") from None
        return _cut_box(_load_upright(str(file), facts.st_size, facts.st_mtime_ns), box, image.size)
    content = read_file(text_to_path(index.root, example.path))
    if example.bytes and len(content) != example.bytes:
        raise Unreadable("it was changed while it was being read")
    return content


def _image_row(image: BoxedImage, task: Task) -> Example:
    names = _classes_in_image(image)
    reason = _first_fault(image)
    if not reason and task == "label" and len(names) != 1:
        held = f"boxes of several classes: {', '.join(names)}" if names else "no box"
        reason = f"it has {held}"
    if reason:
        return Example(path=image.path, split=image.split, status="set_aside", reason=reason)
    return Example(path=image.path, split=image.split, label="|".join(names) or "|")


def _crop_rows(images: Sequence[BoxedImage]) -> Iterator[Example]:
    paths = {image.path for image in images}
    for image in images:
        if image.fault:
            yield Example(
                path=image.path, split=image.split, status="set_aside", reason=image.fault
            )
        elif not image.boxes:
            yield Example(
                path=image.path, split=image.split, status="ignored", reason="it has no box"
            )
        else:
            yield from (row for row in _box_rows(image) if row.path not in paths)


def _box_rows(image: BoxedImage) -> Iterator[Example]:
    for number, box in enumerate(image.boxes, start=1):
        fault = box.fault or ("" if box.right > 0 else "its box has a class but no position")
        yield Example(
            path=f"{image.path}#{number}",
            split=image.split,
            label="" if fault else box.name,
            group=image.path,
            status="set_aside" if fault else "used",
            reason=fault,
        )


def _classes_in_image(image: BoxedImage) -> list[str]:
    return sorted({box.name for box in image.boxes})


def _first_fault(image: BoxedImage) -> str:
    return image.fault or next((box.fault for box in image.boxes if box.fault), "")


def _several_classes_note(several: int, images: int) -> Sentence:
    return say(
        "read.boxes_several",
        "{n:,} of {of:,} images have boxes of several classes, so several labels per "
        "image are predicted. With --task label only images with boxes of one class "
        "are used; with --crop every box becomes an image.",
        n=several,
        of=images,
    )


def _cut_box(upright: NDArray[np.uint8], box: Box, said: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = upright.shape[:2]
    if all(said) and said != (width, height):
        raise Unreadable(
            f"its boxes were drawn for {said[0]} x {said[1]} pixels, but the upright "
            f"image has {width} x {height}"
        )
    left, right = round(box.left * width), round(box.right * width)
    top, bottom = round(box.top * height), round(box.bottom * height)
    if left >= right or top >= bottom:
        raise Unreadable("its box is smaller than a pixel")
    return np.ascontiguousarray(upright[top:bottom, left:right])


@lru_cache(maxsize=4)
def _load_upright(path: str, size: int, changed: int) -> NDArray[np.uint8]:
    """The upright pixels of an image whose boxes are asked for one after another."""
    return decode_image(read_file(path)).pixels


def _remember_boxes(index: Index, images: Sequence[BoxedImage]) -> None:
    """Keeps the boxes for as long as rows of this index are likely to be opened."""
    key = (index.kind, index.root, index.address)
    with _LOCK:
        _BOXES[key] = {image.path: image for image in images}
        _BOXES.move_to_end(key)
        while len(_BOXES) > REMEMBERED:
            _BOXES.popitem(last=False)


_LOCK = threading.Lock()
_BOXES: OrderedDict[tuple[str, str, str], dict[str, BoxedImage]] = OrderedDict()
