"""A source that is one file: it must be there and be readable before anything else is said."""

import os
from pathlib import Path
from typing import cast

from striate.data.read_file import shown
from striate.errors import SourceError, SourceMissingError
from striate.spelling import nearest


def path_of(source: object) -> Path:
    """The path that a source gives as a text or a path, `~` spelt out; `TypeError` for others."""
    return Path(os.fspath(cast("str | os.PathLike[str]", source))).expanduser()


def source_file(source: object) -> Path:
    """The path of a file; raises `SourceMissingError`, `SourceError` where it cannot be read."""
    path = path_of(source)
    if not path.exists():
        raise SourceMissingError(f"There is no file {shown(path)}.", _did_you_mean(path))
    if not path.is_file():
        raise SourceError(f"{shown(path)} is not a regular file.", "Give a file or a folder.")
    if not os.access(path, os.R_OK):
        raise SourceError(
            f"There is no permission to read {shown(path)}.",
            f"Ask its owner, or type: chmod u+r {shown(path)}",
        )
    return path


def ends_in(source: object, endings: tuple[str, ...]) -> str:
    """Which of `endings` a source's name has, in upper or lower case; folders have none."""
    if not isinstance(source, str | os.PathLike):
        return ""
    name = Path(os.fspath(source)).name.lower()
    fitting = [ending for ending in endings if name.endswith(ending) and name != ending]
    if not fitting or Path(os.fspath(source)).expanduser().is_dir():
        return ""
    return max(fitting, key=len)


def without_ending(path: Path, ending: str) -> str:
    """The name of a file without its ending, to name runs after."""
    return shown(path.name[: len(path.name) - len(ending)]) or "images"


def _did_you_mean(path: Path) -> str:
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"There is no folder {shown(path.parent)} either; check the path."
    near = nearest(path.name, names)
    if near:
        return f"Did you mean {shown(path.parent / near)}?"
    return f"{shown(path.parent.resolve())} holds nothing of a similar name; check the path."
