"""Arrays in files, opened without reading them whole: members of an `.npz`, gzipped or plain."""

import gzip
import io
import math
import os
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from striate.data.formats.read_file import path_to_text
from striate.errors import MachineError, SourceError

# What is packed must be unpacked to be read in any order: in memory up to here, beyond it in a
# file without a name, which is gone when the process is.
MOST_IN_MEMORY = 512 << 20
MOST_OF_HEADER = 1 << 20
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array that lies in a file: what its header says, and `load` to have it, read only.

    `pickled` tells that it holds Python objects, which are never loaded.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], NDArray[Any]]

    @property
    def pickled(self) -> bool:
        """Whether it holds Python objects."""
        return bool(self.dtype.hasobject)


def list_npz_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays in an `.npz` by name, headers read only. Raises `SourceError` where damaged."""
    try:
        with zipfile.ZipFile(path) as packed:
            entries = [e for e in packed.infolist() if e.filename.endswith(".npy")]
            found = [_read_member(path, packed, entry) for entry in entries]
    except DAMAGE as error:
        raise damaged_array_error(path, error) from None
    return {array.name: array for array in found}


def map_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, order: Any = "C"
) -> NDArray[Any]:
    """An array that lies unpacked in a file, mapped into memory, read only."""
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, order)


def read_packed_array(
    stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], order: Any = "C"
) -> NDArray[Any]:
    """An array out of a packed stream that stands at its first byte.

    Raises `EOFError` where the stream ends before it, `MachineError` where the disk is full.
    """
    size = math.prod(shape) * dtype.itemsize
    if size <= MOST_IN_MEMORY:
        content = stream.read(size)
        if len(content) < size:
            raise EOFError("it is cut off")
        return np.frombuffer(content, dtype).reshape(shape, order=order)
    with tempfile.TemporaryFile() as file:
        left = size
        while left and (block := stream.read(min(_BLOCK, left))):
            left -= len(block)
            try:
                file.write(block)
            except OSError as error:
                raise MachineError(
                    f"There is no room to unpack an array of {size:,} bytes "
                    f"({error.strerror or error}).",
                    "Free some space in the folder for temporary files, or name another: "
                    "TMPDIR=/path",
                ) from error
        if left:
            raise EOFError("it is cut off")
        file.flush()
        return np.memmap(file, dtype, "r", 0, shape, order)


def damaged_array_error(path: Path, error: BaseException) -> SourceError:
    """That a file of arrays cannot be read, and why."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return SourceError(
        f"{path_to_text(path)} is damaged and cannot be read: {text}.", "Download it again."
    )


def _read_member(path: Path, packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> StoredArray:
    name = entry.filename.removesuffix(".npy")
    if entry.flag_bits & 0x1:
        raise SourceError(
            f"{path_to_text(path)} is protected by a password.", "Save it without one."
        )
    with packed.open(entry) as stream:
        shape, order, dtype = _read_header(stream)
        start = stream.tell()
    size = math.prod(shape) * dtype.itemsize  # in whole numbers: NumPy's would begin again at 2⁶³
    if not dtype.hasobject and start + size != entry.file_size:
        raise EOFError(f"{name} does not have the length that its header gives")

    def load() -> NDArray[Any]:
        if dtype.hasobject:
            raise SourceError(
                f"{name} in {path_to_text(path)} holds Python objects, which are never loaded "
                "because they could run code.",
                "Save plain numbers or text: np.savez(path, images=…, labels=…)",
            )
        try:
            if entry.compress_type == zipfile.ZIP_STORED:
                return map_array(path, dtype, shape, _find_entry_start(path, entry) + start, order)
            with zipfile.ZipFile(path) as again, again.open(entry) as stream:
                _read_header(stream)
                return read_packed_array(stream, dtype, shape, order)
        except DAMAGE as error:
            raise damaged_array_error(path, error) from None

    return StoredArray(name=name, shape=shape, dtype=dtype, load=load)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    """Shape, order and type of the array that a stream in NumPy's format begins with."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its array format {version[0]}.{version[1]} is not supported")
    width, reader = _HEADERS[version]
    length = stream.read(width)
    if int.from_bytes(length, "little") > MOST_OF_HEADER:  # NumPy reads it before it judges it
        raise ValueError(f"its header is larger than {MOST_OF_HEADER:,} bytes")
    text = stream.read(int.from_bytes(length, "little"))
    try:
        shape, fortran, dtype = reader(io.BytesIO(length + text))
    except MemoryError:
        raise
    except Exception as error:  # NumPy hands it to Python's tokenizer, whose errors are many
        raise ValueError(f"its header is not a NumPy header ({type(error).__name__})") from None
    if any(not 0 <= axis < 2**63 for axis in shape):
        raise ValueError(f"{shape} is not a valid array shape")
    return shape, "F" if fortran else "C", dtype


def _find_entry_start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin: behind its local header, whose length the directory omits."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
    if head[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("an entry is not where the directory of the file says")
    names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return entry.header_offset + 30 + names


_HEADERS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}
# zipfile raises NotImplementedError for a compression that it cannot undo.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, gzip.BadGzipFile, zlib.error),
    *(EOFError, NotImplementedError, ValueError, OSError),
)


Place = tuple[int, tuple[int, ...], np.dtype[Any]]


class ItemSpool(Sequence[Any]):
    """Arrays and paths in the order in which they were added; many threads may read.

    Arrays beyond 512 MiB go into a file without a name, which is gone when the process is.
    """

    def __init__(self) -> None:
        # It stays open as long as the spool lives, and `__del__` closes it, so no `with`.
        file = tempfile.SpooledTemporaryFile(max_size=MOST_IN_MEMORY)  # noqa: SIM115
        self._file = cast(IO[bytes], file)
        self._places: list[Place | str] = []
        self._end = 0
        self._lock = threading.Lock()

    def add(self, picture: NDArray[Any] | str) -> None:
        """Keeps one more; raises `MachineError` where the disk is full."""
        if isinstance(picture, str):
            self._places.append(picture)
            return
        content = np.ascontiguousarray(picture).tobytes()
        try:
            self._file.write(content)
        except OSError as error:
            raise MachineError(
                f"There is no room to store the images of the dataset ({error.strerror or error}).",
                "Free some space in the folder for temporary files, or name another: TMPDIR=/path",
            ) from error
        self._places.append((self._end, picture.shape, picture.dtype))
        self._end += len(content)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        place = self._places[row]
        if isinstance(place, str):
            return place
        start, shape, dtype = place
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with self._lock:
            self._file.seek(start, os.SEEK_SET)
            content = self._file.read(size)
        return np.frombuffer(content, dtype).reshape(shape)

    def __del__(self) -> None:
        self._file.close()
