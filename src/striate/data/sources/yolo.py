"""A YOLO data set as a source: images, a label file for each, class names in data.yaml."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import yaml

from striate.data.formats.boxes import (
    Box,
    BoxedImage,
    check_class_names,
    index_of_boxes,
    make_box,
    open_boxed_row,
)
from striate.data.formats.read_file import (
    as_source_path,
    check_source_file,
    matching_ending,
    path_to_text,
    read_file,
    text_to_path,
)
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import is_folder, is_hidden, looks_like_picture
from striate.data.sources import SourceKind
from striate.data.sources.folder import list_files_below, read_folder
from striate.data.split_words import split_of_path
from striate.errors import SourceError, SourceMissingError
from striate.values import Example, Index, ReadingOptions

ENDINGS = (".yaml", ".yml")
NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
LARGEST_YAML = 1 << 20
LOOKED_AT = 20


def read_yolo(source: object, options: ReadingOptions) -> Index:
    """Images with boxes, as YOLO's detectors are trained on them; headers are not read yet.

    The text of `images/a.jpg` is `labels/a.txt`, or stands beside it; names are those of
    `data.yaml`, `classes.txt` or `obj.names`, else the numbers; folders named after splits are
    splits. What cannot be used is set aside. Raises `SourceMissingError` and `SourceError`.
    """
    if options.label_pattern is not None or options.classes_are_splits:
        return read_folder(source, options)
    root, names_file = _open_root(source)
    names = _read_class_names(names_file) if names_file else ()
    images, met, others = [], set(), []
    rows = [row for _, row in list_files_below(root)]
    for row in rows:
        inside = "images" in row.path.casefold().split("/")[:-1]
        text = _find_label_file(root, row.path) if looks_like_picture(row.path) else ""
        if row.status != "ignored" and (text or inside) and not _is_label_file(row.path):
            image = BoxedImage(path=row.path, split=split_of_path(row.path), fault=row.reason)
            images.append(image if image.fault else _read_boxes(image, root, text, names))
            met.add(text)
        else:
            others.append(row)
    lost = {row.path for row in others if _is_label_file(row.path)} - met
    images += [BoxedImage(path=path, fault="a label file without an image") for path in lost]
    others = [_ignore_label_files(row, met) for row in others if row.path not in lost]
    return index_of_boxes(
        images,
        options,
        root=str(root),
        name=path_to_text(root.resolve().name) or "images",
        kind="yolo",
        address=str(as_source_path(source)),
        others=others,
    )


def _ignore_label_files(row: Example, texts: set[str]) -> Example:
    if row.status == "ignored":
        return row
    reason = "the boxes of an image" if row.path in texts else "outside the images folder"
    return replace(row, status="ignored", reason=reason)


@dataclass(frozen=True, slots=True)
class _BoxLine:
    """A line of boxes: the number of its class, its box, or why it is none."""

    number: int
    box: Box


def _read_boxes(image: BoxedImage, root: Path, text: str, names: Sequence[str]) -> BoxedImage:
    if not text and not looks_like_picture(image.path):
        return replace(image, fault="its name is not that of an image")
    if not text:
        return replace(
            image, fault="it has no label file; an empty label file would mean no object"
        )
    try:
        lines = list(_parse_lines(read_file(text_to_path(root, text)), text))
    except Unreadable as error:
        return replace(image, fault=f"{text} cannot be read: {error.reason}")
    return replace(image, boxes=tuple(_name_box(line, names, text) for line in lines))


def _name_box(line: _BoxLine, names: Sequence[str], text: str) -> Box:
    if line.box.fault:
        return line.box
    if names and line.number >= len(names):
        return Box(
            fault=f"{text} has the class number {line.number}, but there are only {len(names)} "
            "class names"
        )
    return replace(line.box, name=names[line.number] if names else str(line.number))


def _parse_lines(content: bytes, text: str) -> Iterator[_BoxLine]:
    """Each line: class, then centre and extent (and confidence), or the corners of an outline."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise Unreadable("it is not text") from None
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
            yield _BoxLine(-1, Box(fault=f"{what} is not a valid box: {line.strip()[:40]}"))
            continue
        if outline:
            left, top = min(numbers[0::2]), min(numbers[1::2])
            width, height = max(numbers[0::2]) - left, max(numbers[1::2]) - top
        else:
            width, height = numbers[2], numbers[3]
            left, top = numbers[0] - width / 2, numbers[1] - height / 2
        yield _BoxLine(int(number), make_box("", left, top, width, height, f"the box in {what}"))


def _find_label_file(root: Path, path: str) -> str:
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
    return next((each for each in candidates if Path(text_to_path(root, each)).is_file()), "")


def _is_label_file(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    inside = any(part.casefold() == "labels" for part in folder.split("/"))
    return inside and name.lower().endswith(".txt") and name.lower() not in NAMES_FILES


def _open_root(source: object) -> tuple[Path, Path | None]:
    """The folder of a set and the file that names its classes, where there is one."""
    if not matching_ending(source, ENDINGS):
        root = as_source_path(source)
        return root, _find_names_file(root)
    file = check_source_file(source)
    said = _read_yaml(file)
    above = said.get("path")
    root = file.parent / above if isinstance(above, str) and above else file.parent
    if not root.is_dir():
        root = file.parent
    if not _holds_boxes(root):
        raise SourceMissingError(
            f"{path_to_text(file)} has no folder images with a folder labels beside it.",
            f"They were looked for in {path_to_text(root.resolve())}. Put the file beside "
            "these folders.",
        )
    return root, file if "names" in said else _find_names_file(root)


def _find_names_file(root: Path) -> Path | None:
    found = [path for path in _list_files(root) if path.name.lower().endswith(ENDINGS)]
    for path in sorted(found, key=lambda path: (not path.name.startswith("data"), path.name)):
        if "names" in _read_yaml(path):
            return path
    places = [root, *(root / name for name in ("labels", "Labels", "images", "data"))]
    lists = [path for place in places for path in _list_files(place)]
    known = [path for path in lists if path.name.lower() in NAMES_FILES or path.suffix == ".names"]
    return known[0] if known else None


def _read_class_names(file: Path) -> tuple[str, ...]:
    """The classes that a file names, in the order of their numbers."""
    if not file.name.lower().endswith(ENDINGS):
        try:
            lines = read_file(file).decode("utf-8-sig").splitlines()
        except (Unreadable, UnicodeDecodeError):
            raise SourceError(
                f"{path_to_text(file)} cannot be read as text.", "Write the file again."
            ) from None
        return check_class_names([line for line in lines if line.strip()], path_to_text(file))
    names = _read_yaml(file)["names"]
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[k] for k in range(len(names))]
    if not isinstance(names, list) or not names:
        raise SourceError(
            f"The names in {path_to_text(file)} are not a list of classes.",
            "Write names as a list: [cat, dog]",
        )
    return check_class_names(names, path_to_text(file))


def _read_yaml(file: Path) -> dict[str, object]:
    """What a YAML file says; nothing where it cannot be read or says something else."""
    try:
        found = yaml.safe_load(read_file(file, LARGEST_YAML))
    except (Unreadable, yaml.YAMLError, ValueError, RecursionError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_yolo_source(source: object) -> bool:
    if matching_ending(source, ENDINGS):
        return True
    return isinstance(source, str | os.PathLike) and _holds_boxes(as_source_path(source))


def _holds_boxes(root: Path) -> bool:
    """Whether a folder has images with texts of boxes: some of the first texts must be such."""
    folders = _list_folders(root)
    tops = [root, *(path for path in folders if split_of_path(f"{path.name}/"))]
    texts = [text for top in tops for text in _labels_beside_images(top)]
    if not texts and _find_names_file(root):
        places = [root] if len(folders) != 1 else [root, folders[0]]
        texts = list(
            islice((text for place in places for text in _sibling_label_files(place)), LOOKED_AT)
        )
    return any(map(_has_valid_boxes, texts[:LOOKED_AT]))


def _labels_beside_images(top: Path) -> list[Path]:
    named = {path.name.casefold(): path for path in _list_folders(top)}
    if not {"images", "labels"} <= named.keys():
        return []
    labels = named["labels"]
    places = [labels, *islice(_list_folders(labels), LOOKED_AT)]
    found = (path for place in places for path in _list_files(place))
    texts = (path for path in found if _is_label_file(f"labels/{path.name}"))
    return list(islice(texts, LOOKED_AT))


def _sibling_label_files(folder: Path) -> Iterator[Path]:
    """The texts that stand beside pictures of their name."""
    files = {path.name: path for path in _list_files(folder)}
    pictures = {name.rpartition(".")[0] for name in files if looks_like_picture(name)}
    for name, path in files.items():
        if name.endswith(".txt") and name[:-4] in pictures:
            yield path


def _has_valid_boxes(text: Path) -> bool:
    try:
        return any(not line.box.fault for line in _parse_lines(read_file(text, 1 << 16), ""))
    except Unreadable:
        return False


def _list_folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _list_entries(folder) if is_folder(entry)]


def _list_files(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _list_entries(folder) if _is_file(entry)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def _list_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not is_hidden(e.name)), key=lambda e: e.name)
    except OSError:
        return []


SOURCE = SourceKind(name="yolo", matches=_is_yolo_source, read=read_yolo, open_row=open_boxed_row)
