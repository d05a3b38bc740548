"""A dataset of another library as a source: map-style, or an iterable of (image, label)."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from striate.data.formats.array_file import ItemSpool
from striate.data.formats.array_parts import name_class_numbers, number_paths
from striate.data.formats.dataset_items import find_item_files, split_item
from striate.data.formats.header import Content
from striate.data.formats.read_file import read_file
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import SPLIT_NAMES, parse_split_name
from striate.data.sources import SourceKind
from striate.errors import SourceError, UsageError
from striate.values import Example, Index, ReadingOptions, say

MOST_WITHOUT_LENGTH = 1_000_000
READ_TWICE = 8


def read_dataset(source: object, options: ReadingOptions) -> Index:
    """The images of a dataset with their labels, each asked for once and kept as it came.

    A dataset has a length and items (image, label); an iterable gives such items; a dict gives
    one of either for each of `train`, `val`, `test`. Its `classes`, where there are any, name the
    numbers. An item that cannot be read is set aside. Raises `SourceError` where items are no
    such pairs, and `UsageError` where a dict has other keys.
    """
    splits = _datasets_by_split(source)
    spool = ItemSpool()
    examples: list[Example] = []
    for split, dataset in sorted(splits.items()):
        found = list(_read_rows(dataset, spool, split))
        labels = _name_labels([label for label, _ in found], dataset)
        for path, label, (_, reason) in zip(
            number_paths(split or "item", len(found)), labels, found, strict=True
        ):
            example = Example(path=path, label=label, split=split)
            if reason:
                example = replace(example, status="set_aside", reason=reason)
            examples.append(example)
    note = say(
        "read.random_items",
        "Reading the same item twice gave different images, so the dataset has "
        "random transforms. Each item was read once, and another fit will see other "
        "images. Leave its random transforms out.",
    )
    return Index(
        root="",
        name=_dataset_name(source),
        kind="dataset",
        classes=(),
        examples=tuple(examples),
        given_splits=tuple(n for n in SPLIT_NAMES if n in splits and "train" in splits),
        notes=(note,) if any(_is_random(dataset) for dataset in splits.values()) else (),
        images=spool,
    )


def open_dataset_row(index: Index, row: int) -> Content:
    """One picture as it was given, or the bytes of its file; raises `Unreadable`."""
    if index.images is None:
        raise Unreadable("it was given in memory and is no longer available")
    picture: Content | str = index.images[row]
    return read_file(picture) if isinstance(picture, str) else picture


def _datasets_by_split(source: object) -> dict[str, Any]:
    """The datasets by their split; a single one by none."""
    if not isinstance(source, Mapping):
        return {"": source}
    splits = {parse_split_name(str(key)): dataset for key, dataset in source.items()}
    if "" in splits or len(splits) < len(source):
        keys = ", ".join(str(key) for key in list(source)[:5])
        raise UsageError(
            f"A dict of datasets needs the keys train, val, test; this one has {keys or 'none'}.",
            "Give {'train': dataset, 'test': dataset}, or one dataset.",
        )
    return splits


def _read_rows(dataset: Any, spool: ItemSpool, split: str) -> Iterator[tuple[int | str, str]]:
    """The label of every item, and why it cannot be used; its picture goes into the spool."""
    for number, (item, reason) in enumerate(_iterate_items(dataset)):
        if reason:
            spool.add("")
            yield "", reason
            continue
        picture, label = split_item(item, f"Item {number}{f' of {split}' if split else ''}")
        spool.add(picture)
        yield label, ""


def _iterate_items(dataset: Any) -> Iterator[tuple[Any, str]]:
    if _is_map_style(dataset):
        files = find_item_files(dataset)
        for number in range(len(dataset)):
            try:
                yield (files[number] if files else dataset[number]), ""
            except Exception as error:  # the code is another's; it raises what it likes
                yield (
                    None,
                    f"reading it from the dataset failed ({type(error).__name__}: {error!s:.80})",
                )
        return
    number = 0
    try:
        for item in dataset:
            yield item, ""
            number += 1
            if number >= MOST_WITHOUT_LENGTH:
                break
        else:
            return
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"The iterable failed after {number:,} images: {type(error).__name__}: {error}.",
            "Fix it, or give a dataset with a length: then only such items are excluded.",
        ) from error
    raise SourceError(
        f"The iterable has given {number:,} images and may never end.",
        "Give a part of it, itertools.islice(images, 50_000), or a dataset with a length.",
    )


def _name_labels(labels: list[int | str], dataset: Any) -> list[str]:
    names = _find_class_names(dataset)
    numbers = [label for label in labels if isinstance(label, int)]
    if not names or not numbers:
        return [str(label) for label in labels]
    by_number = dict(zip(numbers, name_class_numbers(numbers, names, "The dataset"), strict=True))
    return [by_number[label] if isinstance(label, int) else label for label in labels]


def _find_class_names(dataset: Any) -> list[str]:
    """The names that a dataset gives its classes, also behind a part or a chain of datasets."""
    for _ in range(10):
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names:
            return [", ".join(n) if isinstance(n, tuple) else str(n) for n in names]
        parts = getattr(dataset, "datasets", None)
        dataset = getattr(dataset, "dataset", parts[0] if isinstance(parts, list) else None)
    return []


def _is_random(dataset: Any) -> bool:
    """Whether reading one of the first items twice gives different images."""
    if not _is_map_style(dataset) or find_item_files(dataset):
        return False
    for number in range(min(READ_TWICE, len(dataset))):
        try:
            one, other = (split_item(dataset[number], "")[0] for _ in range(2))
        except Exception:  # such an item is set aside
            continue
        if not np.array_equal(one, other):
            return True
    return False


def _is_map_style(dataset: Any) -> bool:
    return hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")


def _dataset_name(source: object) -> str:
    first = next(iter(source.values()), source) if isinstance(source, Mapping) else source
    name = type(first).__name__.lower()
    return "images" if name in ("list", "tuple", "generator", "map", "dict", "zip") else name


def _is_dataset(source: object) -> bool:
    if isinstance(source, str | bytes | os.PathLike | np.ndarray | Image.Image):
        return False
    return _is_map_style(source) or hasattr(source, "__iter__")


SOURCE = SourceKind(
    name="dataset",
    matches=_is_dataset,
    read=read_dataset,
    open_row=open_dataset_row,
    last=True,  # many things have a length and items
)
