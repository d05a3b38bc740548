"""A folder as a source: one sub-folder per class, or splits with such sub-folders."""

import difflib
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from striate.config.suggestions import nearest_word
from striate.data.formats.header import Content
from striate.data.formats.read_file import (
    as_source_path,
    path_to_text,
    read_file,
    reason_for_mode,
    text_to_path,
)
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import (
    SPLIT_NAMES,
    STRAY_REASON,
    UNREAD_FORMATS,
    beside_note,
    class_folder_notes,
    is_folder,
    is_hidden,
    looks_like_picture,
    stray_note,
    suffix,
)
from striate.data.name_labels import label_by_pattern
from striate.data.named_sets import NAMED_SETS
from striate.data.sources import SourceKind
from striate.errors import SourceError, SourceMissingError
from striate.values import Example, Index, ReadingOptions, Sentence, say


def read_folder(source: object, options: ReadingOptions) -> Index:
    """Every file below a folder, with label and given split; headers are not read yet.

    The first folder level is the class, or the split and then the class. Raises
    `SourceMissingError` and `SourceError`.
    """
    root = as_source_path(source)
    _refuse_no_folder(root)
    if options.label_pattern is not None:
        return _read_by_name(root, options.label_pattern)
    splits = {} if options.classes_are_splits else _find_given_splits(root)
    examples: list[Example] = []
    for entry in _entries(root):
        split = splits.get(entry.name, "")
        if splits and is_folder(entry) and split and not is_hidden(entry.name):
            _refuse_no_folder(Path(entry.path))
            for inner in _entries(Path(entry.path)):
                examples += _read_class_folder(inner, f"{path_to_text(entry.name)}/", split)
        elif splits and is_folder(entry):
            reason = "hidden" if is_hidden(entry.name) else "stands beside the given splits"
            examples.append(_ignored_row(path_to_text(entry.name), reason))
        else:
            examples += _read_class_folder(entry, "", "")
    return Index(
        root=str(root),
        name=_source_name(root),
        kind="folder",
        classes=(),
        examples=_drop_equal_names(sorted(examples, key=lambda example: example.path)),
        given_splits=tuple(name for name in SPLIT_NAMES if name in splits.values()),
        notes=tuple(_folder_notes(root, splits, examples)),
    )


def _read_by_name(root: Path, pattern: str) -> Index:
    rows = [example for _, example in list_files_below(root)]
    layout = label_by_pattern(rows, pattern, _source_name(root))
    return Index(
        root=str(root),
        name=_source_name(root),
        kind="folder",
        classes=(),
        examples=_drop_equal_names(list(layout.examples)),
        given_splits=layout.given_splits,
        notes=layout.notes,
    )


def _source_name(root: Path) -> str:
    return path_to_text(root.resolve().name) or "images"


def list_files_below(folder: Path) -> Iterator[tuple[Path, Example]]:
    """Every file below a folder without labels, in order of path; paths relative to it."""
    met = [(Path(path), row) for path, row in _walk_folder(str(folder), "")]
    yield from sorted(met, key=lambda pair: pair[1].path)


def open_folder_row(index: Index, row: int) -> Content:
    """The bytes of one file; raises `Unreadable`, also where it changed since it was listed."""
    example = index.examples[row]
    content = read_file(text_to_path(index.root, example.path))
    if example.bytes and len(content) != example.bytes:
        raise Unreadable("it was changed while it was being read")
    return content


def _refuse_no_folder(root: Path) -> None:
    if not root.exists():
        raise SourceMissingError(f"There is no folder {path_to_text(root)}.", _did_you_mean(root))
    if not root.is_dir():
        above = path_to_text(root.parent)
        raise SourceError(
            f"{path_to_text(root)} is a file, not a folder with a sub-folder per class.",
            f"Give the folder of classes, such as {above}, or unpack it first if it is an archive.",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise SourceError(
            f"There is no permission to read the folder {path_to_text(root)}.",
            f"Ask its owner, or type: chmod u+rx {path_to_text(root)}",
        )


def _did_you_mean(root: Path) -> str:
    there = root.parent
    while not there.is_dir():
        there, root = there.parent, there
    names = [entry.name for entry in _entries(there) if is_folder(entry)]
    known = nearest_word(root.name, NAMED_SETS) if there == root.parent else ""
    close = difflib.get_close_matches(root.name, names, n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(path_to_text(there / name) for name in close) + "?"
    if known:
        return f"Did you mean {known}, a known data set? Or check the path."
    return f"{path_to_text(there.resolve())} holds no folder of a similar name; check the path."


def _find_given_splits(root: Path) -> dict[str, str]:
    """Split of each folder name where the source brings splits, else nothing.

    A folder `train` may also be a class (bus, car, train): it is a split where it holds
    folders and either `val` or `test` stand beside it, or nothing does, or it holds two or
    more folders and no pictures of its own.
    """
    folders = [entry for entry in _entries(root) if is_folder(entry) and not is_hidden(entry.name)]
    role = {
        entry.name: name
        for entry in folders
        for name, aliases in SPLIT_NAMES.items()
        if entry.name.casefold() in aliases
    }
    train = [entry for entry in folders if role.get(entry.name) == "train"]
    if not train:
        return {}
    inside = [entry for above in train for entry in _entries(Path(above.path))]
    classes = [entry for entry in inside if is_folder(entry) and not is_hidden(entry.name)]
    pictures = any(not is_folder(entry) and looks_like_picture(entry.name) for entry in inside)
    alone = len(role) == len(folders)
    others = set(role.values()) - {"train"}
    if not classes or not (others or alone or (len(classes) > 1 and not pictures)):
        return {}
    return {
        name: split
        for name, split in role.items()
        if split == "train" or any(is_folder(entry) for entry in _entries(root / name))
    }


def _read_class_folder(entry: os.DirEntry[str], above: str, split: str) -> Iterator[Example]:
    """The rows of one class folder, or of whatever stands at its place."""
    path = above + path_to_text(entry.name)
    if is_hidden(entry.name):
        yield _ignored_row(path, "hidden", split)
        return
    if not is_folder(entry):
        if looks_like_picture(entry.name) and entry.is_file():
            yield Example(path=path, split=split, status="set_aside", reason=STRAY_REASON)
        else:
            yield _ignored_row(path, "not in a class folder", split)
        return
    label = unicodedata.normalize("NFC", path_to_text(entry.name))
    for _, example in _walk_folder(entry.path, path + "/", split, label):
        yield example if example.label else replace(example, split=split, label=label)


def _walk_folder(
    top: str, above: str, split: str = "", label: str = ""
) -> Iterator[tuple[str, Example]]:
    """Every file below a folder, each folder once, so that loops of links come to an end.

    Split and label stand on the rows in use already; making each row twice is slow.
    """
    above_all = {_identity(facts) for facts in map(_stat_folder, _ancestors(top)) if facts}
    met: set[tuple[int, int]] = set()
    waiting = [(top, above)]
    while waiting:
        folder, above = waiting.pop()
        try:
            facts = Path(folder).stat()
            entries = _entries(Path(folder), strict=True)
        except OSError as error:
            reason = f"the folder cannot be read ({error.strerror or error})"
            yield folder, Example(path=above.rstrip("/"), status="set_aside", reason=reason)
            continue
        if _identity(facts) in met or _identity(facts) in above_all:
            where = "above" if _identity(facts) in above_all else "that was read already"
            yield folder, _ignored_row(above.rstrip("/"), f"a link to a folder {where}")
            continue
        met.add(_identity(facts))
        inner = [entry for entry in entries if is_folder(entry) and not is_hidden(entry.name)]
        waiting += [
            (entry.path, f"{above}{path_to_text(entry.name)}/") for entry in reversed(inner)
        ]
        for entry in entries:
            path = above + path_to_text(entry.name)
            if is_hidden(entry.name):
                yield entry.path, _ignored_row(path, "hidden")
            elif not is_folder(entry):
                yield entry.path, _file_row(entry, path, split, label)


def _ancestors(top: str) -> Iterator[Path]:
    """The folders above one, as it is named and as it really lies."""
    yield from Path(top).absolute().parents
    yield from Path(os.path.realpath(top)).parents


def _stat_folder(folder: Path) -> os.stat_result | None:
    try:
        return folder.stat()
    except OSError:
        return None


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _file_row(entry: os.DirEntry[str], path: str, split: str, label: str) -> Example:
    """The row of one file, judged by its kind and name; its content is looked at later."""
    ending = suffix(entry.name)
    if ending in UNREAD_FORMATS:
        return Example(path=path, status="set_aside", reason=UNREAD_FORMATS[ending])
    try:
        facts = entry.stat()
    except OSError as error:
        reason = (
            "it is a link to something that does not exist"
            if entry.is_symlink()
            else str(error.strerror)
        )
        return Example(path=path, status="set_aside", reason=reason)
    if not stat.S_ISREG(facts.st_mode):
        return Example(path=path, status="set_aside", reason=reason_for_mode(facts.st_mode))
    return Example(path=path, split=split, label=label, bytes=facts.st_size)


def _entries(folder: Path, *, strict: bool = False) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError:
        if strict:
            raise
        return []


def _ignored_row(path: str, reason: str, split: str = "") -> Example:
    return Example(path=path, split=split, status="ignored", reason=reason)


def _drop_equal_names(examples: list[Example]) -> tuple[Example, ...]:
    """Two names that read the same (bytes that are no UTF-8) would be one path: one is kept."""
    kept: list[Example] = []
    for example in examples:
        if kept and kept[-1].path == example.path:
            reason = "another file's name reads the same"
            example = replace(example, status="set_aside", reason=reason)
        kept.append(example)
    return tuple(kept)


def _folder_notes(
    root: Path, splits: dict[str, str], examples: list[Example]
) -> Iterator[Sentence]:
    yield from class_folder_notes(examples)
    stray = sum(example.reason == STRAY_REASON for example in examples)
    if stray:
        yield stray_note(stray)
    beside = [e.path for e in examples if e.reason == "stands beside the given splits"]
    if beside:
        yield beside_note(beside)
    aliases = {alias for names in SPLIT_NAMES.values() for alias in names}
    if not splits and root.resolve().name.casefold() in aliases:
        siblings = [e.name for e in _entries(root.resolve().parent) if is_folder(e)]
        others = [name for name in siblings if name.casefold() in aliases]
        if len(others) > 1:
            yield say(
                "read.split_given",
                "{name} is one of the splits of {above}, and only this split was read. To "
                "use all splits, give {above}.",
                name=path_to_text(root.resolve().name),
                above=path_to_text(root.resolve().parent.name),
            )


SOURCE = SourceKind(
    name="folder",
    matches=lambda source: isinstance(source, str | os.PathLike),
    read=read_folder,
    open_row=open_folder_row,
    last=True,  # any text may be a path
)
