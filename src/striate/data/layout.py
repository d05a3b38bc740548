"""The rules for folders: from file paths to class, given split, or why ignored."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from striate.values import Example, Sentence, say

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
STRAY_REASON = "its label is missing: it is not in a class folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What paths say: a row for each, in order of path, and the splits that they bring."""

    examples: tuple[Example, ...]
    given_splits: tuple[str, ...]
    notes: tuple[Sentence, ...]


def read_layout(paths: Iterable[str], *, splits_are_classes: bool = False) -> Layout:
    """The layout of paths of files with `/` between folders.

    The first folder level is the class, or the split and then the class, as in a folder.
    """
    paths = sorted(paths)
    splits = {} if splits_are_classes else _find_given_splits(paths)
    examples = tuple(_layout_row(path, splits) for path in paths)
    return Layout(
        examples=examples,
        given_splits=tuple(name for name in SPLIT_NAMES if name in splits.values()),
        notes=tuple(_layout_notes(examples)),
    )


def bare_row(path: str) -> Example:
    """The row of a path whose folders give no label."""
    if any(is_hidden(part) for part in path.split("/")):
        return Example(path=path, status="ignored", reason="hidden")
    unread = UNREAD_FORMATS.get(suffix(path))
    return Example(path=path, status="set_aside" if unread else "used", reason=unread or "")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; links in a circle are none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def parse_split_name(word: str) -> str:
    """The split named by a word, in upper or lower case, or ""."""
    return next((name for name, words in SPLIT_NAMES.items() if word.casefold() in words), "")


def stray_note(count: int) -> Sentence:
    """That pictures stand outside the class folders."""
    return say(
        "read.stray",
        "Images outside the class folders, excluded because they have no label: {n:,}.",
        n=count,
    )


def beside_note(folders: Iterable[str]) -> Sentence:
    """That folders stand beside the given splits."""
    return say(
        "read.beside_splits",
        "Ignored, because they are beside the given splits: {folders}.",
        folders=", ".join(folders),
    )


def _find_given_splits(paths: list[str]) -> dict[str, str]:
    """Split of each folder name where the paths bring splits, else nothing.

    A folder `train` may also be a class (bus, car, train): the rule is that of folders on disk.
    """
    parts = [path.split("/") for path in paths]
    folders = {each[0] for each in parts if len(each) > 1 and not is_hidden(each[0])}
    role = {name: split for name in folders if (split := parse_split_name(name))}
    inside = [each for each in parts if role.get(each[0]) == "train" and len(each) > 1]
    classes = {(each[0], each[1]) for each in inside if len(each) > 2 and not is_hidden(each[1])}
    pictures = any(len(each) == 2 and looks_like_picture(each[1]) for each in inside)
    alone = len(role) == len(folders)
    others = set(role.values()) - {"train"}
    if not classes or not (others or alone or (len(classes) > 1 and not pictures)):
        return {}
    deep = {each[0] for each in parts if len(each) > 2}
    return {name: split for name, split in role.items() if split == "train" or name in deep}


def _layout_row(path: str, splits: dict[str, str]) -> Example:
    parts = path.split("/")
    split = splits.get(parts[0], "") if len(parts) > 1 else ""
    if any(is_hidden(part) for part in parts):
        return Example(path=path, split=split, status="ignored", reason="hidden")
    if splits and len(parts) > 1 and not split:
        return Example(path=path, status="ignored", reason="stands beside the given splits")
    inner = parts[1:] if split else parts
    if len(inner) == 1:
        if looks_like_picture(path):
            return Example(path=path, split=split, status="set_aside", reason=STRAY_REASON)
        return Example(path=path, split=split, status="ignored", reason="not in a class folder")
    label = unicodedata.normalize("NFC", inner[0])
    unread = UNREAD_FORMATS.get(suffix(path))
    if unread:
        return Example(path=path, split=split, label=label, status="set_aside", reason=unread)
    return Example(path=path, split=split, label=label)


def class_folder_notes(examples: Iterable[Example]) -> Iterator[Sentence]:
    """Class folders whose names read the same, and splits that stand inside the classes."""
    spelled: dict[str, set[str]] = {}
    inner: dict[str, set[str]] = {}
    for example in examples:
        if example.status != "used" or not example.label:
            continue
        parts = example.path.split("/")[:-1]
        plain = [unicodedata.normalize("NFC", part) for part in parts]
        if example.label not in plain:
            continue
        at = plain.index(example.label)
        spelled.setdefault(example.label, set()).add(parts[at])
        inner.setdefault(example.label, set()).add(plain[at + 1] if plain[at + 1 :] else "")
    alike = sorted(label for label, names in spelled.items() if len(names) > 1)
    if alike:
        yield say(
            "read.same_name",
            "Folders whose names read the same (in other Unicode forms) are one class: {names}.",
            names=", ".join(alike),
        )
    met = [{parse_split_name(name) for name in names} for names in inner.values()]
    if met and all("" not in splits and len(splits) > 1 for splits in met):
        label, names = min(inner.items())
        yield say(
            "read.splits_inside",
            "Each class holds folders such as {label}/{name}: they are not read as splits. To keep "
            "them, put the splits above the classes ({name}/{label}).",
            label=label,
            name=max(names),
        )


def _layout_notes(examples: tuple[Example, ...]) -> Iterator[Sentence]:
    yield from class_folder_notes(examples)
    stray = sum(example.reason == STRAY_REASON for example in examples)
    if stray:
        yield stray_note(stray)
    beside = [e.path for e in examples if e.reason == "stands beside the given splits"]
    if beside:
        yield beside_note(sorted({path.split("/")[0] for path in beside}))


PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "bmp", "dib", "webp"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm", "pfm", "jp2", "j2k", "jpx", "avif"),
        *("ico", "pcx", "sgi", "rgb", "qoi", "tga"),
    )
)

_RAW = (
    *("cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "dng", "orf", "rw2", "pef", "srw"),
    *("raf", "x3f", "3fr", "iiq", "erf", "kdc", "mrw"),
)
_CONVERT = "save it as JPEG or PNG"
UNREAD_FORMATS = {
    **{f".{name}": "a raw camera file; save it as JPEG, PNG or TIFF" for name in _RAW},
    **dict.fromkeys((".heic", ".heif", ".hif"), f"a HEIC image; {_CONVERT}"),
    **dict.fromkeys((".svg", ".svgz"), "a drawing (SVG); save it as PNG"),
    **dict.fromkeys((".eps", ".ps", ".ai"), "a PostScript drawing; save it as PNG"),
    **dict.fromkeys((".wmf", ".emf"), "a Windows drawing; save it as PNG"),
    **dict.fromkeys((".psd", ".psb"), f"a Photoshop file; {_CONVERT}"),
    ".pdf": "a PDF document; save its pages as PNG",
    ".xcf": f"a GIMP file; {_CONVERT}",
    ".jxl": f"a JPEG XL image; {_CONVERT}",
    ".exr": f"an OpenEXR image; {_CONVERT}",
    ".dcm": f"a DICOM image; {_CONVERT}",
    ".dds": f"a texture (DDS); {_CONVERT}",
}

_HIDDEN = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "ehthumbs.db"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden or made by a system for itself."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def looks_like_picture(name: str) -> bool:
    """Whether a file's name ends like a picture's, in upper or lower case."""
    return suffix(name) in PICTURE_SUFFIXES


def has_picture_signature(start: bytes) -> bool:
    """Whether the first 16 bytes of a file are those of a picture, whatever its name."""
    return start.startswith(_STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def suffix(name: str) -> str:
    """The ending of a name or path in lower case, with its dot; empty where there is none."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return dot + ending.lower() if stem else ""


_STARTS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP  ", b"\0\0\0 ftypavif", b"\0\0\0\x1cftypavif", b"qoif"),
)
