"""A PNG with broken extras -> the same PNG without them; the pixels are left as they are."""

import struct
import zlib


def plain_png(content: bytes) -> bytes | None:
    """The PNG of those chunks alone that say what is to be seen; None where it is no PNG.

    Colour profiles, texts and the like are left out: a general reader refuses the whole file
    where one of them is damaged or swells up on being unpacked.
    """
    if content[:8] != _START:
        return None
    kept, place = [_START], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunk = content[place : place + 12 + length]
        if chunk[4:8] in _NEEDED or (chunk[4:8] in _OF_USE and _whole(chunk)):
            kept.append(chunk)
        place += len(chunk)
    return b"".join(kept)


def _whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


_START = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_OF_USE = frozenset({b"tRNS", b"eXIf"})
