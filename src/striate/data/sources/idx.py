"""IDX files, the format of MNIST, as a source: images and labels, gzipped or not."""

import gzip
import math
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from striate.data.formats.array_file import (
    DAMAGE,
    damaged_array_error,
    map_array,
    read_packed_array,
)
from striate.data.formats.array_parts import (
    ArrayPart,
    check_picture_array,
    decode_labels,
    index_of_parts,
    read_picture,
)
from striate.data.formats.header import Content
from striate.data.formats.read_file import as_source_path, path_to_text
from striate.data.layout import parse_split_name
from striate.data.sources import SourceKind
from striate.errors import SourceError, SourceMissingError
from striate.values import Index, ReadingOptions

_IMAGES = re.compile(r"(?P<stem>.*?)images[-._]idx[34]-ubyte(\.gz)?", re.IGNORECASE)
_LABELS = re.compile(r"(?P<stem>.*?)labels[-._]idx[12]-ubyte(\.gz)?", re.IGNORECASE)
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(source: object, options: ReadingOptions) -> Index:
    """The images of IDX files with their labels; `train` and `t10k` are given splits.

    The source is a folder of them (or of one whose folder `raw` holds them), one file of images,
    or what the files' names begin with. Raises `SourceMissingError` where labels are missing, and
    `SourceError` where a file is damaged or two do not fit each other.
    """
    pairs = _pairs_of_source(source)
    return index_of_pairs(pairs)


def index_of_pairs(pairs: Sequence["IdxPair"], names: Sequence[str] = ()) -> Index:
    """The index of some pairs of files in one folder; `names` are the classes', by number."""
    folder = pairs[0].images.parent
    parts = []
    for pair in pairs:
        images, labels = _load_pictures(pair.images), _read_array(pair.labels)
        if len(images) != len(labels):
            raise SourceError(
                f"{path_to_text(pair.images)} holds {len(images):,} images, but "
                f"{pair.labels.name} holds {len(labels):,} labels.",
                "Download both files again.",
            )
        parts.append(
            ArrayPart(
                name=path_to_text(pair.images.name),
                images=images,
                labels=decode_labels(labels, names, path_to_text(pair.labels)),
                splits=[pair.split] * len(images) if pair.split else (),
            )
        )
    above = folder.resolve()
    name = (
        path_to_text((above.parent if above.name.casefold() == "raw" else above).name) or "images"
    )
    return index_of_parts(parts, root=str(folder), name=name, kind="idx")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxPair:
    """A file of images, its file of labels, and the split that their names tell."""

    images: Path
    labels: Path
    split: str


def find_pairs(folder: Path, beginning: str = "") -> list[IdxPair]:
    """The pairs in a folder whose names begin so, none where there are none.

    Raises `SourceError` where the files are of several sets, `SourceMissingError` where a file
    of labels is missing.
    """
    files = _find_files(folder, _IMAGES, beginning)
    sets = {_set_prefix(stem): stem for stem in files}
    if len(sets) > 1:
        several = sorted(f"{name}" for name in sets)
        raise SourceError(
            f"{path_to_text(folder)} holds IDX files of several data sets: {', '.join(several)}.",
            f"Name one: {path_to_text(folder / (several[0] or several[1]))}",
        )
    return [_match_pair(path, stem) for stem, path in sorted(files.items())]


def read_idx_pictures(source: object) -> list[tuple[str, NDArray[Any]]]:
    """The images of one IDX file; labels need not be there."""
    path = as_source_path(source)
    return [(path_to_text(path.name), _load_pictures(path))]


def is_images_file(path: Path) -> bool:
    """Whether a file's name is that of IDX images."""
    return bool(_IMAGES.fullmatch(path.name)) and path.is_file()


def open_idx_row(index: Index, row: int) -> Content:
    """One picture of a file of images; raises `Unreadable`."""
    root = Path(index.root)
    return read_picture(index.examples[row].path, lambda name: _load_pictures(root / name))


def _pairs_of_source(source: object) -> list[IdxPair]:
    path = as_source_path(source)
    if path.is_dir():
        return find_pairs(path) or find_pairs(path / "raw")
    found = _IMAGES.fullmatch(path.name) or _LABELS.fullmatch(path.name)
    if found and path.is_file():
        files = _find_files(path.parent, _IMAGES, found["stem"])
        if found["stem"] not in files:
            raise _missing_file_error(path, "images")
        return [replace(_match_pair(files[found["stem"]], found["stem"]), split="")]
    return find_pairs(path.parent, path.name)


def _find_files(folder: Path, pattern: re.Pattern[str], beginning: str) -> dict[str, Path]:
    """The files in a folder that are called so, by what stands before; unpacked ones first."""
    try:
        names = sorted(os.listdir(folder), reverse=True)  # noqa: PTH208  the fastest look
    except OSError:
        return {}
    found = [(pattern.fullmatch(name), name) for name in names if name.startswith(beginning)]
    return {match["stem"]: folder / name for match, name in found if match}


def _match_pair(images: Path, stem: str) -> IdxPair:
    labels = _find_files(images.parent, _LABELS, stem).get(stem)
    if labels is None:
        raise _missing_file_error(images, "labels")
    last = re.split(r"[-._ ]", stem.rstrip("-._ "))[-1].casefold()
    return IdxPair(images=images, labels=labels, split=_SPLITS.get(last) or parse_split_name(last))


def _set_prefix(stem: str) -> str:
    """What a file's name says before its split: `emnist-letters` of `emnist-letters-train-`."""
    words = [word for word in re.split(r"([-._ ])", stem.rstrip("-._ ")) if word]
    if words and (words[-1].casefold() in _SPLITS or parse_split_name(words[-1])):
        words = words[:-1]
    return "".join(words).rstrip("-._ ")


def _missing_file_error(path: Path, kind: str) -> SourceMissingError:
    there = "images" if kind == "labels" else "labels"
    return SourceMissingError(
        f"{path_to_text(path)} has {there}, but no {kind} beside them.",
        f"Put the file beside it, such as {path.name.replace(there, kind).replace('3', '1')}",
    )


def _load_pictures(path: Path) -> NDArray[Any]:
    facts = path.stat()
    with _OPENING:
        return _open_cached(str(path), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=8)
def _open_cached(path: str, size: int, changed: int) -> NDArray[Any]:
    return check_picture_array(_read_array(Path(path)), path_to_text(path))


def _read_array(path: Path) -> NDArray[Any]:
    """What an IDX file holds; mapped where it is not gzipped. Raises `SourceError`."""
    if not os.access(path, os.R_OK):
        raise SourceError(
            f"There is no permission to read {path_to_text(path)}.",
            f"Ask its owner, or type: chmod u+r {path_to_text(path)}",
        )
    try:
        if path.suffix.casefold() == ".gz":
            with gzip.open(path) as packed:
                stream = cast(IO[bytes], packed)
                dtype, shape = _read_header(stream)
                array = read_packed_array(stream, dtype, shape)
                if stream.read(1):
                    raise EOFError("it has data after its last image")
                return array
        with path.open("rb") as stream:
            dtype, shape = _read_header(stream)
            start = stream.tell()
        size = math.prod(shape) * dtype.itemsize
        if path.stat().st_size != start + size:
            raise EOFError("it does not have the length that its header gives")
        return map_array(path, dtype, shape, start)
    except DAMAGE as error:
        raise damaged_array_error(path, error) from None


def _read_header(stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape: two zeros, a code, how many axes, then their lengths, big end first."""
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise ValueError("it does not begin like an IDX file")
    lengths = stream.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise EOFError("it is cut off")
    return np.dtype(_TYPES[head[2]]), tuple(np.frombuffer(lengths, ">u4").tolist())


def _is_idx_source(source: object) -> bool:
    if not isinstance(source, str | os.PathLike):
        return False
    path = Path(os.fspath(source)).expanduser()
    if path.is_dir():
        return bool(_find_files(path, _IMAGES, "") or _find_files(path / "raw", _IMAGES, ""))
    if path.is_file():
        return bool(_IMAGES.fullmatch(path.name) or _LABELS.fullmatch(path.name))
    return bool(path.name and _find_files(path.parent, _IMAGES, path.name))


_OPENING = threading.Lock()
_SPLITS = {"t10k": "test", "train": "train"}

SOURCE = SourceKind(name="idx", matches=_is_idx_source, read=read_idx, open_row=open_idx_row)
