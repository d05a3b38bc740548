"""Checksums of stored files: what is read is what was written, at little cost."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

CHECKSUM_FIELD = "checksum"
BLOCK = 16 << 20


def json_checksum(plain: Mapping[str, Any], *more: str) -> str:
    """The checksum of a JSON object and of `more`: 32 hexadecimal digits of BLAKE2b.

    Its own field is excluded, and whitespace and key order do not matter.
    """
    counted = {name: value for name, value in plain.items() if name != CHECKSUM_FIELD}
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(counted, sort_keys=True, separators=(",", ":")).encode())
    for part in more:
        digest.update(f"\n{part}".encode())
    return digest.hexdigest()


def verify_seal(plain: Any) -> None:
    """Raise `ValueError` if a JSON object does not match its checksum; older ones have none."""
    if (
        isinstance(plain, dict)
        and plain.get(CHECKSUM_FIELD)
        and plain[CHECKSUM_FIELD] != json_checksum(plain)
    ):
        raise ValueError(CHANGED_TEXT)


def wrap_content(content: bytes) -> bytes:
    """A JSON file around `content`, which is JSON, preceded by its checksum."""
    return _head(content) + content + _WRAPPER_END


def unwrap_content(file: bytes) -> bytes:
    """The content of a file made by `wrap_content`; raises `ValueError` if a byte differs."""
    content = file[len(_head(b"")) : -len(_WRAPPER_END)]
    if file != wrap_content(content):
        raise ValueError(CHANGED_TEXT)
    return content


@dataclass(slots=True)
class BlockChecksums:
    """A running CRC-32 for each block of 16 MiB.

    CRC-32 runs at 4 GB/s, BLAKE2b takes four times as long; random damage passes it once in four
    billion.
    """

    _done: list[int] = field(default_factory=list)
    _open: int = 0
    _filled: int = 0

    def update(self, content: bytes | memoryview) -> None:
        """Add more bytes."""
        view = memoryview(content).cast("B")
        while len(view):
            part = view[: BLOCK - self._filled]
            self._open = zlib.crc32(part, self._open)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == BLOCK:
                self._done.append(self._open)
                self._open = self._filled = 0

    def sums(self) -> tuple[int, ...]:
        """The checksum of every block so far, the last of which may be shorter."""
        return (*self._done, *([self._open] if self._filled else []))


def block_checksums(content: memoryview, threads: int) -> tuple[int, ...]:
    """What `BlockChecksums` gives for all of `content`, computed in threads."""

    def count(start: int) -> int:
        with content[start : start + BLOCK] as part:  # let go, so that a map can be closed
            return zlib.crc32(part)

    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(count, range(0, len(content), BLOCK)))


def _head(content: bytes) -> bytes:
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return WRAPPER_START + digest.encode() + b'","content":'


WRAPPER_START = b'{"checksum":"'
_WRAPPER_END = b"}\n"
CHANGED_TEXT = "its content does not fit its checksum"
