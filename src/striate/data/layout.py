"""Paths of files below a source -> class, given split, or why ignored: the rules for folders."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from striate.data.picture_names import UNREAD_FORMATS, is_hidden, looks_like_picture, suffix
from striate.values import Example, Sentence, say

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
STRAY = "its label is missing: a picture outside the class folders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What paths say: a row for each, in order of path, and the splits that they bring."""

    examples: tuple[Example, ...]
    given_splits: tuple[str, ...]
    notes: tuple[Sentence, ...]


def lay_out(paths: Iterable[str], *, splits_are_classes: bool = False) -> Layout:
    """The layout of paths of files with `/` between folders.

    The first folder level is the class, or the split and then the class, as in a folder.
    """
    paths = sorted(paths)
    splits = {} if splits_are_classes else _given_splits(paths)
    examples = tuple(_row(path, splits) for path in paths)
    return Layout(
        examples=examples,
        given_splits=tuple(name for name in SPLIT_NAMES if name in splits.values()),
        notes=tuple(_notes(examples)),
    )


def bare_row(path: str) -> Example:
    """The row of a path whose folders say nothing."""
    if any(is_hidden(part) for part in path.split("/")):
        return Example(path=path, status="ignored", reason="hidden")
    unread = UNREAD_FORMATS.get(suffix(path))
    return Example(path=path, status="set_aside" if unread else "used", reason=unread or "")


def split_named(word: str) -> str:
    """The split that a word names, in upper or lower case, or nothing."""
    return next((name for name, words in SPLIT_NAMES.items() if word.casefold() in words), "")


def stray_note(count: int) -> Sentence:
    """That pictures stand outside the class folders."""
    return say(
        "read.stray",
        "Pictures outside the class folders, set aside since they have no label: {n:,}.",
        n=count,
    )


def beside_note(folders: Iterable[str]) -> Sentence:
    """That folders stand beside the given splits."""
    return say(
        "read.beside_splits",
        "Ignored beside the given splits: {folders}.",
        folders=", ".join(folders),
    )


def _given_splits(paths: list[str]) -> dict[str, str]:
    """Split of each folder name where the paths bring splits, else nothing.

    A folder `train` may also be a class (bus, car, train): the rule is that of folders on disk.
    """
    parts = [path.split("/") for path in paths]
    folders = {each[0] for each in parts if len(each) > 1 and not is_hidden(each[0])}
    role = {name: split for name in folders if (split := split_named(name))}
    inside = [each for each in parts if role.get(each[0]) == "train" and len(each) > 1]
    classes = {(each[0], each[1]) for each in inside if len(each) > 2 and not is_hidden(each[1])}
    pictures = any(len(each) == 2 and looks_like_picture(each[1]) for each in inside)
    alone = len(role) == len(folders)
    others = set(role.values()) - {"train"}
    if not classes or not (others or alone or (len(classes) > 1 and not pictures)):
        return {}
    deep = {each[0] for each in parts if len(each) > 2}
    return {name: split for name, split in role.items() if split == "train" or name in deep}


def _row(path: str, splits: dict[str, str]) -> Example:
    parts = path.split("/")
    split = splits.get(parts[0], "") if len(parts) > 1 else ""
    if any(is_hidden(part) for part in parts):
        return Example(path=path, split=split, status="ignored", reason="hidden")
    if splits and len(parts) > 1 and not split:
        return Example(path=path, status="ignored", reason="stands beside the given splits")
    inner = parts[1:] if split else parts
    if len(inner) == 1:
        if looks_like_picture(path):
            return Example(path=path, split=split, status="set_aside", reason=STRAY)
        return Example(path=path, split=split, status="ignored", reason="not in a class folder")
    label = unicodedata.normalize("NFC", inner[0])
    unread = UNREAD_FORMATS.get(suffix(path))
    if unread:
        return Example(path=path, split=split, label=label, status="set_aside", reason=unread)
    return Example(path=path, split=split, label=label)


def _notes(examples: tuple[Example, ...]) -> Iterator[Sentence]:
    stray = sum(example.reason == STRAY for example in examples)
    if stray:
        yield stray_note(stray)
    beside = [e.path for e in examples if e.reason == "stands beside the given splits"]
    if beside:
        yield beside_note(sorted({path.split("/")[0] for path in beside}))
