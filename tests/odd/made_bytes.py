"""Picture files byte by byte, for what no library would write."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 7: "s", 11: "f", 12: "d", 13: "I"}
Entry = tuple[int, int, Any]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG, with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    rows: NDArray[Any], colour: int, bits: int = 8, before: bytes = b"", after: bytes = b""
) -> bytes:
    """A PNG of rows H x W or H x W x C, 8 or 16 bits, with chunks before and after the data."""
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], bits, colour, 0, 0, 0)
    wide = rows.astype(">u2" if bits == 16 else "u1")
    data = b"".join(b"\0" + row.tobytes() for row in wide)
    body = chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(data)) + after
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def directory(entries: list[Entry], start: int, following: int = 0) -> bytes:
    """An image file directory, little-endian, that begins at `start`; long values follow it."""
    place = start + 2 + 12 * len(entries) + 4
    head, tail = struct.pack("<H", len(entries)), b""
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        values = value if isinstance(value, tuple) else (value,)
        if kind in {2, 7}:
            raw, count = bytes(value), len(value)
        else:
            raw = struct.pack("<" + CODES[kind] * (len(values) // len(CODES[kind])), *values)
            count = len(values) // len(CODES[kind])
        if len(raw) > 4:
            head += struct.pack("<HHII", tag, kind, count, place + len(tail))
            tail += raw
        else:
            head += struct.pack("<HHI", tag, kind, count) + raw.ljust(4, b"\0")
    return head + struct.pack("<I", following) + tail


def tiff(array: NDArray[Any], *extra: Entry, photometric: int = 1, following: int = 0) -> bytes:
    """A TIFF of one strip, of the array's own kind of numbers; `extra` tags replace others."""
    kinds = {"u": 1, "i": 2, "f": 3}
    data = array.tobytes()
    channels = array.shape[2] if array.ndim == 3 else 1
    entries = {
        256: (256, 4, array.shape[1]),
        257: (257, 4, array.shape[0]),
        258: (258, 3, (8 * array.itemsize,) * channels),
        259: (259, 3, 1),
        262: (262, 3, photometric),
        273: (273, 4, 8),
        277: (277, 3, channels),
        278: (278, 4, array.shape[0]),
        279: (279, 4, len(data)),
        339: (339, 3, (kinds[array.dtype.kind],) * channels),
    }
    entries |= {entry[0]: entry for entry in extra}
    start = 8 + len(data)
    return b"II*\0" + struct.pack("<I", start) + data + directory(
        list(entries.values()), start, following
    )  # fmt: skip


def exif(*entries: Entry, following: int = 0) -> bytes:
    """An EXIF block as a JPEG holds it."""
    return b"Exif\0\0II*\0\x08\0\0\0" + directory(list(entries), 8, following)


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with a segment put at its beginning."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def without_segment(jpeg: bytes, marker: int) -> bytes:
    """A JPEG without its first segment of a kind."""
    start = segment(jpeg, marker)
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


def segment(jpeg: bytes, marker: int) -> int:
    """Where the first segment of a kind begins."""
    place = 2
    while jpeg[place + 1] != marker:
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return place


def grid(height: int, width: int) -> NDArray[np.uint8]:
    """Grey levels 0 to 255 that differ from pixel to pixel, H x W."""
    return np.linspace(0, 255, height * width).astype(np.uint8).reshape(height, width)
