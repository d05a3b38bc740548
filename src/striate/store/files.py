"""Files of values: atomic writes, and codecs that read back the same value."""

import errno
import glob
import hashlib
import json
import math
import os
import re
import secrets
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from striate.errors import MachineError, ModelError, StriateError
from striate.store.checksums import verify_seal

T = TypeVar("T")

Facts = dict[str, Any]

# A crash between writing and renaming leaves such a name behind; the next start sweeps it.
UNFINISHED = ".unfinished"
MOST_OF_NAME = 40


def no_extra_facts(value: object) -> Facts:
    """The facts of a format that stores all of a value: none."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[T]):
    """How a value becomes a file and a value again.

    `facts` are what the format cannot store (a CSV holds only rows); the run stores them in
    `run.json` and passes them to `read`. `read` raises if the file is damaged: `ModelError`,
    `ValueError`, `KeyError` or `OSError`.
    """

    write: Callable[[T, BinaryIO], None]
    read: Callable[[Path, Facts], T]
    facts: Callable[[T], Facts] = no_extra_facts


@contextmanager
def open_atomically(path: Path, *, lasting: bool = True, hint: str = "") -> Iterator[BinaryIO]:
    """A file to write that replaces `path` only once it is complete and on disk.

    A file that is not `lasting` can be computed again: it is replaced atomically, but without
    waiting for the disk. Raises `MachineError`, with `hint` if given, if the disk is full or the
    folder is not writable; then, and if the writer itself fails, the old file at `path` is
    unchanged and nothing is left beside it.
    """
    file, temporary = _create_unfinished(path, hint)
    try:
        with file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
            temporary.replace(path)  # still open, so that a sweep sees that it is at work
        if lasting:
            sync_folder(path.parent)
    except OSError as error:
        # The writer's own: an image that is gone is no disk that is full.
        named = "" if error.filename is None else str(error.filename)
        if isinstance(error, StriateError) or (named and not named.endswith(temporary.name)):
            raise
        raise write_error(path, error, hint) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes, *, lasting: bool = True, hint: str = "") -> None:
    """Write `content` to `path` atomically."""
    with open_atomically(path, lasting=lasting, hint=hint) as file:
        file.write(content)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, if the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def remove_unfinished(folder: Path, of: str = "") -> None:
    """Remove temporary files of killed processes in a folder: all, or `of` one file's name.

    Files that a living process is writing stay: it holds a lock on them.
    """
    begin = glob.escape(of[:MOST_OF_NAME]) if of else "*"
    for path in folder.glob(f".{begin}.*{UNFINISHED}"):
        with suppress(OSError), path.open("rb") as file:
            if _is_held(file):
                path.unlink()


def ensure_folder(folder: Path, hint: str = "") -> Path:
    """The folder, created if missing; raises `MachineError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error, hint) from error
    return folder


def write_error(path: Path, error: OSError, hint: str = "") -> MachineError:
    """The error for a file that could not be written; `hint` is what to do about it."""
    if isinstance(error, MachineError):
        return error
    # NumPy tells of a full disk in words alone.
    in_words = error.errno is None and re.search("free space|requested and", str(error))
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or in_words:
        return MachineError(
            f"The disk is full: {path} could not be written.",
            hint
            or "Free some space and type the same command again, or name a folder on "
            "another disk with --out.",
        )
    reason = (error.strerror or str(error) or type(error).__name__).strip().rstrip(".")
    return MachineError(
        f"{path} cannot be written: {reason[:1].lower()}{reason[1:]}.",
        hint or "Name a folder that you may write to with --out.",
    )


def _create_unfinished(path: Path, hint: str) -> tuple[BinaryIO, Path]:
    """A new temporary file beside `path`, open and locked, and its name.

    If a cleanup removes it between creation and locking, another is created.
    """
    while True:
        name = f".{path.name[:MOST_OF_NAME]}.{secrets.token_hex(4)}{UNFINISHED}"
        temporary = path.with_name(name)
        try:
            file = temporary.open("xb")
        except OSError as error:
            raise write_error(path, error, hint) from error
        _is_held(file)
        if os.fstat(file.fileno()).st_nlink:
            return file, temporary
        file.close()


def _is_held(file: IO[bytes]) -> bool:
    """Whether this process locks a file now; false if another does, or locks are unsupported."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def file_digest(path: Path) -> str:
    """BLAKE2b of a file's content, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def values_digest(*parts: object) -> str:
    """BLAKE2b of some values, by their JSON, 32 hexadecimal digits."""
    return hashlib.blake2b(to_json(parts), digest_size=16).hexdigest()


def to_json(value: object, indent: int | None = 2) -> bytes:
    """JSON in UTF-8; non-finite numbers become null, bytes that are no text escapes."""
    plain = _replace_non_finite(msgspec.to_builtins(value, enc_hook=_numpy_to_python))
    text = json.dumps(plain, ensure_ascii=False, indent=indent, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def from_json(content: bytes | str, kind: type[T], about: object) -> T:
    """The value in some JSON; `about` names it in errors.

    Raises `ModelError` if it is damaged or its schema is unknown to this striate.
    """
    try:
        plain = json.loads(content)
        check_schema(plain, kind, about)
        verify_seal(plain)
        return msgspec.convert(plain, kind)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise damaged_file_error(about, error) from error


def damaged_file_error(about: object, error: Exception) -> ModelError:
    """The error for a file with unexpected content."""
    return ModelError(
        f"{about} is damaged: {error_reason_text(about, error)}.",
        "Restore an undamaged copy, or start again: striate fit SOURCE --restart",
    )


def error_reason_text(about: object, error: Exception) -> str:
    """The reason in an error, to follow the file's name."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if "StopIteration" in reason:  # a table without even its first line
        return "it is empty"
    if reason.startswith(f"{about} "):
        return f"it {reason.removeprefix(f'{about} ')}"
    return reason


def check_schema(plain: object, kind: type, about: object) -> None:
    """Raise `ModelError` if a JSON object states a schema other than that of `kind`."""
    field = getattr(kind, "__dataclass_fields__", {}).get("schema")
    if field is None or not isinstance(plain, dict):
        return
    name, _, number = str(field.default).rpartition("/")
    stated = str(plain.get("schema", ""))
    if stated == field.default:
        return
    stated_name, _, stated_number = stated.rpartition("/")
    counts = re.fullmatch("[0-9]{1,9}", stated_number)
    if stated_name == name and counts and int(stated_number) > int(number):
        raise ModelError(
            f"{about} was written by a newer version of striate: its schema is {stated}, "
            f"this version reads {field.default}.",
            "Type: pip install --upgrade striate",
        )
    wanted = f"its schema is {stated or 'missing'!r}, not {field.default!r}"
    raise damaged_file_error(about, ValueError(wanted))


def json_codec(kind: type[T]) -> Codec[T]:
    """The codec of a value that is one JSON object."""
    return Codec(
        write=lambda value, file: write_bytes(file, to_json(value)),
        read=lambda path, facts: from_json(path.read_bytes(), kind, path),
    )


def arrays_codec(kind: type[T]) -> Codec[T]:
    """The codec of a dataclass with arrays in it: one `.npz`, no pickle."""

    def write(value: T, file: BinaryIO) -> None:
        arrays: dict[str, NDArray[Any]] = {}

        def set_apart(item: object) -> object:
            if isinstance(item, np.ndarray):
                arrays[f"array_{len(arrays)}"] = item
                return f"array_{len(arrays) - 1}"
            return _numpy_to_python(item)

        plain = msgspec.to_builtins(value, enc_hook=set_apart)
        arrays["json"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
        _write_archive(file, arrays)

    def read(path: Path, facts: Facts) -> T:
        with np.load(path, allow_pickle=False) as arrays:
            plain = json.loads(arrays["json"].tobytes())
            return msgspec.convert(plain, kind, dec_hook=lambda _, name: arrays[name])

    return Codec(write=write, read=read)


def array_codec() -> Codec[NDArray[Any]]:
    """The codec of one array: `.npy`, read as a memory map."""
    return Codec(
        write=lambda value, file: np.save(file, value, allow_pickle=False),
        read=lambda path, facts: np.load(path, mmap_mode="r", allow_pickle=False),
    )


def text_codec() -> Codec[str]:
    """The codec of a text in UTF-8, such as the report."""
    return Codec(
        write=lambda value, file: write_bytes(file, value.encode()),
        read=lambda path, facts: path.read_text(encoding="utf-8"),
    )


def write_bytes(file: BinaryIO, content: bytes) -> None:
    """Writes all of `content`."""
    file.write(content)


def _write_archive(file: BinaryIO, arrays: dict[str, NDArray[Any]]) -> None:
    """An `.npz` with deterministic bytes: `np.savez` stores the time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)


def _replace_non_finite(plain: Any) -> Any:
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, dict):
        return {key: _replace_non_finite(item) for key, item in plain.items()}
    if isinstance(plain, list | tuple):
        return [_replace_non_finite(item) for item in plain]
    return plain


def _numpy_to_python(item: object) -> object:
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, np.ndarray):
        return item.tolist()
    if isinstance(item, Path):
        return str(item)
    raise TypeError(f"{type(item).__name__} has no place in JSON")
