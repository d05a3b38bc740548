"""The header of a plain JPEG, read in a tenth of the time that a general reader takes."""

import struct
from typing import NamedTuple


class JpegHeader(NamedTuple):
    """Mode as Pillow names it, size in pixels as stored, EXIF orientation 1 to 8."""

    mode: str
    width: int
    height: int
    orientation: int


def read_jpeg_header(content: bytes) -> JpegHeader | None:
    """The header, or None for anything unusual: let a general reader judge that."""
    place, orientation = 2, 1
    if content[:2] != b"\xff\xd8":
        return None
    for _ in range(_MOST_SEGMENTS):
        head = content[place : place + 4]
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker, length = head[1], head[2] << 8 | head[3]
        body = place + 4
        if marker in _FRAMES:
            frame = content[body : body + 6]
            if len(frame) < 6:
                return None  # it is cut off right here
            mode = _MODES.get(frame[5]) if frame[0] == 8 else None
            height, width = frame[1] << 8 | frame[2], frame[3] << 8 | frame[4]
            return JpegHeader(mode, width, height, orientation) if mode and height else None
        if marker not in _SKIPPED:
            return None
        if marker == 0xE1 and content[body : body + 6] == b"Exif\0\0":
            orientation = _orientation(content[body + 6 : place + 2 + length])
            if not orientation:
                return None
        elif marker in {0xE1, 0xE2} and content[body : body + 4] in {b"http", b"MPF\0"}:
            return None  # XMP may turn the picture, and MPF holds several.
        place += 2 + length
    return None


def _orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory, 1 where it is not there, 0 where it is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 0
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112:
                return value if (kind, number) == (3, 1) and 1 <= value <= 8 else 0
    except struct.error:
        return 0
    return 1


_MODES = {1: "L", 3: "RGB"}
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # Baseline, extended, progressive.
_SKIPPED = frozenset({*range(0xE0, 0xF0), 0xDB, 0xC4, 0xDD, 0xFE})
_MOST_SEGMENTS = 200
