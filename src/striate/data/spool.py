"""Pictures that can only be asked for once, kept as they are: in memory, then in a file."""

import os
import tempfile
import threading
from collections.abc import Sequence
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from striate.data.array_file import MOST_IN_MEMORY
from striate.errors import MachineError

Place = tuple[int, tuple[int, ...], np.dtype[Any]]


class Spool(Sequence[Any]):
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
                f"There is no room to keep the images of the dataset ({error.strerror or error}).",
                "Make room in the folder for temporary files, or name another: TMPDIR=/path",
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
