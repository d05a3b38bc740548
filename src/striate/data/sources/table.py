"""A table as a source: a file, or a frame of pandas or polars, one image per row."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from striate.data.columns import (
    find_image_column,
    find_label_columns,
    is_set_by_user,
    require_columns,
)
from striate.data.estimator_input import Stored
from striate.data.formats.header import Content
from striate.data.formats.read_file import (
    check_source_file,
    matching_ending,
    path_to_text,
    read_file,
    strip_ending,
    text_to_path,
)
from striate.data.formats.table_file import ENDINGS, TableFile, cell_text, read_table
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import SPLIT_NAMES, UNREAD_FORMATS, parse_split_name, suffix
from striate.data.listed_labels import WHOLE_NUMBER, normalise_multi_labels, read_row_labels
from striate.data.listed_paths import FoundPaths, ListedPath, find_listed_files, find_sample_files
from striate.data.sources import SourceKind
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Example, Index, ReadingOptions, Sentence, say


def read_table_source(source: object, options: ReadingOptions) -> Index:
    """A row for every image that a table lists, by the columns that the options name.

    Columns that are not named are told by their names and by what stands in them. Paths are
    relative to `options.root`, by default the folder of the table (of a frame: the working
    folder). Files that are not there are set aside. Raises `SourceMissingError` where all are
    missing, and `SourceError` where a column is missing or cannot be read.
    """
    table = _open_table(source, options)
    image = _find_image_column(table, options)
    labels = find_label_columns(table.columns, options, table.title, image, cell_text)
    for column in (image, *labels):
        _refuse_repeated_column(column, table)
    for name in ("group", "split_column", "weight"):
        if is_set_by_user(options, name):
            require_columns(name, getattr(options, name), list(table.columns), table.title)
    found = _find_files(table, image)
    several = len(labels) > 1
    written, label_notes = read_row_labels(table.columns, labels, options, table.title)
    rows = [*_table_rows(table, found, written, options), *_fault_rows(table)]
    examples, row_notes = _merge_repeated_paths(rows, options.task)
    given = {example.split for example in examples} - {""}
    marked = several and options.task != "label"
    return Index(
        root=str(table.root),
        name=table.name,
        kind="table",
        classes=tuple(sorted(labels)) if marked else (),
        task="labels" if marked or options.label_separator else "label",
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(name for name in SPLIT_NAMES if name in given),
        notes=(
            *table.file.notes,
            *_column_notes(table, image, labels, options),
            *found.notes,
            *label_notes,
            *row_notes,
            *_unused_weight_notes(table, options),
        ),
        address=table.title,
    )


def list_table_pictures(
    source: object, options: ReadingOptions
) -> tuple[list[tuple[str, Stored]], tuple[Sentence, ...]]:
    """The picture of every row of a table, in its order, with its path; labels are passed over.

    One that is not there raises `Unreadable` when it is read. The sentences say how the table was
    read. Raises what `find_listed_files` does.
    """
    table = _open_table(source, options)
    image = _find_image_column(table, options)
    _refuse_repeated_column(image, table)
    found = _find_files(table, image)
    pictures = []
    for number, each in enumerate(found.images):
        there = each.path and not each.reason
        name = path_to_text(Path(table.root, each.path)) if there else each.path
        read = partial(_read_listed_file, table.root, each)
        pictures.append((name or f"(row {number + 1})", Stored(read=read)))
    for fault in reversed(table.file.faults):
        read = partial(_read_listed_file, table.root, ListedPath(path="", reason=fault.why))
        pictures.insert(fault.before, (f"(line {fault.line})", Stored(read=read)))
    unlabelled = _column_notes(table, image, (), options)
    return pictures, (*table.file.notes, *unlabelled, *found.notes)


def _read_listed_file(root: Path, listed: ListedPath) -> bytes:
    if listed.reason:
        raise Unreadable(listed.reason)
    if suffix(listed.path) in UNREAD_FORMATS:
        raise Unreadable(UNREAD_FORMATS[suffix(listed.path)])
    return read_file(text_to_path(root, listed.path))


def open_listed_row(index: Index, row: int) -> Content:
    """The bytes of one listed file; raises `Unreadable`, also where it changed meanwhile."""
    example = index.examples[row]
    content = read_file(text_to_path(index.root, example.path))
    if example.bytes and len(content) != example.bytes:
        raise Unreadable("it was changed while it was being read")
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table and where its paths begin; `title` is what messages call it."""

    file: TableFile
    root: Path
    name: str
    title: str

    @property
    def columns(self) -> dict[str, Sequence[Any]]:
        """Its columns by name."""
        return self.file.columns


def _open_table(source: object, options: ReadingOptions) -> _Table:
    root = None if options.root is None else Path(options.root).expanduser()
    if root is not None and not root.is_dir():
        raise SourceMissingError(
            f"There is no folder {path_to_text(root)}.", "Give another --root."
        )
    ending = matching_ending(source, ENDINGS)
    if not ending:
        return _Table(
            file=_table_from_frame(source), root=root or Path(), name="table", title="the frame"
        )
    path = check_source_file(source)
    return _Table(
        file=read_table(path, ending, options.encoding),
        root=root or path.parent,
        name=strip_ending(path, ending),
        title=path_to_text(path),
    )


def _table_from_frame(source: Any) -> TableFile:
    names = [str(name) for name in source.columns]
    columns: dict[str, Sequence[Any]] = {}
    for name, own in zip(names, source.columns, strict=True):
        if names.count(name) == 1:
            columns[name] = list(source[own])
    twice = frozenset(name for name in names if names.count(name) > 1)
    return TableFile(columns=columns, twice=twice)


def _find_image_column(table: _Table, options: ReadingOptions) -> str:
    _refuse_repeated_column(options.image, table)

    def there(cells: Sequence[Any]) -> list[str]:
        texts = [_cell_path(cell) or "" for cell in cells]
        return find_sample_files(texts, table.root, table.name)

    return find_image_column(table.columns, options, table.title, there)


def _refuse_repeated_column(column: str, table: _Table) -> None:
    if column in table.file.twice:
        raise SourceError(
            f"{table.title} has several columns named {column}.",
            "Give each column a name of its own.",
        )


def _find_files(table: _Table, column: str) -> FoundPaths:
    cells = []
    for cell in table.columns[column]:
        text = _cell_path(cell)
        if text is None:
            raise UsageError(
                f"The column of images in {table.title} holds a {type(cell).__name__}, such "
                f"as {cell!r:.40}, not a path.",
                "Name the column of paths with --image.",
            )
        cells.append(text)
    return find_listed_files(cells, table.root, table.name)


def _cell_path(cell: Any) -> str | None:
    """The path in a cell as text, or None where the cell holds something else."""
    if isinstance(cell, str | os.PathLike):
        text = os.fsdecode(cell)
        try:
            return path_to_text(text).strip()
        except UnicodeEncodeError:
            return cell_text(text)
    if isinstance(cell, bool | bytes):
        return None
    text = cell_text(cell)
    return text if not text or WHOLE_NUMBER.fullmatch(text) else None


def _table_rows(
    table: _Table, found: FoundPaths, labels: Sequence[str], options: ReadingOptions
) -> Iterator[Example]:
    nothing = [""] * len(found.images)
    groups: Sequence[Any] = nothing
    if options.group_pattern is None:
        groups = table.columns.get(options.group, nothing)
    splits = _read_splits(table, options) or nothing
    for number, (image, label) in enumerate(zip(found.images, labels, strict=True)):
        reason = image.reason or ("" if label else _NO_LABEL)
        yield Example(
            path=image.path or f"(row {number + 1})",
            split=splits[number],
            label=label,
            group=cell_text(groups[number]),
            status="set_aside" if reason else "used",
            reason=reason,
        )


def _fault_rows(table: _Table) -> Iterator[Example]:
    for fault in table.file.faults:
        yield Example(path=f"(line {fault.line})", status="set_aside", reason=fault.why)


def _read_splits(table: _Table, options: ReadingOptions) -> list[str]:
    """The split of every row, or nothing where none is given or asked for."""
    if options.split != "auto" or options.split_column not in table.columns:
        return []
    words = [cell_text(cell) for cell in table.columns[options.split_column]]
    if not any(words):
        return []
    splits = [parse_split_name(word) for word in words]
    for word, split in zip(words, splits, strict=True):
        if not split:
            told = f"{word} for a split" if word else "no split for some images"
            raise SourceError(
                f"{table.title} has {told}; the split must be train, val or test.",
                "Correct the column, name another (--split-column), or make new splits: "
                "--split pool",
            )
    if "train" not in splits:
        raise SourceError(
            f"No image in {table.title} has the split train.", "Make new splits: --split pool"
        )
    return splits


def _merge_repeated_paths(
    examples: Sequence[Example], task: str
) -> tuple[list[Example], tuple[Sentence, ...]]:
    """One row a path: a repeated one counts once, one that contradicts itself is set aside.

    Where an image may have several labels it has those of all its rows.
    """
    rows: dict[str, list[Example]] = {}
    for example in examples:
        rows.setdefault(example.path, []).append(example)
    kept = [_merge_rows(each, task) for each in rows.values()]
    repeated = sum(len(each) - 1 for each in rows.values())
    contradicting = sum(example.reason.startswith(_SEVERAL["label"]) for example in kept)
    notes: list[Sentence] = []
    if repeated:
        told = "Rows that repeat an image; each image is counted once: {n:,}."
        notes.append(say("read.repeated", told, n=repeated))
    if contradicting:
        told = (
            "Images listed with several different labels, excluded: {n:,}. If an image "
            "may have several labels: --task labels"
        )
        notes.append(say("read.contradicting", told, n=contradicting))
    return kept, tuple(notes)


def _merge_rows(rows: list[Example], task: str) -> Example:
    rows = [row for row in rows if row.reason != _NO_LABEL] or rows
    first = rows[0]
    if first.status == "set_aside":
        return first
    for what, told in _SEVERAL.items():
        said = list(dict.fromkeys(getattr(row, what) for row in rows))
        if len(said) < 2:
            continue
        if what == "label" and task == "labels" and all(said):
            first = replace(first, label=normalise_multi_labels(said))
            continue
        listed = ", ".join(name[:60] for name in said[:5] if name)
        return replace(first, status="set_aside", label="", reason=f"{told}: {listed}")
    return first


def _column_notes(
    table: _Table, image: str, labels: tuple[str, ...], options: ReadingOptions
) -> tuple[Sentence, ...]:
    """Which columns were taken where nobody named them."""
    guessed = (
        image != options.image,
        bool(labels) and labels != (options.label,) and not is_set_by_user(options, "label"),
    )
    if not labels and guessed[0]:
        told = "Image paths are read from the column {image}. To use another: --image"
        return (say("read.image_column", told, image=image),)
    if any(guessed):
        told = (
            "Image paths are read from the column {image}, labels from {label}. To use "
            "others: --image and --label"
        )
        return (say("read.columns", told, image=image, label=", ".join(labels)),)
    return ()


def _unused_weight_notes(table: _Table, options: ReadingOptions) -> tuple[Sentence, ...]:
    if options.weight not in table.columns:
        return ()
    told = "The column {column} has no effect yet: all images have the same weight."
    return (say("read.weights_idle", told, column=options.weight),)


def is_table_source(source: object) -> bool:
    """Whether a source is a file of a table, or a frame."""
    frame = type(source).__module__.partition(".")[0] in {"pandas", "polars"}
    return bool(matching_ending(source, ENDINGS)) or (frame and hasattr(source, "columns"))


_NO_LABEL = "its label is missing"
_SEVERAL = {
    "label": "it is listed with several labels",
    "split": "it is listed in several splits",
    "group": "it is listed in several groups",
}

SOURCE = SourceKind(
    name="table", matches=is_table_source, read=read_table_source, open_row=open_listed_row
)
