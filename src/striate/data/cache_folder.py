"""The folder where decoded images are kept between runs: found again, bounded, never half."""

import contextlib
import math
import os
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
from striate.store.files import made, sweep, whole, write_whole

MOST_BYTES = 20 << 30
ABANDONED_SECONDS = 24 * 3600
ADVICE = "Name a folder with room that you can write: export STRIATE_CACHE=/path/to/folder"


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
        made(folder, ADVICE)
        sweep(base)
        sweep(folder)
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
        # Nothing waits for the disk: what can be made again may be lost with the power.
        with whole(self.images(key), lasting=False, hint=ADVICE) as file:
            writer = Writer(file=file, shape=shape)
            yield writer
            writer.fill()
        try:
            facts = self.path / f"{key}.json"
            write_whole(facts, writer.facts, lasting=False, hint=ADVICE)
        except MachineError:
            with contextlib.suppress(OSError):
                self.images(key).unlink()
            raise

    def _make_room(self, coming: int) -> None:
        """Deletes what was used longest ago until all fits, and what killed runs left behind."""
        for part in self.path.glob("*.part"):  # of an earlier striate
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                    part.unlink()
        kept: list[tuple[float, int, Path]] = []
        for images in self.path.glob("*.npy"):
            facts = images.with_suffix(".json")
            with contextlib.suppress(OSError):
                used = facts if facts.exists() else images
                kept.append((used.stat().st_mtime, images.stat().st_size, facts))
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
    shape: tuple[int, ...]
    facts: bytes = b""
    rows: int = -1

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Writes the image of one row; plain writes, since a full disk kills a memory map."""
        self._reach(row)
        self.file.write(np.ascontiguousarray(image).data)
        self.rows += 1

    def finish(self, facts: bytes) -> None:
        """Notes the facts: they appear under their name, whole, once the images do."""
        self.facts = facts

    def fill(self) -> None:
        """Makes the rows that are still due zeros."""
        self._reach(self.shape[0])

    def _reach(self, row: int) -> None:
        if self.rows < 0:
            head = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(self.file, head)
            self.rows = 0
        for _ in range(row - self.rows):
            self.file.write(bytes(math.prod(self.shape[1:])))
        self.rows = max(row, self.rows)
