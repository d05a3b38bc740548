"""The folder where decoded images are kept between runs: found again, bounded, never half."""

import contextlib
import errno
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.errors import MachineError

MOST_BYTES = 20 << 30
ABANDONED_SECONDS = 24 * 3600
_ADVICE = "Name a folder with room that you can write: export STRIATE_CACHE=/path/to/folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFolder:
    """A folder of pairs `KEY.npy` (images) and `KEY.json` (facts, written last)."""

    path: Path

    @staticmethod
    def open() -> "CacheFolder":
        """The folder that `STRIATE_CACHE` names, else the user's; raises `MachineError`."""
        named = os.environ.get("STRIATE_CACHE")
        base = Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("striate"))
        folder = base / "images"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from None
        return CacheFolder(path=folder)

    def images(self, key: str) -> Path:
        """The file of the images."""
        return self.path / f"{key}.npy"

    def find(self, key: str) -> bytes | None:
        """The facts kept under `key`, or None; what was found counts as used now."""
        facts = self.path / f"{key}.json"
        try:
            content = facts.read_bytes()
            np.load(self.images(key), mmap_mode="r")
        except (OSError, ValueError):  # Not there, or cut off by a disk that was full.
            return None
        with contextlib.suppress(OSError):  # A cache that is only readable still serves.
            os.utime(facts)
        return content

    @contextmanager
    def writer(self, key: str, shape: tuple[int, ...]) -> Iterator["Writer"]:
        """Writes images of `shape` under `key`; nothing is left behind unless it finishes."""
        self._make_room(int(np.prod(shape)))
        with _told(self.path):
            number, name = tempfile.mkstemp(prefix=f"{key}.", suffix=".part", dir=self.path)
        try:
            with os.fdopen(number, "wb", buffering=1 << 20) as file:
                yield Writer(file=file, folder=self, key=key, shape=shape, name=name)
        finally:
            with contextlib.suppress(OSError):
                Path(name).unlink()

    def _make_room(self, coming: int) -> None:
        """Deletes what was used longest ago until all fits, and what killed runs left behind."""
        for part in self.path.glob("*.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                    part.unlink()
        kept: list[tuple[float, int, Path]] = []
        for facts in self.path.glob("*.json"):
            with contextlib.suppress(OSError):
                size = facts.with_suffix(".npy").stat().st_size
                kept.append((facts.stat().st_mtime, size, facts))
        total = coming + sum(size for _, size, _ in kept)
        for _, size, facts in sorted(kept):
            if total <= MOST_BYTES:
                return
            for file in (facts, facts.with_suffix(".npy")):
                with contextlib.suppress(OSError):
                    file.unlink()
            total -= size


@dataclass(slots=True, kw_only=True)
class Writer:
    """Writes rows in ascending order; rows that are left out become zeros."""

    file: IO[bytes]
    folder: CacheFolder
    key: str
    shape: tuple[int, ...]
    name: str
    rows: int = -1

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Writes the image of one row; plain writes, since a full disk kills a memory map."""
        with _told(self.folder.path):
            self._reach(row)
            self.file.write(np.ascontiguousarray(image).data)
        self.rows += 1

    def finish(self, facts: bytes) -> None:
        """Makes the images and the facts appear under their names, whole.

        Not synced to disk: that takes seconds for what can be made again, and `find` sees a
        file that is too short.
        """
        with _told(self.folder.path):
            self._reach(self.shape[0])
            self.file.close()
            Path(self.name).replace(self.folder.images(self.key))
            beside = Path(f"{self.name}.facts.part")
            beside.write_bytes(facts)
            beside.replace(self.folder.path / f"{self.key}.json")

    def _reach(self, row: int) -> None:
        if self.rows < 0:
            head = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(self.file, head)
            self.rows = 0
        for _ in range(row - self.rows):
            self.file.write(bytes(math.prod(self.shape[1:])))
        self.rows = max(row, self.rows)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turns what the system says of writing into an error for people."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(folder, error) from None


def _cannot_write(folder: Path, error: OSError) -> MachineError:
    if error.errno == errno.ENOSPC:
        return MachineError(f"The disk is full: no room for decoded images in {folder}.", _ADVICE)
    return MachineError(
        f"Decoded images cannot be kept in {folder} ({error.strerror or error}).", _ADVICE
    )
