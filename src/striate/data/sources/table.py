"""The source that lists images: a table file, or a frame of pandas or polars, a row an image."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from striate.data.columns import asked, must_have
from striate.data.header import Content
from striate.data.layout import SPLIT_NAMES, split_named
from striate.data.picture_names import UNREAD_FORMATS, suffix
from striate.data.read_file import located, read_file, shown
from striate.data.source_file import ends_in, source_file, without_ending
from striate.data.sources import SourceKind
from striate.data.sources.memory import Stored
from striate.data.table_file import READERS, Columns, cell_text, read_table
from striate.data.unreadable import Unreadable
from striate.errors import SourceError, SourceMissingError, UsageError
from striate.values import Example, Index, Options, say

ENDINGS = tuple(READERS)
NAMED = 3
YES = ("1", "yes", "true", "y", "t")
NO = ("0", "no", "false", "n", "f", "-1")


def read_listed(source: object, options: Options) -> Index:
    """A row for every image that a table lists, by the columns that the options name.

    Paths are relative to `options.root`, by default the folder of the table (of a frame: the
    working folder). Raises `SourceMissingError` where a listed file is not there, and
    `SourceError` where a column is missing or cannot be read.
    """
    table = _opened(source, options)
    must_have("image", options.image, list(table.columns), table.title)
    several = _label_columns(table, options)
    for column in several or (options.label,):
        must_have("label", column, list(table.columns), table.title)
    for name in ("group", "split_column", "weight"):
        if asked(options, name):
            must_have(name, getattr(options, name), list(table.columns), table.title)
    examples = _once_each(list(_rows(table, options)), options.task)
    _must_be_there(examples, table)
    given = {example.split for example in examples} - {""}
    index = Index(
        root=str(table.root),
        name=table.name,
        kind="table",
        classes=tuple(sorted(several)),
        task="labels" if several else "label",
        examples=tuple(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(name for name in SPLIT_NAMES if name in given),
        address=table.title,
    )
    if options.weight in table.columns:
        idle = say(
            "read.weights_idle",
            "The column {column} has no effect yet: every image counts the same.",
            column=options.weight,
        )
        index = replace(index, notes=(*index.notes, idle))
    return index


def pictures_in_table(source: object, options: Options) -> list[tuple[str, Stored]]:
    """The picture of every row of a table, in its order, with its path; labels are passed over.

    One that is not there raises `Unreadable` when it is read. Raises what `read_listed` does.
    """
    table = _opened(source, options)
    must_have("image", options.image, list(table.columns), table.title)
    found = []
    for number, image in enumerate(table.columns[options.image]):
        path = _path(image, table)
        name = shown(Path(table.root, path)) if path else f"(row {number + 1})"
        found.append((name, Stored(read=partial(_bytes_of, table.root, path))))
    return found


def _bytes_of(root: Path, path: str) -> bytes:
    if not path:
        raise Unreadable("no image is named")
    if suffix(path) in UNREAD_FORMATS:
        raise Unreadable(UNREAD_FORMATS[suffix(path)])
    return read_file(located(root, path))


def open_listed_row(index: Index, row: int) -> Content:
    """The bytes of one listed file; raises `Unreadable`, also where it changed meanwhile."""
    example = index.examples[row]
    content = read_file(located(index.root, example.path))
    if example.bytes and len(content) != example.bytes:
        raise Unreadable("it changed while it was being read")
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table and where its paths begin; `title` is what messages call it."""

    columns: Columns
    root: Path
    name: str
    title: str


def _opened(source: object, options: Options) -> _Table:
    root = None if options.root is None else Path(options.root).expanduser()
    if root is not None and not root.is_dir():
        raise SourceMissingError(f"There is no folder {shown(root)}.", "Give another --root.")
    ending = ends_in(source, ENDINGS)
    if not ending:
        columns = _of_frame(source)
        return _Table(columns=columns, root=root or Path(), name="table", title="the frame")
    path = source_file(source)
    return _Table(
        columns=read_table(path, ending),
        root=root or path.parent,
        name=without_ending(path, ending),
        title=shown(path),
    )


def _of_frame(source: Any) -> Columns:
    return {str(name): list(source[name]) for name in source.columns}


def _rows(table: _Table, options: Options) -> Iterator[Example]:
    images = table.columns[options.image]
    several = _label_columns(table, options)
    labels = _joined(table, several) if several else table.columns[options.label]
    nothing = [""] * len(images)
    groups: Sequence[Any] = nothing
    if options.group_pattern is None:
        groups = table.columns.get(options.group, nothing)
    splits = _splits(table, options) or nothing
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = _path(image, table)
        example = Example(
            path=path or f"(row {number + 1})",
            split=splits[number],
            label=unicodedata.normalize("NFC", cell_text(label)),
            group=cell_text(groups[number]),
        )
        if not path:
            example = replace(example, status="set_aside", reason="no image is named")
        elif not example.label:
            example = replace(example, status="set_aside", reason="its label is missing")
        yield example


def _path(image: Any, table: _Table) -> str:
    """A listed path as striate writes it: relative to the root where it lies below."""
    if not isinstance(image, str | os.PathLike):
        if cell_text(image) == "":
            return ""
        raise UsageError(
            f"{table.title} lists images by {type(image).__name__}, such as {image!r:.40}.",
            "The column of images must hold paths; name another with --image.",
        )
    text = os.fspath(image)
    if not str(text).strip():
        return ""
    path = Path(text).expanduser()
    root = table.root.absolute()
    if path.is_absolute() and path.is_relative_to(root):
        path = path.relative_to(root)
    return shown(os.path.normpath(path)).replace(os.sep, "/")


def _splits(table: _Table, options: Options) -> list[str]:
    """The split of every row, or nothing where none is given or asked for."""
    if options.split != "auto" or options.split_column not in table.columns:
        return []
    words = [cell_text(cell) for cell in table.columns[options.split_column]]
    if not any(words):
        return []
    splits = [split_named(word) for word in words]
    for word, split in zip(words, splits, strict=True):
        if not split:
            told = f"{word} for a split" if word else "no split for some images"
            raise SourceError(
                f"{table.title} has {told}; train, val or test is due.",
                "Mend the column, name another (--split-column), or cut new splits: --split pool",
            )
    if "train" not in splits:
        raise SourceError(
            f"{table.title} has no image whose split is train.", "Cut new splits: --split pool"
        )
    return splits


def _label_columns(table: _Table, options: Options) -> tuple[str, ...]:
    """The columns that `--label a,b,c` names, one a label; none where it names one column."""
    names = tuple(name.strip() for name in options.label.split(","))
    return () if len(names) < 2 or options.label in table.columns else names


def _joined(table: _Table, columns: tuple[str, ...]) -> list[str]:
    """The labels `a|b` of every row, from columns that say yes or no; `|` where none is yes."""
    found = []
    for number in range(len(table.columns[columns[0]])):
        cells = {name: cell_text(table.columns[name][number]).casefold() for name in columns}
        for name, cell in cells.items():
            if cell not in (*YES, *NO):
                raise SourceError(
                    f"Row {number + 1:,} of {table.title} says {cell or 'nothing'} of {name}; "
                    "1 or 0, yes or no is due.",
                    "Mend that row, or name other columns with --label.",
                )
        found.append("|".join(name for name in columns if cells[name] in YES) or "|")
    return found


def _once_each(examples: list[Example], task: str) -> list[Example]:
    """One row a path: a repeated one counts once, one with several labels is set aside.

    Where an image may have several labels it has those of all its rows.
    """
    labels: dict[str, list[str]] = {}
    for example in examples:
        given = labels.setdefault(example.path, [])
        if example.label not in given:
            given.append(example.label)
    kept: dict[str, Example] = {}
    for example in examples:
        several = labels[example.path]
        if len(several) > 1 and task == "labels" and all(several):
            example = replace(example, label="|".join(several))
        elif len(several) > 1:
            reason = f"it is listed with several labels: {', '.join(several)}"
            example = replace(example, status="set_aside", label="", reason=reason)
        kept.setdefault(example.path, example)
    return list(kept.values())


def _must_be_there(examples: Sequence[Example], table: _Table) -> None:
    listed = [example for example in examples if not example.path.startswith("(row ")]
    gone = [e.path for e in listed if not os.path.lexists(located(table.root, e.path))]
    if not gone:
        return
    folders = Counter(str(Path(path).parent) for path in gone)
    near = shown(table.root.resolve() / folders.most_common(1)[0][0])
    more = ", …" if len(gone) > NAMED else ""
    raise SourceMissingError(
        f"{len(gone):,} of the {len(listed):,} images that {table.title} lists are not there: "
        f"{', '.join(gone[:NAMED])}{more}",
        f"They were looked for in {near}; paths begin at the folder that --root names.",
    )


def matches(source: object) -> bool:
    """Whether a source is a file of a table, or a frame."""
    frame = type(source).__module__.partition(".")[0] in {"pandas", "polars"}
    return bool(ends_in(source, ENDINGS)) or (frame and hasattr(source, "columns"))


SOURCE = SourceKind(name="table", matches=matches, read=read_listed, open_row=open_listed_row)
