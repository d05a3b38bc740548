"""A source -> its Index: every file met, header and hash read, classes settled, nothing decoded."""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.catalog import collect
from striate.data.class_names import settle_classes
from striate.data.columns import asked, must_be_of_use, to_judge
from striate.data.estimator_input import entry, unusable
from striate.data.formats.array_parts import paths_of
from striate.data.formats.header import Content, Header, pillow_hushed, read_header, warnings_of
from striate.data.formats.read_file import ends_in, located, read_file, shown
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import UNREAD_FORMATS, begins_like_picture, looks_like_picture, suffix
from striate.data.named_sets import set_name
from striate.data.sources import SourceKind, archive, folder, idx, memory, npz, table
from striate.data.split.grouping import grouped, grouped_to_judge
from striate.data.split_words import refuse_splits_as_classes
from striate.data.tasks import settle_task, task_of, written
from striate.errors import SourceError, StriateError, UsageError
from striate.values import Example, Index, Options, Sentence, names_in, say

CHUNK = 128
SMALL_FILE = 16 << 10

Opening = Callable[[Index, int], Content]


def read(source: object, options: Options) -> Index:
    """The index of a labelled source: rows by path, classes by code point.

    Files that cannot be pictures are ignored or set aside with a reason. Raises
    `SourceMissingError` and `SourceError` where nothing can be learnt from it.
    """
    for kind in _kinds().values():
        if kind.matches(source):
            must_be_of_use(kind.name, options)
            index = _told_of_name(kind.read(source, options), source)
            refuse_splits_as_classes(index, options)
            return settle_task(_with_headers(grouped(index, options)), options)
    raise UsageError(*_no_source(source))


def read_to_judge(source: object, options: Options, told: Collection[str] = ()) -> Index:
    """The index of a labelled source that a model is to be judged on: one class is enough.

    Groups are those of the run's column or pattern, where they are found here too; settings that
    are `told` of this source must fit it. Raises `SourceMissingError` and `SourceError` where no
    picture is there.
    """
    for kind in _kinds().values():
        if kind.matches(source):
            index = _with_headers(_to_judge(kind, source, options, told))
            index = grouped_to_judge(index, options.group_pattern)
            index = written(index, task_of(index, options))
            labels = {example.label for example in index.examples if example.status == "used"}
            if not labels:
                return settle_classes(index, options)
            return replace(index, classes=_names(index, labels))
    raise UsageError(*_no_source(source))


def read_images(images: Sequence[Any], options: Options = Options()) -> Index:  # noqa: B008
    """The index of pictures without labels, in the order given, folders read whole.

    An item is a path, a PIL image, an array, bytes or an open file; of a pair (image, label) the
    label is passed over. Files of arrays (`.npz`, IDX images) and archives are read whole, and of
    a table (also a frame) there is a row for each of its rows, in its order; `options` name its
    column of images and where its paths begin. What cannot be read is set aside with the reason,
    also a path that is not there (met in a folder, a file that is no picture is ignored). Raises
    `SourceError` where the only item is such a file of many and cannot be read.
    """
    paths: list[str] = []
    items: list[Any] = []
    notes: list[Sentence] = []
    for number, given in enumerate(images):
        item = entry(given) if not table.matches(given) else given
        if isinstance(item, str | os.PathLike) or table.matches(item):
            found, told = _behind(item, options, alone=len(images) == 1)
            notes += told
        else:
            found = [(f"{number:0{len(str(len(images)))}d}", item)]
        paths += [path for path, _ in found]
        items += [picture for _, picture in found]
    nothing = [""] * len(items)
    index = memory.index_of(paths, items, nothing, nothing)
    return _with_headers(replace(index, notes=tuple(notes)))


def open_row(index: Index, row: int) -> Content:
    """What is behind a row: bytes of a file, an array or a PIL image; raises `Unreadable`."""
    return _kinds()[index.kind].open_row(index, row)


def _to_judge(kind: SourceKind, source: object, options: Options, told: Collection[str]) -> Index:
    """The source, with the run's pattern of labels and column of groups where they fit here.

    Those that are `told` of this source must fit.
    """
    if options.label_pattern is not None:
        with suppress(*(() if "label_pattern" in told else (SourceError,))):
            return kind.read(source, to_judge(options))
        options = replace(options, label_pattern=None)
    if asked(options, "group"):
        with suppress(*(() if "group" in told else (SourceError,))):
            return kind.read(source, replace(to_judge(options), group=options.group))
    return kind.read(source, to_judge(options))


def _names(index: Index, labels: set[str]) -> tuple[str, ...]:
    if index.task == "number":
        return ()
    several = index.task == "labels"
    return tuple(sorted({name for label in labels for name in _parts(label, several)}))


def _parts(label: str, several: bool) -> tuple[str, ...]:
    return names_in(label) if several else (label,)


def _told_of_name(index: Index, source: object) -> Index:
    """The index with a note where what was read has the name of a classic set and is not it."""
    if index.kind in ("named", "memory", "dataset") or index.address == set_name(source):
        return index
    if not set_name(source):
        return index
    note = say(
        "read.local_name",
        "{name} is here on disk, so that was read, not the set of that name.",
        name=shown(str(source)),
    )
    return replace(index, notes=(*index.notes, note))


def _no_source(source: object) -> tuple[str, str]:
    return (
        f"A source cannot be a {type(source).__name__}.",
        "Give a folder, an archive, a table, arrays (.npz), IDX files, the name of a known set, "
        "a dataset or an iterable of (image, label), or a pair (images, labels).",
    )


def _kinds() -> dict[str, SourceKind]:
    kinds: dict[str, SourceKind] = collect("data.sources", "SOURCE")
    return {kind.name: kind for kind in sorted(kinds.values(), key=lambda kind: kind.last)}


def _behind(
    item: Any, options: Options, *, alone: bool
) -> tuple[Sequence[tuple[str, Any]], tuple[Sentence, ...]]:
    """The pictures behind a path or a frame, each with its path, or why there is none; notes."""
    gone = isinstance(item, str | os.PathLike) and not os.path.lexists(Path(item).expanduser())
    if gone:
        return [(shown(item), unusable("it is not there"))], ()
    try:
        if table.matches(item):
            return table.pictures_in_table(item, options)
        if ends_in(item, archive.ENDINGS):
            return archive.pictures_in_archive(item), ()
        arrays = _arrays(item)
    except StriateError as error:
        if alone:
            raise
        told = f"{error.sentence} {error.hint}".strip()
        name = shown(item) if isinstance(item, str | os.PathLike) else "frame"
        return [(name, unusable(told))], ()
    if arrays:
        pairs = [
            pair
            for name, pictures in arrays
            for pair in zip(paths_of(name, len(pictures)), pictures, strict=True)
        ]
        return pairs, ()
    return [(shown(path), path) for path in _expand(Path(item).expanduser())], ()


def _arrays(path: str | os.PathLike[str]) -> list[tuple[str, NDArray[Any]]]:
    """The arrays of images in a file of such, each with what its pictures are called after."""
    if ends_in(path, npz.ENDINGS):
        return [(f"{shown(path)}/{name}", array) for name, array in npz.arrays_of_images(path)]
    if idx.is_images_file(Path(path).expanduser()):
        return [(shown(path), array) for _, array in idx.arrays_of_images(path)]
    return []


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    rows = folder.files_below(path)
    return [file for file, row in rows if row.status != "ignored" and _may_be_picture(file)]


def _may_be_picture(path: Path) -> bool:
    named = looks_like_picture(path.name) or suffix(path.name) in UNREAD_FORMATS
    return named or _known_start(path)


def _with_headers(index: Index) -> Index:
    """The index with header and hash of every used row, read in threads where that is faster."""
    opened = _kinds()[index.kind].open_row
    everything = range(len(index.examples))
    parts = [everything[i : i + CHUNK] for i in range(CHUNK, len(everything), CHUNK)]
    with pillow_hushed():
        clock, busy = time.perf_counter(), time.thread_time()
        examples = [_looked_at(index, row, opened) for row in everything[:CHUNK]]
        waits = time.perf_counter() - clock > 2 * (time.thread_time() - busy)
        with ThreadPoolExecutor(_readers(examples, waits=waits)) as pool:
            for part in pool.map(lambda rows: [_looked_at(index, r, opened) for r in rows], parts):
                examples += part
    digest = hashlib.sha256()
    for e in examples:
        if e.status != "ignored":
            facts = "\0".join((e.path, e.split, e.label, e.group, e.bytes_hash))
            digest.update(f"{facts}\n".encode())
    return replace(index, examples=tuple(examples), content_hash=digest.hexdigest()[:32])


def _readers(first: list[Example], *, waits: bool) -> int:
    """Threads to read with, judged by the first files.

    Where files are small and at hand, most of the work is Python's own, which threads do not
    share but contend for: one is faster then (LOG 2026-11-24). A disk that lets wait is not.
    """
    sizes = [example.bytes for example in first if example.status == "used"]
    if sizes and not waits and sum(sizes) < SMALL_FILE * len(sizes):
        return 1
    return min(8, os.cpu_count() or 1)


def _looked_at(index: Index, row: int, opened: Opening) -> Example:
    example = index.examples[row]
    if example.status != "used":
        return example
    named = index.kind != "folder" or looks_like_picture(example.path)
    if not named and not _known_start(located(index.root, example.path)):
        return replace(example, status="ignored", reason="not a picture")
    warnings_of()
    size, digest = example.bytes, ""
    try:
        content = opened(index, row)
        size, digest = _size(content), _hash(content)
        header = read_header(content)
    except Unreadable as error:
        reason = "; ".join(filter(None, (error.reason, warnings_of())))
        return replace(example, status="set_aside", reason=reason, bytes=size, bytes_hash=digest)
    return replace(
        example,
        reason="; ".join(filter(None, (_frames(header), warnings_of()))),
        format=header.format,
        mode=header.mode,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        bytes=size,
        bytes_hash=digest,
    )


def _frames(header: Header) -> str:
    return f"the first of {header.frames:,} frames" if header.frames > 1 else ""


def _known_start(path: str | Path) -> bool:
    """Whether a file without a picture's name begins like a picture."""
    try:
        start = read_file(path, most=16)
    except Unreadable:
        return False
    return begins_like_picture(start)


def _size(content: Content) -> int:
    if isinstance(content, Image.Image):
        return content.width * content.height * len(content.getbands())
    return len(content) if isinstance(content, bytes) else content.nbytes


def _hash(content: Content) -> str:
    """SHA-256 of the bytes, 32 hex digits; of arrays and images also their shape and kind."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()[:32]
    array = np.ascontiguousarray(content)
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(array.tobytes() if array.dtype == object else array.data)
    return digest.hexdigest()[:32]
