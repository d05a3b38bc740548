"""The source that was drawn for YOLO: images, a text of boxes for each, names in data.yaml."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import yaml

from striate.data.formats.boxes import (
    Box,
    Boxed,
    box_at,
    class_names,
    index_of_boxes,
    open_boxed_row,
)
from striate.data.formats.read_file import ends_in, located, path_of, read_file, shown, source_file
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import is_hidden, looks_like_picture
from striate.data.sources import SourceKind
from striate.data.sources.folder import files_below, read_folder
from striate.data.split_words import split_in
from striate.errors import SourceError, SourceMissingError
from striate.values import Example, Index, Options

ENDINGS = (".yaml", ".yml")
NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
LARGEST_YAML = 1 << 20
LOOKED_AT = 20


def read_yolo(source: object, options: Options) -> Index:
    """Images with boxes, as YOLO's detectors are trained on them; headers are not read yet.

    The text of `images/a.jpg` is `labels/a.txt`, or stands beside it; names are those of
    `data.yaml`, `classes.txt` or `obj.names`, else the numbers; folders named after splits are
    splits. What cannot be used is set aside. Raises `SourceMissingError` and `SourceError`.
    """
    if options.label_pattern is not None or options.classes_are_splits:
        return read_folder(source, options)
    root, names_file = _opened(source)
    names = _names(names_file) if names_file else ()
    images, met, others = [], set(), []
    rows = [row for _, row in files_below(root)]
    for row in rows:
        inside = "images" in row.path.casefold().split("/")[:-1]
        text = _text_of(root, row.path) if looks_like_picture(row.path) else ""
        if row.status != "ignored" and (text or inside) and not _is_text(row.path):
            image = Boxed(path=row.path, split=split_in(row.path), fault=row.reason)
            images.append(image if image.fault else _read(image, root, text, names))
            met.add(text)
        else:
            others.append(row)
    lost = {row.path for row in others if _is_text(row.path)} - met
    images += [Boxed(path=path, fault="a text of boxes whose image is missing") for path in lost]
    others = [_beside(row, met) for row in others if row.path not in lost]
    return index_of_boxes(
        images,
        options,
        root=str(root),
        name=shown(root.resolve().name) or "images",
        kind="yolo",
        address=str(path_of(source)),
        others=others,
    )


def _beside(row: Example, texts: set[str]) -> Example:
    if row.status == "ignored":
        return row
    reason = "the boxes of an image" if row.path in texts else "stands outside of the images"
    return replace(row, status="ignored", reason=reason)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of boxes: the number of its class, its box, or why it is none."""

    number: int
    box: Box


def _read(image: Boxed, root: Path, text: str, names: Sequence[str]) -> Boxed:
    if not text and not looks_like_picture(image.path):
        return replace(image, fault="not a picture by its name")
    if not text:
        return replace(image, fault="it has no text of boxes; an empty one would say: none")
    try:
        lines = list(_lines(read_file(located(root, text)), text))
    except Unreadable as error:
        return replace(image, fault=f"{text} cannot be read: {error.reason}")
    return replace(image, boxes=tuple(_named(line, names, text) for line in lines))


def _named(line: _Line, names: Sequence[str], text: str) -> Box:
    if line.box.fault:
        return line.box
    if names and line.number >= len(names):
        return Box(fault=f"{text} has the class {line.number}, and names are {len(names)}")
    return replace(line.box, name=names[line.number] if names else str(line.number))


def _lines(content: bytes, text: str) -> Iterator[_Line]:
    """Each line: class, then centre and extent (and confidence), or the corners of an outline."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Unreadable("it is no text") from None
    for place, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        what = f"line {place:,} of {text}"
        try:
            number, *numbers = (float(word) for word in words)
        except ValueError:
            number, numbers = -1.0, []
        outline = len(numbers) >= 6 and len(numbers) % 2 == 0
        sound = all(map(math.isfinite, numbers)) and number >= 0 and number == number // 1
        if not sound or not (len(numbers) in (4, 5) or outline):
            yield _Line(-1, Box(fault=f"{what} is no box: {line.strip()[:40]}"))
            continue
        if outline:
            left, top = min(numbers[0::2]), min(numbers[1::2])
            width, height = max(numbers[0::2]) - left, max(numbers[1::2]) - top
        else:
            width, height = numbers[2], numbers[3]
            left, top = numbers[0] - width / 2, numbers[1] - height / 2
        yield _Line(int(number), box_at("", left, top, width, height, f"the box in {what}"))


def _text_of(root: Path, path: str) -> str:
    """The text of an image's boxes, relative to the root; empty where there is none."""
    folder, _, name = path.rpartition("/")
    text = f"{name.rpartition('.')[0]}.txt"
    parts = folder.split("/")
    places = [k for k, part in enumerate(parts) if part.casefold() == "images"]
    candidates = []
    if places:
        for word in ("labels", "Labels", "LABELS"):
            parts[places[-1]] = word
            candidates.append("/".join([*parts, text]))
    candidates.append(f"{folder}/{text}" if folder else text)
    return next((each for each in candidates if Path(located(root, each)).is_file()), "")


def _is_text(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    inside = any(part.casefold() == "labels" for part in folder.split("/"))
    return inside and name.lower().endswith(".txt") and name.lower() not in NAMES_FILES


def _opened(source: object) -> tuple[Path, Path | None]:
    """The folder of a set and the file that names its classes, where there is one."""
    if not ends_in(source, ENDINGS):
        root = path_of(source)
        return root, _names_file(root)
    file = source_file(source)
    said = _yaml(file)
    above = said.get("path")
    root = file.parent / above if isinstance(above, str) and above else file.parent
    if not root.is_dir():
        root = file.parent
    if not _holds_boxes(root):
        raise SourceMissingError(
            f"{shown(file)} has no folder images with a folder labels beside it.",
            f"They were looked for in {shown(root.resolve())}; put the file beside them.",
        )
    return root, file if "names" in said else _names_file(root)


def _names_file(root: Path) -> Path | None:
    found = [path for path in _files(root) if path.name.lower().endswith(ENDINGS)]
    for path in sorted(found, key=lambda path: (not path.name.startswith("data"), path.name)):
        if "names" in _yaml(path):
            return path
    places = [root, *(root / name for name in ("labels", "Labels", "images", "data"))]
    lists = [path for place in places for path in _files(place)]
    known = [path for path in lists if path.name.lower() in NAMES_FILES or path.suffix == ".names"]
    return known[0] if known else None


def _names(file: Path) -> tuple[str, ...]:
    """The classes that a file names, in the order of their numbers."""
    if not file.name.lower().endswith(ENDINGS):
        try:
            lines = read_file(file).decode("utf-8-sig").splitlines()
        except (Unreadable, UnicodeDecodeError):
            raise SourceError(f"{shown(file)} cannot be read as text.", "Write it again.") from None
        return class_names([line for line in lines if line.strip()], shown(file))
    names = _yaml(file)["names"]
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[k] for k in range(len(names))]
    if not isinstance(names, list) or not names:
        raise SourceError(
            f"The names in {shown(file)} are no list of classes.", "Write names: [cat, dog]"
        )
    return class_names(names, shown(file))


def _yaml(file: Path) -> dict[str, object]:
    """What a YAML file says; nothing where it cannot be read or says something else."""
    try:
        found = yaml.safe_load(read_file(file, LARGEST_YAML))
    except (Unreadable, yaml.YAMLError, ValueError, RecursionError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _matches(source: object) -> bool:
    if ends_in(source, ENDINGS):
        return True
    return isinstance(source, str | os.PathLike) and _holds_boxes(path_of(source))


def _holds_boxes(root: Path) -> bool:
    """Whether a folder has images with texts of boxes: some of the first texts must be such."""
    folders = _folders(root)
    tops = [root, *(path for path in folders if split_in(f"{path.name}/"))]
    texts = [text for top in tops for text in _texts_beside_images(top)]
    if not texts and _names_file(root):
        places = [root] if len(folders) != 1 else [root, folders[0]]
        texts = list(islice((text for place in places for text in _texts_of(place)), LOOKED_AT))
    return any(map(_is_of_boxes, texts[:LOOKED_AT]))


def _texts_beside_images(top: Path) -> list[Path]:
    named = {path.name.casefold(): path for path in _folders(top)}
    if not {"images", "labels"} <= named.keys():
        return []
    labels = named["labels"]
    places = [labels, *islice(_folders(labels), LOOKED_AT)]
    found = (path for place in places for path in _files(place))
    texts = (path for path in found if _is_text(f"labels/{path.name}"))
    return list(islice(texts, LOOKED_AT))


def _texts_of(folder: Path) -> Iterator[Path]:
    """The texts that stand beside pictures of their name."""
    files = {path.name: path for path in _files(folder)}
    pictures = {name.rpartition(".")[0] for name in files if looks_like_picture(name)}
    for name, path in files.items():
        if name.endswith(".txt") and name[:-4] in pictures:
            yield path


def _is_of_boxes(text: Path) -> bool:
    try:
        return any(not line.box.fault for line in _lines(read_file(text, 1 << 16), ""))
    except Unreadable:
        return False


def _folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _entries(folder) if entry.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _entries(folder) if entry.is_file()]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not is_hidden(e.name)), key=lambda e: e.name)
    except OSError:
        return []


SOURCE = SourceKind(name="yolo", matches=_matches, read=read_yolo, open_row=open_boxed_row)
