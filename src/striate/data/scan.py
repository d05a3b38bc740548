"""From a source to its index: files found, headers and hashes read, nothing decoded."""

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

from striate.data.class_names import settle_classes
from striate.data.columns import is_set_by_user, options_for_evaluation, refuse_useless_columns
from striate.data.estimator_input import entry, unusable
from striate.data.formats.array_parts import number_paths
from striate.data.formats.header import (
    Content,
    Header,
    capture_pillow_warnings,
    read_header,
    take_warnings,
)
from striate.data.formats.read_file import matching_ending, path_to_text, read_file, text_to_path
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import UNREAD_FORMATS, has_picture_signature, looks_like_picture, suffix
from striate.data.named_sets import find_set_name
from striate.data.sources import SourceKind, archive, folder, idx, memory, npz, table
from striate.data.split.grouping import set_evaluation_groups, set_groups
from striate.data.split_words import refuse_splits_as_classes
from striate.data.tasks import infer_task, settle_task, write_labels
from striate.errors import SourceError, StriateError, UsageError
from striate.values import Example, Index, ReadingOptions, Sentence, names_in, say
from striate.values.catalog import collect_constants

CHUNK = 128
SMALL_FILE = 16 << 10

Opening = Callable[[Index, int], Content]


def read_index(source: object, options: ReadingOptions) -> Index:
    """The index of a labelled source: rows by path, classes by code point.

    Files that cannot be pictures are ignored or set aside with a reason. Raises
    `SourceMissingError` and `SourceError` where nothing can be learnt from it.
    """
    for kind in _source_kinds().values():
        if kind.matches(source):
            refuse_useless_columns(kind.name, options)
            index = _note_name_of_classic_set(kind.read(source, options), source)
            refuse_splits_as_classes(index, options)
            return settle_task(_read_headers(set_groups(index, options)), options)
    raise UsageError(*_no_source_message(source))


def read_evaluation_index(
    source: object, options: ReadingOptions, told: Collection[str] = ()
) -> Index:
    """The index of a labelled source that a model is to be judged on: one class is enough.

    Groups are those of the run's column or pattern, if found here too; settings that are `told` of
    this source must fit it. Raises `SourceMissingError` and `SourceError` if there are no images.
    """
    for kind in _source_kinds().values():
        if kind.matches(source):
            index = _read_headers(_evaluation_options(kind, source, options, told))
            index = set_evaluation_groups(index, options.group_pattern)
            index = write_labels(index, infer_task(index, options))
            labels = {example.label for example in index.examples if example.status == "used"}
            if not labels:
                return settle_classes(index, options)
            return replace(index, classes=_class_names_of(index, labels))
    raise UsageError(*_no_source_message(source))


# ReadingOptions is frozen, so one default serves all calls.
# ReadingOptions is frozen, so one default can serve every call.
def read_unlabelled(images: Sequence[Any], options: ReadingOptions = ReadingOptions()) -> Index:  # noqa: B008
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
        item = entry(given) if not table.is_table_source(given) else given
        if isinstance(item, str | os.PathLike) or table.is_table_source(item):
            found, told = _behind(item, options, alone=len(images) == 1)
            notes += told
        else:
            found = [(f"{number:0{len(str(len(images)))}d}", item)]
        paths += [path for path, _ in found]
        items += [picture for _, picture in found]
    nothing = [""] * len(items)
    index = memory.index_of_pictures(paths, items, nothing, nothing)
    return _read_headers(replace(index, notes=tuple(notes)))


def open_row(index: Index, row: int) -> Content:
    """The content of a row: bytes of a file, an array or a PIL image; raises `Unreadable`."""
    return _source_kinds()[index.kind].open_row(index, row)


def _evaluation_options(
    kind: SourceKind, source: object, options: ReadingOptions, told: Collection[str]
) -> Index:
    """The source, with the run's pattern of labels and column of groups where they fit here.

    Those that are `told` of this source must fit.
    """
    if options.label_pattern is not None:
        with suppress(*(() if "label_pattern" in told else (SourceError,))):
            return kind.read(source, options_for_evaluation(options))
        options = replace(options, label_pattern=None)
    if is_set_by_user(options, "group"):
        with suppress(*(() if "group" in told else (SourceError,))):
            return kind.read(source, replace(options_for_evaluation(options), group=options.group))
    return kind.read(source, options_for_evaluation(options))


def _class_names_of(index: Index, labels: set[str]) -> tuple[str, ...]:
    if index.task == "number":
        return ()
    several = index.task == "labels"
    return tuple(sorted({name for label in labels for name in _label_parts(label, several)}))


def _label_parts(label: str, several: bool) -> tuple[str, ...]:
    return names_in(label) if several else (label,)


def _note_name_of_classic_set(index: Index, source: object) -> Index:
    """The index with a note where what was read has the name of a classic set and is not it."""
    if index.kind in ("named", "memory", "dataset") or index.address == find_set_name(source):
        return index
    if not find_set_name(source):
        return index
    note = say(
        "read.local_name",
        "{name} exists on disk, so it was read instead of the data set of that name.",
        name=path_to_text(str(source)),
    )
    return replace(index, notes=(*index.notes, note))


def _no_source_message(source: object) -> tuple[str, str]:
    return (
        f"A source cannot be a {type(source).__name__}.",
        "Give a folder, an archive, a table, arrays (.npz), IDX files, the name of a "
        "known data set, a dataset or an iterable of (image, label), or a pair "
        "(images, labels).",
    )


def _source_kinds() -> dict[str, SourceKind]:
    kinds: dict[str, SourceKind] = collect_constants("data.sources", "SOURCE")
    return {kind.name: kind for kind in sorted(kinds.values(), key=lambda kind: kind.last)}


def _behind(
    item: Any, options: ReadingOptions, *, alone: bool
) -> tuple[Sequence[tuple[str, Any]], tuple[Sentence, ...]]:
    """The pictures behind a path or a frame, each with its path, or why there is none; notes."""
    gone = isinstance(item, str | os.PathLike) and not os.path.lexists(Path(item).expanduser())
    if gone:
        return [(path_to_text(item), unusable("it does not exist"))], ()
    try:
        if table.is_table_source(item):
            return table.list_table_pictures(item, options)
        if matching_ending(item, archive.ENDINGS):
            return archive.list_archive_pictures(item), ()
        arrays = _arrays_in_file(item)
    except StriateError as error:
        if alone:
            raise
        told = f"{error.sentence} {error.hint}".strip()
        name = path_to_text(item) if isinstance(item, str | os.PathLike) else "frame"
        return [(name, unusable(told))], ()
    if arrays:
        pairs = [
            pair
            for name, pictures in arrays
            for pair in zip(number_paths(name, len(pictures)), pictures, strict=True)
        ]
        return pairs, ()
    return [(path_to_text(path), path) for path in _expand_path(Path(item).expanduser())], ()


def _arrays_in_file(path: str | os.PathLike[str]) -> list[tuple[str, NDArray[Any]]]:
    """The arrays of images in a file of such, each with what its pictures are called after."""
    if matching_ending(path, npz.ENDINGS):
        return [
            (f"{path_to_text(path)}/{name}", array) for name, array in npz.read_npz_pictures(path)
        ]
    if idx.is_images_file(Path(path).expanduser()):
        return [(path_to_text(path), array) for _, array in idx.read_idx_pictures(path)]
    return []


def _expand_path(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    rows = folder.list_files_below(path)
    return [file for file, row in rows if row.status != "ignored" and _may_be_picture(file)]


def _may_be_picture(path: Path) -> bool:
    named = looks_like_picture(path.name) or suffix(path.name) in UNREAD_FORMATS
    return named or _has_picture_start(path)


def _read_headers(index: Index) -> Index:
    """The index with header and hash of every used row, read in threads where that is faster."""
    opened = _source_kinds()[index.kind].open_row
    everything = range(len(index.examples))
    parts = [everything[i : i + CHUNK] for i in range(CHUNK, len(everything), CHUNK)]
    with capture_pillow_warnings():
        clock, busy = time.perf_counter(), time.thread_time()
        examples = [_read_row_header(index, row, opened) for row in everything[:CHUNK]]
        waits = time.perf_counter() - clock > 2 * (time.thread_time() - busy)
        with ThreadPoolExecutor(_choose_threads(examples, waits=waits)) as pool:
            for part in pool.map(
                lambda rows: [_read_row_header(index, r, opened) for r in rows], parts
            ):
                examples += part
    digest = hashlib.sha256()
    for e in examples:
        if e.status != "ignored":
            facts = "\0".join((e.path, e.split, e.label, e.group, e.bytes_hash))
            digest.update(f"{facts}\n".encode())
    return replace(index, examples=tuple(examples), content_hash=digest.hexdigest()[:32])


def _choose_threads(first: list[Example], *, waits: bool) -> int:
    """The number of threads to read with, from the first files.

    With small files in the disk cache most of the work is Python code, for which one thread is
    fastest (LOG 2026-11-24); with a slow disk several are.
    """
    sizes = [example.bytes for example in first if example.status == "used"]
    if sizes and not waits and sum(sizes) < SMALL_FILE * len(sizes):
        return 1
    return min(8, os.cpu_count() or 1)


def _read_row_header(index: Index, row: int, opened: Opening) -> Example:
    example = index.examples[row]
    if example.status != "used":
        return example
    named = index.kind != "folder" or looks_like_picture(example.path)
    if not named and not _has_picture_start(text_to_path(index.root, example.path)):
        return replace(example, status="ignored", reason="not a picture")
    take_warnings()
    size, digest = example.bytes, ""
    try:
        content = opened(index, row)
        size, digest = _content_size(content), _hash_content(content)
        header = read_header(content)
    except Unreadable as error:
        reason = "; ".join(filter(None, (error.reason, take_warnings())))
        return replace(example, status="set_aside", reason=reason, bytes=size, bytes_hash=digest)
    return replace(
        example,
        reason="; ".join(filter(None, (_frames_note(header), take_warnings()))),
        format=header.format,
        mode=header.mode,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        bytes=size,
        bytes_hash=digest,
    )


def _frames_note(header: Header) -> str:
    return f"only the first of {header.frames:,} frames" if header.frames > 1 else ""


def _has_picture_start(path: str | Path) -> bool:
    """Whether a file without a picture's name begins like a picture."""
    try:
        start = read_file(path, most=16)
    except Unreadable:
        return False
    return has_picture_signature(start)


def _content_size(content: Content) -> int:
    if isinstance(content, Image.Image):
        return content.width * content.height * len(content.getbands())
    return len(content) if isinstance(content, bytes) else content.nbytes


def _hash_content(content: Content) -> str:
    """SHA-256 of the bytes, 32 hex digits; of arrays and images also their shape and kind."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()[:32]
    array = np.ascontiguousarray(content)
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(array.tobytes() if array.dtype == object else array.data)
    return digest.hexdigest()[:32]
