"""An `.npz` file as a source: images and labels, with or without splits."""

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from striate.data.columns import is_set_by_user
from striate.data.formats.array_file import StoredArray, list_npz_arrays
from striate.data.formats.array_parts import (
    ArrayPart,
    check_picture_array,
    decode_labels,
    index_of_parts,
    read_picture,
)
from striate.data.formats.header import Content
from striate.data.formats.read_file import (
    check_source_file,
    matching_ending,
    path_to_text,
    strip_ending,
)
from striate.data.layout import parse_split_name
from striate.data.sources import SourceKind
from striate.errors import SourceError
from striate.values import Index, ReadingOptions, say

ENDINGS = (".npz", ".npy")

Arrays = dict[str, StoredArray]


def read_npz(source: object, options: ReadingOptions) -> Index:
    """The images of an `.npz` with their labels, and the splits, groups and names it brings.

    Arrays are told by their names: images and labels, x and y, data and target, also with a
    split (x_train, test_labels); or as `--image` and `--label` say. Raises `SourceMissingError`,
    and `SourceError` where it is damaged, holds Python objects, or lacks images or labels.
    """
    path = _check_file(source)
    arrays = list_npz_arrays(path)
    roles = find_array_roles(arrays, options)
    names: list[str] = []
    if roles.class_names:
        names = decode_labels(
            arrays[roles.class_names].load(), (), _array_label(path, roles.class_names)
        )
    parts = [
        _load_part(path, arrays, split, found, names)
        for split, found in sorted(roles.by_split.items())
    ]
    if not parts:
        raise _missing_array_error(path, arrays, "image")
    index = index_of_parts(
        parts,
        root=str(path),
        name=strip_ending(path, matching_ending(source, ENDINGS)),
        kind="npz",
    )
    if not roles.unread:
        return index
    unread = ", ".join(roles.unread)
    note = say(
        "read.unread_arrays", "Arrays in the file that were not read: {names}.", names=unread
    )
    return replace(index, notes=(*index.notes, note))


def read_npz_pictures(source: object) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array of images in an `.npz` with its name; labels need not be there."""
    path = _check_file(source)
    arrays = list_npz_arrays(path)
    found = find_array_roles(arrays, ReadingOptions()).by_split
    names = [roles["image"] for _, roles in sorted(found.items()) if "image" in roles]
    if not names:
        raise _missing_array_error(path, arrays, "image")
    for name in names:
        yield name, check_picture_array(arrays[name].load(), _array_label(path, name))


def open_npz_row(index: Index, row: int) -> Content:
    """One picture as it stands in its array; raises `Unreadable`."""
    facts = Path(index.root).stat()

    def array(name: str) -> NDArray[Any]:
        with _OPENING:
            return _load_pictures(index.root, name, facts.st_size, facts.st_mtime_ns)

    return read_picture(index.examples[row].path, array)


@lru_cache(maxsize=8)
def _load_pictures(path: str, name: str, size: int, changed: int) -> NDArray[Any]:
    """An array of images, opened once a content of its file."""
    return check_picture_array(
        list_npz_arrays(Path(path))[name].load(), _array_label(Path(path), name)
    )


def _load_part(
    path: Path, arrays: Arrays, split: str, roles: dict[str, str], names: list[str]
) -> ArrayPart:
    for role in ("image", "label"):
        if role not in roles:
            raise _missing_array_error(path, arrays, role, split)
    facts = path.stat()
    images = _load_pictures(str(path), roles["image"], facts.st_size, facts.st_mtime_ns)
    loaded = {
        role: decode_labels(
            arrays[name].load(), names if role == "label" else (), _array_label(path, name)
        )
        for role, name in roles.items()
        if role != "image"
    }
    for role, values in loaded.items():
        if len(values) != len(images):
            raise SourceError(
                f"{_array_label(path, roles['image'])} holds {len(images):,} images, but "
                f"{roles[role]} {len(values):,} entries.",
                "Give one entry for each image.",
            )
    splits = [split] * len(images) if split else []
    if not split and "split_column" in loaded:
        splits = _parse_splits(loaded["split_column"], _array_label(path, roles["split_column"]))
    return ArrayPart(
        name=roles["image"],
        images=images,
        labels=loaded["label"],
        splits=splits,
        groups=loaded.get("group", ()),
    )


def _parse_splits(words: list[str], what: str) -> list[str]:
    splits = [parse_split_name(word) for word in words]
    if "" in splits or "train" not in splits:
        wrong = words[splits.index("")] if "" in splits else "no train"
        raise SourceError(
            f"{what} has {wrong} as a split; splits are train, val and test, and train is "
            "required.",
            "Correct the array, or leave it out: then striate makes the splits.",
        )
    return splits


def _check_file(source: object) -> Path:
    path = check_source_file(source)
    if matching_ending(source, ENDINGS) == ".npy":
        raise SourceError(
            f"{path_to_text(path)} is a single array; images and labels are needed.",
            "Save both in one file: np.savez('set.npz', images=images, labels=labels)",
        )
    return path


def _missing_array_error(path: Path, arrays: Arrays, role: str, split: str = "") -> SourceError:
    """That an array is missing, with those that are there."""
    there = [f"{name} {array.shape}" for name, array in list(arrays.items())[:20]]
    due = f"{role}s" + (f" for {split}" if split else "")
    return SourceError(
        f"{path_to_text(path)} has no array of {due}; its arrays are: "
        f"{', '.join(there) or 'none at all'}.",
        f"Name it: --{role} NAME" if arrays and not split else _ADVICE,
    )


def _array_label(path: Path, name: str) -> str:
    return f"{name} in {path_to_text(path)}"


_OPENING = threading.Lock()
_ADVICE = "Save them as images and labels, or x_train, y_train, x_test, y_test."


_CALLED = {
    "image": ("image", "images", "x", "data", "img", "imgs", "pixels"),
    "label": ("label", "labels", "y", "target", "targets"),
    "group": ("group", "groups"),
    "split_column": ("split", "splits"),
}
_NAMES = ("classes", "class_names", "names", "label_names", "target_names", "categories")


@dataclass(slots=True, kw_only=True)
class ArrayRoles:
    """Which array is what: by split ("" where none is given), then by role."""

    by_split: dict[str, dict[str, str]] = field(default_factory=dict)
    class_names: str = ""
    unread: list[str] = field(default_factory=list)


def find_array_roles(names: Iterable[str], options: ReadingOptions) -> ArrayRoles:
    """What arrays of these names are; names that the options give come before the usual ones.

    Where some stand for given splits (`x_train`, `test_images`), others do not count.
    """
    names = list(names)
    roles = ArrayRoles()
    for name in names:
        split, role = _parse_array_name(name, options)
        if name.casefold() in _NAMES:
            roles.class_names = name
        elif role:
            roles.by_split.setdefault(split, {}).setdefault(role, name)
    if sorted(names) == ["arr_0", "arr_1"]:  # np.savez(path, images, labels)
        roles.by_split = {"": {"image": "arr_0", "label": "arr_1"}}
    if any("image" in found for split, found in roles.by_split.items() if split):
        roles.by_split = {split: found for split, found in roles.by_split.items() if split}
    known = {name for found in roles.by_split.values() for name in found.values()}
    roles.unread = [name for name in names if name not in known | {roles.class_names}]
    return roles


def _parse_array_name(name: str, options: ReadingOptions) -> tuple[str, str]:
    for role in _CALLED:
        if is_set_by_user(options, role) and name == getattr(options, role):
            return "", role
    words = [word for word in re.split(r"[_\-. ]+", name.casefold()) if word]
    split = next((found for found in map(parse_split_name, words) if found), "")
    rest = "_".join(word for word in words if not parse_split_name(word)) if len(words) > 1 else ""
    for role, called in _CALLED.items():
        if is_set_by_user(options, role):
            continue
        if name.casefold() in called:
            return "", role
        if split and rest in called:
            return split, role
    return "", ""


SOURCE = SourceKind(
    name="npz",
    matches=lambda source: bool(matching_ending(source, ENDINGS)),
    read=read_npz,
    open_row=open_npz_row,
)
