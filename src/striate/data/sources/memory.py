"""Images in memory as a source: arrays, PIL images or paths, with or without labels."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from striate.data.estimator_input import Stored, entry, is_nothing, many
from striate.data.formats.dataset_items import to_channels_last
from striate.data.formats.header import Content
from striate.data.formats.read_file import path_to_text, read_file
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import UNREAD_FORMATS, suffix
from striate.data.sources import SourceKind
from striate.errors import UsageError
from striate.values import Example, Index, ReadingOptions

Images = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledPictures:
    """Pictures in memory with their labels: paths, PIL images and arrays, or one array of all.

    Arrays are N x H x W, N x H x W x C or N x C x H x W, uint8 or floats in [0, 1]. `groups`
    names what must stay on one side (one patient, one writer), empty where there is none.
    """

    images: Images
    labels: Sequence[Any]
    groups: Sequence[Any] = ()


def read_memory(source: object, options: ReadingOptions) -> Index:
    """Pictures with labels, in the order given; raises `UsageError` where the lengths differ."""
    if not isinstance(source, LabelledPictures):
        assert isinstance(source, tuple)
        source = LabelledPictures(images=source[0], labels=source[1])
    source = replace(source, images=many(source.images), labels=list(source.labels))
    if len(source.images) != len(source.labels):
        raise UsageError(
            f"There are {len(source.images)} images but {len(source.labels)} labels.",
            "Give one label for each image.",
        )
    if len(source.groups) not in {0, len(source.images)}:
        raise UsageError(
            f"There are {len(source.images)} images but {len(source.groups)} groups.",
            "Give one group for each image, or none at all.",
        )
    groups = source.groups if len(source.groups) else [""] * len(source.images)
    labels = ["" if is_nothing(label) else str(label) for label in source.labels]
    index = index_of_pictures(
        _picture_paths(source.images), source.images, labels, [str(group) for group in groups]
    )
    missing = "its label is missing"
    return replace(
        index,
        examples=tuple(
            e if e.label else replace(e, status="set_aside", reason=missing) for e in index.examples
        ),
    )


def index_of_pictures(
    paths: Sequence[str], images: Images, labels: Sequence[str], groups: Sequence[str]
) -> Index:
    """An index of pictures in memory, a row each, in the order given."""
    examples = [
        Example(path=path, label=label, group=group)
        for path, label, group in zip(paths, labels, groups, strict=True)
    ]
    return Index(
        root="",
        name="images",
        kind="memory",
        classes=(),
        examples=tuple(examples),
        images=[entry(image) for image in images],
    )


def open_memory_row(index: Index, row: int) -> Content:
    """One picture as it was given; a path is read."""
    if index.images is None:
        raise Unreadable("it was given in memory and is no longer available")
    image = index.images[row]
    if isinstance(image, Stored):
        return image.read()
    if isinstance(image, str | os.PathLike):
        ending = suffix(os.fspath(image))
        if ending in UNREAD_FORMATS:
            raise Unreadable(UNREAD_FORMATS[ending])
        return read_file(Path(image).expanduser())
    if isinstance(image, bytes):
        return image
    try:
        if isinstance(image, Image.Image):
            image.load()  # whoever gave it may have closed its file, or it is cut short
            return image
        return to_channels_last(image)
    except Exception as error:  # the object is another's; it raises what it likes
        told = f": {error}" if isinstance(image, Image.Image) else ""
        raise Unreadable(f"a {type(image).__name__} is not an image{told:.80}") from None


def _is_memory_source(source: object) -> bool:
    pair = isinstance(source, tuple) and len(source) == 2
    return isinstance(source, LabelledPictures) or (pair and not isinstance(source, str))


def _picture_paths(images: Images) -> list[str]:
    width = len(str(max(0, len(images) - 1)))
    return [
        path_to_text(image) if isinstance(image, str | os.PathLike) else f"{row:0{width}d}"
        for row, image in enumerate(images)
    ]


SOURCE = SourceKind(
    name="memory", matches=_is_memory_source, read=read_memory, open_row=open_memory_row
)
