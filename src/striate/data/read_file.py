"""Reads a picture's file whole: regular files only, so that nothing can block or never end."""

import os
import re
import stat
from pathlib import Path

from striate.data.unreadable import Unreadable

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
        raise Unreadable(_reason(error)) from None
    try:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable(reason_for_mode(facts.st_mode))
        if most is None and facts.st_size > LARGEST_FILE:
            raise Unreadable("the file is larger than 1 GiB")
        return _read(number, facts.st_size if most is None else most)
    except OSError as error:
        raise Unreadable(_reason(error)) from None
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


def shown(path: str | os.PathLike[str]) -> str:
    """A path as text that any program can store: bytes that are no UTF-8 become `\\xNN`."""
    if isinstance(path, str) and path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def located(root: str | Path, path: str) -> str | Path:
    """The file behind a path that `shown` wrote, below `root`."""
    plain = Path(root, path) if path.startswith("/") else f"{root}/{path}"
    if "\\x" not in path or os.path.lexists(plain):
        return plain
    raw = re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda found: bytes.fromhex(found[1].decode()), path.encode()
    )
    return Path(root, os.fsdecode(raw))


def _read(number: int, size: int) -> bytes:
    """The next `size` bytes, or as many as there are: a read may give fewer than are left."""
    content = os.read(number, size)
    while len(content) < size and (more := os.read(number, size - len(content))):
        content += more
    return content


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "it is gone, or a link that leads nowhere"
    return f"it cannot be opened ({error.strerror or error})"


_BINARY = getattr(os, "O_BINARY", 0)
