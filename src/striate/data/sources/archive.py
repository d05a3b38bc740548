"""An archive as a source: class folders or splits in a zip or tar, read without unpacking."""

from dataclasses import replace
from functools import partial

from striate.data.estimator_input import Stored
from striate.data.formats.header import Content
from striate.data.formats.opened_archive import NOT_KEPT, OpenedArchive, open_archive
from striate.data.formats.read_file import (
    check_source_file,
    matching_ending,
    path_to_text,
    strip_ending,
)
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import (
    UNREAD_FORMATS,
    Layout,
    bare_row,
    has_picture_signature,
    is_hidden,
    looks_like_picture,
    read_layout,
    suffix,
)
from striate.data.name_labels import label_by_pattern
from striate.data.sources import SourceKind
from striate.values import Example, Index, ReadingOptions

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


def read_archive(source: object, options: ReadingOptions) -> Index:
    """Every file in an archive, with label and given split; nothing is unpacked.

    The rows are those of the same folders on disk. Raises `SourceMissingError`, and
    `SourceError` where the archive is damaged, protected or names files outside of itself.
    """
    path = check_source_file(source)
    opened = open_archive(path)
    name = strip_ending(path, matching_ending(source, ENDINGS))
    layout = _read_layout([*opened.readers, *opened.refused], options, name)
    return Index(
        root=str(path),
        name=name,
        kind="archive",
        classes=(),
        examples=tuple(_judge_member(example, opened) for example in layout.examples),
        given_splits=layout.given_splits,
        notes=layout.notes,
    )


def list_archive_pictures(source: object) -> list[tuple[str, Stored]]:
    """Every picture in an archive, wherever it stands, by path; labels need not be there.

    What looks like a picture and cannot be read is among them. Raises what `read_archive` does.
    """
    path = check_source_file(source)
    opened = open_archive(path)
    names = sorted({*opened.readers, *opened.refused})
    return [
        (f"{path_to_text(path)}/{name}", Stored(read=partial(_read_member, opened, name)))
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
        return has_picture_signature(opened.read(name)[:16])
    except Unreadable:
        return False


def _read_member(opened: OpenedArchive, name: str) -> bytes:
    if suffix(name) in UNREAD_FORMATS:
        raise Unreadable(UNREAD_FORMATS[suffix(name)])
    return opened.read(name)


def _read_layout(paths: list[str], options: ReadingOptions, name: str) -> Layout:
    if options.label_pattern is None:
        return read_layout(paths, splits_are_classes=options.classes_are_splits)
    return label_by_pattern([bare_row(path) for path in sorted(paths)], options.label_pattern, name)


def _judge_member(example: Example, opened: OpenedArchive) -> Example:
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
        if not has_picture_signature(start):
            return replace(example, status="ignored", reason="not a picture")
    return example


SOURCE = SourceKind(
    name="archive",
    matches=lambda source: bool(matching_ending(source, ENDINGS)),
    read=read_archive,
    open_row=open_archive_row,
)
