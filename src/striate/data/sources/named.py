"""A known data set as a source, found on disk or downloaded by torchvision."""

import contextlib
import importlib
import io
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.data.formats.array_parts import (
    ArrayPart,
    check_picture_array,
    index_of_parts,
    move_channels_last,
    name_class_numbers,
    read_picture,
)
from striate.data.formats.cifar import read_batches, read_class_names
from striate.data.formats.dataset_items import find_item_files
from striate.data.formats.header import Content
from striate.data.formats.read_file import path_to_text
from striate.data.layout import SPLIT_NAMES
from striate.data.named_sets import NAMED_SETS, NamedSet, find_set_name
from striate.data.sources import SourceKind
from striate.data.sources.idx import find_pairs, index_of_pairs
from striate.errors import SourceError, SourceMissingError
from striate.values import Example, Index, ReadingOptions

TIMEOUT_SECONDS = 10.0


def read_named(source: object, options: ReadingOptions) -> Index:
    """The images of a classic set with its own splits.

    It is looked for in `options.data_root`, where nothing is ever written; without that in the
    user's cache folder, to which torchvision fetches it where it is not there. Raises
    `SourceMissingError` where it is in neither, and `SourceError` where its files are damaged.
    """
    name = find_set_name(source)
    known = NAMED_SETS[name]
    base = _data_root(options)
    root = _find_set_root(known, base)
    if root is None:
        if options.data_root is not None:
            raise SourceMissingError(
                f"{path_to_text(base)} does not hold {name}: there is no {known.folder} in it.",
                "Unpack the data set there, or leave --data-root out to download it: striate "
                f"fit {name}",
            )
        root = _ensure_fetched(name, known, base)
    try:
        return replace(_FORMS[known.form](name, root), name=name, address=name)
    except (RuntimeError, OSError, ValueError, LookupError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{name} in {path_to_text(root)} cannot be read: {_first_line(error)}",
            "Download or unpack it again.",
        ) from None


def open_named_row(index: Index, row: int) -> Content:
    """One picture of a set that is held in arrays; raises `Unreadable`."""

    def array(split: str) -> NDArray[Any]:
        with _OPENING:
            return _load_parts(index.name, index.root)[split].images

    return read_picture(index.examples[row].path, array)


def _data_root(options: ReadingOptions) -> Path:
    if options.data_root is None:
        named_folder = os.environ.get("STRIATE_CACHE")
        base = named_folder or platformdirs.user_cache_dir("striate")
        return Path(base).expanduser() / "sets"
    base_folder = Path(options.data_root).expanduser()
    if not base_folder.is_dir():
        raise SourceMissingError(
            f"There is no folder {path_to_text(base_folder)}.", "Give another --data-root."
        )
    return base_folder


def _find_set_root(known: NamedSet, base: Path) -> Path | None:
    """The folder that torchvision calls the root; the set's own folder may be given as well."""
    parts = Path(known.folder).parts
    roots = [base] + [base.absolute().parent] * (base.name == parts[0])
    if parts[1:] and base.absolute().parts[-2:] == parts:
        roots.append(base.absolute().parents[1])
    found = next((root for root in roots if (root / known.folder).exists()), None)
    if found is None and known.form == "idx" and find_pairs(base):
        return base
    return found


def _ensure_fetched(name: str, known: NamedSet, base: Path) -> Path:
    """The root to which torchvision has fetched a set; raises `SourceMissingError`."""
    told = f"{name} is not in {path_to_text(base)}, and"
    hint = f"If you have its files: striate fit {name} --data-root FOLDER"
    if os.environ.get("HF_HUB_OFFLINE", "").casefold() in ("1", "true", "yes", "on"):
        raise SourceMissingError(f"{told} HF_HUB_OFFLINE forbids the download.", hint)
    try:
        base.mkdir(parents=True, exist_ok=True)
        with _quiet_download():
            _fetch_set(known, base)
    except Exception as error:  # torchvision and urllib raise whatever they met
        raise SourceMissingError(
            f"{told} torchvision could not download it: {_first_line(error)}", hint
        ) from None
    return base


def _fetch_set(known: NamedSet, base: Path) -> None:
    made = _torchvision_class(known)
    if known.form == "batches":  # its class would unpickle what it has fetched
        tools = importlib.import_module("torchvision.datasets.utils")
        tools.download_and_extract_archive(
            made.url, str(base), filename=made.filename, md5=made.tgz_md5
        )
        return
    for _, value in known.splits or (("", None),):
        made(str(base), **({known.argument: value} if value is not None else {}), download=True)


@contextlib.contextmanager
def _quiet_download() -> Iterator[None]:
    """Without the bars of downloads, and with an end to waiting."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _torchvision_class(known: NamedSet) -> Any:
    return getattr(importlib.import_module("torchvision.datasets"), known.called)


def _index_from_idx(name: str, root: Path) -> Index:
    known = NAMED_SETS[name]
    folder = root / known.folder
    classes = [text.split(" - ")[0] for text in _torchvision_class(known).classes]
    return index_of_pairs(find_pairs(folder if folder.exists() else root), classes)


def _index_from_files(name: str, root: Path) -> Index:
    examples: list[Example] = []
    for split, dataset in _open_datasets(NAMED_SETS[name], root):
        pairs = find_item_files(dataset)
        if not pairs:
            raise SourceError(
                f"{name} in {path_to_text(root)} has a layout that this version of striate "
                "does not know.",
                "Give the folder of its classes.",
            )
        labels = [label for _, label in pairs]
        names = getattr(dataset, "classes", None)
        texts = (
            name_class_numbers(labels, [_plain_name(n) for n in names], name)
            if names
            else map(str, labels)
        )
        for (path, _), label in zip(pairs, texts, strict=True):
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            examples.append(Example(path=relative, label=label, split=split))
    given = {example.split for example in examples}
    return Index(
        root=str(root),
        name=name,
        kind="table",
        classes=(),
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(split for split in SPLIT_NAMES if split in given),
    )


def _index_from_arrays(name: str, root: Path) -> Index:
    with _OPENING:
        parts = _load_parts(name, str(root))
    return index_of_parts(list(parts.values()), root=str(root), name=name, kind="named")


@lru_cache(maxsize=2)
def _load_parts(name: str, root: str) -> dict[str, ArrayPart]:
    """The arrays of a set by split, opened once."""
    known = NAMED_SETS[name]
    read = _read_cifar_batches if known.form == "batches" else _read_with_torchvision
    return {
        split: ArrayPart(name=split, images=images, labels=labels, splits=[split] * len(labels))
        for split, images, labels in read(known, Path(root))
    }


def _read_cifar_batches(
    known: NamedSet, root: Path
) -> Iterator[tuple[str, NDArray[Any], list[str]]]:
    made = _torchvision_class(known)
    folder = root / known.folder
    names = read_class_names(folder, made.meta["filename"], made.meta["md5"], made.meta["key"])
    for split, files in (("train", made.train_list), ("test", made.test_list)):
        images, labels = read_batches(folder, [tuple(pair) for pair in files])
        yield split, images, name_class_numbers(labels, names, known.called)


def _read_with_torchvision(
    known: NamedSet, root: Path
) -> Iterator[tuple[str, NDArray[Any], list[str]]]:
    for split, dataset in _open_datasets(known, root):
        images = np.asarray(dataset.data)
        labels = [int(n) for n in getattr(dataset, "labels", getattr(dataset, "targets", ()))]
        names = getattr(dataset, "classes", None) or [str(n) for n in range(max(labels) + 1)]
        pictures = move_channels_last(images) if images.ndim == 4 else images
        yield (
            split,
            check_picture_array(pictures, known.called),
            name_class_numbers(labels, names, known.called),
        )


def _open_datasets(known: NamedSet, root: Path) -> Iterator[tuple[str, Any]]:
    made = _torchvision_class(known)
    for split, value in known.splits or (("", None),):
        arguments = {known.argument: value} if value is not None else {}
        yield split, made(str(root), **arguments)


def _plain_name(name: Any) -> str:
    return ", ".join(name) if isinstance(name, tuple) else str(name)


def _first_line(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{text.rstrip('.')}."


_OPENING = threading.Lock()
_FORMS = {
    "idx": _index_from_idx,
    "files": _index_from_files,
    "batches": _index_from_arrays,
    "arrays": _index_from_arrays,
}

SOURCE = SourceKind(
    name="named",
    matches=lambda source: bool(find_set_name(source)) and not os.path.lexists(str(source)),
    read=read_named,
    open_row=open_named_row,
)
