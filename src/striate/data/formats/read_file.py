"""Reads a picture's file whole: regular files only, so that nothing can block or never end."""

import os
import re
import stat
from pathlib import Path
from typing import cast

from striate.config.suggestions import nearest_word
from striate.data.formats.unreadable import Unreadable
from striate.errors import SourceError, SourceMissingError

LARGEST_FILE = 1 << 30


def read_file(path: str | Path, most: int | None = None) -> bytes:
    """The bytes of a file, the first `most` only where that is given.

    Pipes, sockets and devices are refused without being opened for good: a pipe with no
    writer would block for ever. Raises `Unreadable` with the reason.
    """
    try:
        # O_NONBLOCK: between a look at the file and its opening it may have become a pipe.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except OSError as error:
        raise Unreadable(_error_reason(error)) from None
    try:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable(reason_for_mode(facts.st_mode))
        if most is None and facts.st_size > LARGEST_FILE:
            raise Unreadable("the file is larger than 1 GiB")
        return _read_fully(number, facts.st_size if most is None else most)
    except OSError as error:
        raise Unreadable(_error_reason(error)) from None
    finally:
        os.close(number)


def reason_for_mode(mode: int) -> str:
    """Why something that is no regular file is not read."""
    kinds = (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISDIR, "a folder"),
    )
    return f"not a file but {next((name for test, name in kinds if test(mode)), 'a special file')}"


def path_to_text(path: str | os.PathLike[str]) -> str:
    """A path as text that any program can store: bytes that are no UTF-8 become `\\xNN`."""
    if isinstance(path, str) and path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def text_to_path(root: str | Path, path: str) -> str | Path:
    """The file behind a path that `shown` wrote, below `root`."""
    plain = Path(root, path) if path.startswith("/") else f"{root}/{path}"
    if "\\x" not in path or os.path.lexists(plain):
        return plain
    raw = re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda found: bytes.fromhex(found[1].decode()), path.encode()
    )
    return Path(root, os.fsdecode(raw))


def _read_fully(number: int, size: int) -> bytes:
    """The next `size` bytes, or as many as there are: a read may give fewer than are left."""
    content = os.read(number, size)
    while len(content) < size and (more := os.read(number, size - len(content))):
        content += more
    return content


def _error_reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "it does not exist, or it is a link to something that does not exist"
    return f"it cannot be opened ({error.strerror or error})"


_BINARY = getattr(os, "O_BINARY", 0)


def as_source_path(source: object) -> Path:
    """The path that a source gives as a text or a path, `~` spelt out; `TypeError` for others."""
    return Path(os.fspath(cast("str | os.PathLike[str]", source))).expanduser()


def check_source_file(source: object) -> Path:
    """The path of a file; raises `SourceMissingError`, `SourceError` where it cannot be read."""
    path = as_source_path(source)
    if not path.exists():
        raise SourceMissingError(f"There is no file {path_to_text(path)}.", _did_you_mean(path))
    if not path.is_file():
        raise SourceError(
            f"{path_to_text(path)} is not a regular file.", "Give a file or a folder."
        )
    if not os.access(path, os.R_OK):
        raise SourceError(
            f"There is no permission to read {path_to_text(path)}.",
            f"Ask its owner, or type: chmod u+r {path_to_text(path)}",
        )
    return path


def matching_ending(source: object, endings: tuple[str, ...]) -> str:
    """Which of `endings` a source's name has, in upper or lower case; folders have none."""
    if not isinstance(source, str | os.PathLike):
        return ""
    name = Path(os.fspath(source)).name.lower()
    fitting = [ending for ending in endings if name.endswith(ending) and name != ending]
    if not fitting or Path(os.fspath(source)).expanduser().is_dir():
        return ""
    return max(fitting, key=len)


def strip_ending(path: Path, ending: str) -> str:
    """The name of a file without its ending, to name runs after."""
    return path_to_text(path.name[: len(path.name) - len(ending)]) or "images"


def _did_you_mean(path: Path) -> str:
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"There is no folder {path_to_text(path.parent)} either; check the path."
    near = nearest_word(path.name, names)
    if near:
        return f"Did you mean {path_to_text(path.parent / near)}?"
    return f"{path_to_text(path.parent.resolve())} holds nothing of a similar name; check the path."


def count_cores() -> int:
    """Cores that are granted to this process, which in a container may be fewer than there are."""
    granted = getattr(os, "sched_getaffinity", None)
    return len(granted(0)) if granted else os.cpu_count() or 1
