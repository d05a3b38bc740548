"""How many bands a TIFF has, read from its first directory: Pillow opens those of pictures only."""

import struct


def bands_of(content: bytes) -> tuple[int, int]:
    """Bands and bits of one of them; (0, 0) where it is no TIFF or says neither. TIFF 6.0, 2."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return 0, 0
    try:
        (start,) = struct.unpack_from(f"{order}I", content, 4)
        (entries,) = struct.unpack_from(f"{order}H", content, start)
        found = dict(
            _entry(content, order, start + 2 + ENTRY_BYTES * entry) for entry in range(entries)
        )
    except struct.error:  # cut off, or it points beyond its end
        return 0, 0
    return found.get(SAMPLES_PER_PIXEL, 1), found.get(BITS_PER_SAMPLE, 1)


def _entry(content: bytes, order: str, place: int) -> tuple[int, int]:
    """A tag and its first number, where that is a short one; 0 for other kinds."""
    tag, kind, count = struct.unpack_from(f"{order}HHI", content, place)
    if kind != SHORT:
        return tag, 0
    value = place + 8
    if count > 2:  # they do not fit here: here is where they are
        (value,) = struct.unpack_from(f"{order}I", content, value)
    return tag, int(struct.unpack_from(f"{order}H", content, value)[0])


ENTRY_BYTES = 12
SHORT = 3
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL = 258, 277
