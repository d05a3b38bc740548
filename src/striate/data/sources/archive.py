"""The source that was packed: class folders or given splits in a zip or tar, read in place."""

from dataclasses import replace
from functools import partial

from striate.data.estimator_input import Stored
from striate.data.formats.header import Content
from striate.data.formats.opened_archive import NOT_KEPT, OpenedArchive, open_archive
from striate.data.formats.read_file import ends_in, shown, source_file, without_ending
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import (
    UNREAD_FORMATS,
    Layout,
    bare_row,
    begins_like_picture,
    is_hidden,
    lay_out,
    looks_like_picture,
    suffix,
)
from striate.data.name_labels import label_by_name
from striate.data.sources import SourceKind
from striate.values import Example, Index, Options

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


def read_archive(source: object, options: Options) -> Index:
    """Every file in an archive, with label and given split; nothing is unpacked.

    The rows are those of the same folders on disk. Raises `SourceMissingError`, and
    `SourceError` where the archive is damaged, protected or names files outside of itself.
    """
    path = source_file(source)
    opened = open_archive(path)
    name = without_ending(path, ends_in(source, ENDINGS))
    layout = _layout([*opened.readers, *opened.refused], options, name)
    return Index(
        root=str(path),
        name=name,
        kind="archive",
        classes=(),
        examples=tuple(_judged(example, opened) for example in layout.examples),
        given_splits=layout.given_splits,
        notes=layout.notes,
    )


def pictures_in_archive(source: object) -> list[tuple[str, Stored]]:
    """Every picture in an archive, wherever it stands, by path; labels need not be there.

    What looks like a picture and cannot be read is among them. Raises what `read_archive` does.
    """
    path = source_file(source)
    opened = open_archive(path)
    names = sorted({*opened.readers, *opened.refused})
    return [
        (f"{shown(path)}/{name}", Stored(read=partial(_bytes_of, opened, name)))
        for name in names
        if _may_be_picture(name, opened)
    ]


def open_archive_row(index: Index, row: int) -> Content:
    """The bytes of one file inside the archive; raises `Unreadable`."""
    return open_archive(index.root).read(index.examples[row].path)


def _may_be_picture(name: str, opened: OpenedArchive) -> bool:
    if any(is_hidden(part) for part in name.split("/")):
        return False
    if looks_like_picture(name) or suffix(name) in UNREAD_FORMATS:
        return True
    try:
        return begins_like_picture(opened.read(name)[:16])
    except Unreadable:
        return False


def _bytes_of(opened: OpenedArchive, name: str) -> bytes:
    if suffix(name) in UNREAD_FORMATS:
        raise Unreadable(UNREAD_FORMATS[suffix(name)])
    return opened.read(name)


def _layout(paths: list[str], options: Options, name: str) -> Layout:
    if options.label_pattern is None:
        return lay_out(paths, splits_are_classes=options.classes_are_splits)
    return label_by_name([bare_row(path) for path in sorted(paths)], options.label_pattern, name)


def _judged(example: Example, opened: OpenedArchive) -> Example:
    """The row of a file, judged by its name, its kind and, where they say nothing, its start."""
    if example.status != "used":
        return example
    refused = opened.refused.get(example.path)
    if refused == NOT_KEPT:
        return replace(example, status="ignored", reason=refused)
    if refused:
        return replace(example, status="set_aside", reason=refused)
    if not looks_like_picture(example.path):
        try:
            start = opened.read(example.path)[:16]
        except Unreadable as error:
            return replace(example, status="set_aside", reason=error.reason)
        if not begins_like_picture(start):
            return replace(example, status="ignored", reason="not a picture")
    return example


SOURCE = SourceKind(
    name="archive",
    matches=lambda source: bool(ends_in(source, ENDINGS)),
    read=read_archive,
    open_row=open_archive_row,
)
