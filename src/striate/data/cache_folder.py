"""The folder of decoded images between runs: limited in size, every entry verified."""

import contextlib
import io
import itertools
import math
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
import platformdirs
from numpy.typing import NDArray

from striate.data.formats.read_file import count_cores
from striate.errors import MachineError
from striate.store.checksums import (
    WRAPPER_START,
    BlockChecksums,
    block_checksums,
    unwrap_content,
    wrap_content,
)
from striate.store.files import ensure_folder, open_atomically, remove_unfinished, write_atomically

MOST_BYTES = 20 << 30
ABANDONED_SECONDS = 24 * 3600
FORGOTTEN_SECONDS = 30 * 24 * 3600
ADVICE = (
    "Name a folder on a disk with room that you may write to: export STRIATE_CACHE=/path/to/folder"
)


class DamagedError(ValueError):
    """A cache entry whose content differs from what was written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CacheEntry:
    """Images found again, mapped into memory, and the facts beside them."""

    images: NDArray[np.uint8]
    facts: bytes


class _Facts(msgspec.Struct, kw_only=True):
    """What `KEY.json` holds: the checksum of every block of `KEY.npy`, and its writer's facts."""

    blocks: tuple[int, ...]
    facts: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFolder:
    """A folder of pairs `KEY.npy` (images) and `KEY.json` (facts, written last).

    Both carry checksums, which finding verifies.
    """

    path: Path

    @staticmethod
    def open() -> "CacheFolder":
        """The folder that `STRIATE_CACHE` names, else the user's; raises `MachineError`."""
        named = os.environ.get("STRIATE_CACHE")
        base = Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("striate"))
        folder = base / "images"
        ensure_folder(folder, ADVICE)
        remove_unfinished(base)
        remove_unfinished(folder)
        return CacheFolder(path=folder)

    def images(self, key: str) -> Path:
        """The file of the images."""
        return self.path / f"{key}.npy"

    def find(self, key: str) -> CacheEntry | None:
        """The entry under `key`, verified, or None; it is marked as used now.

        Raises `DamagedError` if its content differs from what was written.
        """
        facts = self.path / f"{key}.json"
        try:
            known = msgspec.json.decode(unwrap_content(facts.read_bytes()), type=_Facts)
            with self.images(key).open("rb") as file:
                images = _open_verified(file, known.blocks)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # cut off by a disk that was full, or altered
            raise DamagedError(str(error)) from error
        with contextlib.suppress(OSError):  # A cache that is only readable still serves.
            os.utime(facts)
        return CacheEntry(images=images, facts=bytes(known.facts))

    @contextmanager
    def writer(self, key: str, shape: tuple[int, ...]) -> Iterator["CacheWriter"]:
        """A writer for images of `shape` under `key`; nothing is left unless it finishes."""
        self._make_room(int(np.prod(shape)))
        # Nothing waits for the disk: what can be made again may be lost with the power.
        with open_atomically(self.images(key), lasting=False, hint=ADVICE) as file:
            writer = CacheWriter(file=file, shape=shape)
            yield writer
            writer.fill()
        try:
            facts = self.path / f"{key}.json"
            known = _Facts(blocks=writer.sums.sums(), facts=msgspec.Raw(writer.facts))
            content = wrap_content(msgspec.json.encode(known))
            write_atomically(facts, content, lasting=False, hint=ADVICE)
        except MachineError:
            with contextlib.suppress(OSError):
                self.images(key).unlink()
            raise

    def _make_room(self, coming: int) -> None:
        """Delete the least recently used entries until all fit, and leftovers of killed runs."""
        for part in self.path.glob("*.part"):  # of an earlier striate
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                    part.unlink()
        kept: list[tuple[float, int, Path]] = []
        for images in self.path.glob("*.npy"):
            facts = images.with_suffix(".json")
            with contextlib.suppress(OSError):
                used = (facts if facts.exists() else images).stat().st_mtime
                # What an earlier version made, this one never finds.
                useless = time.time() - used > FORGOTTEN_SECONDS and not _is_ours(facts)
                kept.append((0.0 if useless else used, images.stat().st_size, facts))
        total = coming + sum(size for _, size, _ in kept)
        for used, size, facts in sorted(kept):
            if used and total <= MOST_BYTES:
                return
            for file in (facts, facts.with_suffix(".npy")):
                with contextlib.suppress(OSError):
                    file.unlink()
            total -= size


@dataclass(slots=True, kw_only=True)
class CacheWriter:
    """Writes rows in ascending order; rows that are left out become zeros."""

    file: IO[bytes]
    shape: tuple[int, ...]
    facts: bytes = b""
    rows: int = -1
    sums: BlockChecksums = field(default_factory=BlockChecksums)

    def put(self, row: int, image: NDArray[np.uint8]) -> None:
        """Writes the image of one row; plain writes, since a full disk kills a memory map."""
        self._reach(row)
        self._write(np.ascontiguousarray(image).data)
        self.rows += 1

    def finish(self, facts: bytes) -> None:
        """Notes the facts, which are JSON; they appear, whole, once the images do."""
        self.facts = facts

    def fill(self) -> None:
        """Makes the rows that are still due zeros."""
        self._reach(self.shape[0])

    def _reach(self, row: int) -> None:
        if self.rows < 0:
            head = io.BytesIO()
            shape = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(head, shape)
            self._write(head.getbuffer())
            self.rows = 0
        for _ in range(row - self.rows):
            self._write(memoryview(bytes(math.prod(self.shape[1:]))))
        self.rows = max(row, self.rows)

    def _write(self, content: memoryview) -> None:
        """Writes, and counts what is meant to come to the disk."""
        self.sums.update(content)
        self.file.write(content)


def _open_verified(file: IO[bytes], blocks: tuple[int, ...]) -> NDArray[np.uint8]:
    """The array in an open `.npy`, mapped; raises `ValueError` where a block is another."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes_:
        view = memoryview(bytes_)
        sums = block_checksums(view, count_cores())
        view.release()
    if sums != blocks:
        wrong = sum(a != b for a, b in itertools.zip_longest(sums, blocks))
        raise ValueError(f"{wrong} of its {len(blocks)} blocks do not match their checksums")
    np.lib.format.read_magic(file)
    shape, _, _ = np.lib.format.read_array_header_1_0(file)
    return np.memmap(file, np.uint8, "r", file.tell(), shape)


def change_warning(folder: CacheFolder) -> MachineError:
    """What to tell where decoded images are other ones once they are written."""
    return MachineError(
        f"The decoded images in {folder.path} change after they are written.", ADVICE
    )


def _is_ours(facts: Path) -> bool:
    """Whether facts are written as this version does."""
    if not facts.exists():
        return False
    with facts.open("rb") as file:
        return file.read(len(WRAPPER_START)) == WRAPPER_START
