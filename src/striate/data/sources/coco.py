"""A JSON file of COCO as a source: images, categories, and boxes."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    strip_ending,
    text_to_path,
)
from striate.data.formats.unreadable import Unreadable
from striate.data.sources import SourceKind
from striate.data.sources.folder import read_folder
from striate.data.split_words import split_of_path
from striate.errors import SourceError, SourceMissingError
from striate.values import Index, ReadingOptions

ENDINGS = (".json",)
ROBOFLOW = "_annotations.coco.json"
INSTANCES = "instances_"
LOOKED_AT = 100
MOST_PIXELS = 1e9


def read_coco(source: object, options: ReadingOptions) -> Index:
    """The images that a JSON of COCO lists, with their boxes; headers are not read yet.

    A folder gives `annotations/instances_*.json`, or a JSON in each split's folder; names such as
    `instances_val2017.json` say the split. Images are looked for below `options.root`, else
    around the JSON. What cannot be used is set aside. Raises `SourceMissingError` where no image
    is there, and `SourceError` where a JSON is none of COCO.
    """
    if options.label_pattern is not None or options.classes_are_splits:
        return read_folder(source, options)
    given = as_source_path(source)
    folder = given if given.is_dir() else None
    files = _find_coco_files(given) if folder else [check_source_file(source)]
    root = folder
    if options.root is not None:
        root = Path(options.root).expanduser()
        if not root.is_dir():
            raise SourceMissingError(
                f"There is no folder {path_to_text(root)}.", "Give another --root."
            )
    parts = [_read_part(file, root) for file in files]
    below = root or parts[0].base
    images: dict[str, BoxedImage] = {}
    for part in parts:
        for image in part.images(below):
            images.setdefault(image.path, image)
    _refuse_missing_images(images, parts, below)
    ending = matching_ending(source, ENDINGS)
    name = strip_ending(given, ending) if ending else path_to_text(given.resolve().name)
    return index_of_boxes(
        list(images.values()),
        options,
        root=str(below),
        name=name or "images",
        kind="coco",
        address=str(given),
    )


@dataclass(frozen=True, slots=True)
class _CocoPart:
    """A JSON of COCO, the folder where its images are, and the split that its name says."""

    file: Path
    base: Path
    split: str
    said: Mapping[str, list[Any]]
    names: Mapping[Any, str]

    def images(self, below: Path) -> Iterator[BoxedImage]:
        """Its images in order, with paths relative to a folder, and what joins no image."""
        entries: dict[Any, dict[str, Any]] = {}
        for place, entry in enumerate(self.said["images"], start=1):
            if not isinstance(entry, dict) or not _is_key(entry.get("id")) or not _file_name(entry):
                yield self._stray(f"image {place:,}", "it has no id or no file_name")
            elif entries.setdefault(entry["id"], entry) is not entry:
                yield self._stray(f"image {place:,}", "its id is that of another image")
        boxes: dict[Any, list[Box]] = defaultdict(list)
        for place, each in enumerate(self.said["annotations"], start=1):
            key = each.get("image_id") if isinstance(each, dict) else None
            if not _is_key(key) or key not in entries:
                yield self._stray(f"annotation {place:,}", "its image is not in the list")
                continue
            boxes[key].append(self._box(each, _stated_size(entries[key]), place))
        for key, entry in entries.items():
            path = os.path.normpath(self.base / _file_name(entry))
            if Path(path).absolute().is_relative_to(below.absolute()):
                path = os.path.relpath(path, below)
            path = path_to_text(path).replace(os.sep, "/")
            gone = not os.path.lexists(text_to_path(below, path))
            yield BoxedImage(
                path=path,
                split=self.split,
                boxes=tuple(boxes[key]),
                fault="its image is missing" if gone else "",
                size=_stated_size(entry),
            )

    def _box(self, said: dict[str, Any], size: tuple[int, int], place: int) -> Box:
        what = f"annotation {place:,} of {self.file.name}"
        key = said.get("category_id")
        if not _is_key(key) or key not in self.names:
            return Box(fault=f"{what} has the unknown category {str(key)[:40]}")
        name, corners = self.names[key], said.get("bbox")
        if corners in (None, []):
            return Box(name=name)
        if (
            not isinstance(corners, list)
            or len(corners) != 4
            or not all(map(_is_finite_number, corners))
        ):
            return Box(name=name, fault=f"the box of {what} is not valid: {str(corners)[:40]}")
        if not all(size):
            return Box(name=name)
        left, top, width, height = (float(each) for each in corners)
        across, down = size
        return make_box(
            name, left / across, top / down, width / across, height / down, f"the box of {what}"
        )

    def _stray(self, entry: str, fault: str) -> BoxedImage:
        return BoxedImage(
            path=f"({entry} of {path_to_text(self.file.name)})", split=self.split, fault=fault
        )


def _read_part(file: Path, root: Path | None) -> _CocoPart:
    said = _load_json(file)
    categories = [
        each for each in said["categories"] if isinstance(each, dict) and _is_key(each.get("id"))
    ]
    names = check_class_names([each.get("name", "") for each in categories], path_to_text(file))
    by_key: dict[Any, str] = {}
    for each, name in zip(categories, names, strict=True):
        if by_key.setdefault(each["id"], name) != name:
            raise SourceError(
                f"{path_to_text(file)} gives the category {each['id']} two names, "
                f"{by_key[each['id']]} "
                f"and {name}.",
                "Give each category an id of its own.",
            )
    stem = file.stem.removeprefix(INSTANCES)
    above = file.parent.name if file.name == ROBOFLOW else stem
    return _CocoPart(
        file,
        _find_base_folder(file, said["images"], root),
        split_of_path(f"{above}/"),
        said,
        by_key,
    )


def _load_json(file: Path) -> dict[str, list[Any]]:
    try:
        said = json.loads(read_file(file))
    except Unreadable as error:
        raise SourceError(
            f"{path_to_text(file)} cannot be read: {error.reason}.", "Check the file."
        ) from None
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:80]
        raise SourceError(
            f"{path_to_text(file)} is not valid JSON: {why}.", "Write the file again."
        ) from None
    keys = ("images", "annotations", "categories")
    if not isinstance(said, dict) or not all(isinstance(said.get(key), list) for key in keys):
        raise SourceError(
            f"{path_to_text(file)} is not a JSON file of COCO: it must hold the lists "
            "images, annotations and categories.",
            "Give such a file, or list images and labels in a table (.csv, .jsonl).",
        )
    return {key: said[key] for key in keys}


def _find_base_folder(file: Path, images: Sequence[Any], root: Path | None) -> Path:
    """The folder below which most of the first images are, among those where they usually are."""
    stem = file.stem.removeprefix(INSTANCES)
    tops = [root] if root is not None else [file.parent, file.parent.parent]
    within = ("", "images", "data", stem, f"images/{stem}", split_of_path(f"{stem}/"))
    places = [file.parent, *(top / name for top in tops for name in within)]
    if root is not None and not file.parent.absolute().is_relative_to(root.absolute()):
        places = places[1:]
    names = [name for each in images[:LOOKED_AT] if (name := _file_name(each))]
    hits = [sum(os.path.lexists(place / name) for name in names) for place in places]
    return places[hits.index(max(hits))]


def _refuse_missing_images(
    images: Mapping[str, BoxedImage], parts: Sequence[_CocoPart], below: Path
) -> None:
    listed = [image for image in images.values() if not image.path.startswith("(")]
    if listed and all(image.fault for image in listed):
        raise SourceMissingError(
            f"None of the {len(listed):,} images that {path_to_text(parts[0].file)} lists "
            f"exists, such as {listed[0].path}.",
            f"They were looked for in {path_to_text(below.resolve())}. Name their folder "
            "with --root.",
        )


def _file_name(entry: Any) -> str:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or "\0" in name:
        return ""
    return name.strip().replace("\\", "/")


def _stated_size(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height that an image is said to have; zeros where they make no sense."""
    found: tuple[Any, Any] = (entry.get("width"), entry.get("height"))
    width, height = (
        int(each) if _is_finite_number(each) and each == int(each) else 0 for each in found
    )
    return (width, height) if min(width, height) > 0 else (0, 0)


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < MOST_PIXELS


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _find_coco_files(folder: Path) -> list[Path]:
    """The JSONs of COCO that belong to a folder, each with its images."""
    found = sorted((folder / "annotations").glob(f"{INSTANCES}*.json"))
    beside = [folder / ROBOFLOW, *sorted(folder.glob(f"*/{ROBOFLOW}"))]
    return found or [path for path in beside if path.is_file()]


def _is_coco_source(source: object) -> bool:
    if matching_ending(source, ENDINGS):
        return True
    return isinstance(source, str | os.PathLike) and bool(_find_coco_files(as_source_path(source)))


SOURCE = SourceKind(name="coco", matches=_is_coco_source, read=read_coco, open_row=open_boxed_row)
