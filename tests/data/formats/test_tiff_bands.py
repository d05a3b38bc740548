"""A TIFF of more bands than a picture has is told from a damaged one, with what can be done."""

import struct

import numpy as np
import pytest

from striate.data.formats.decode import decode_image
from striate.data.formats.unreadable import Unreadable, read_tiff_bands


def tiff(bands: int, bits: int = 8, order: str = "<") -> bytes:
    """A plain TIFF of 8 x 8 pixels, its bands beside each other."""
    pixels = np.zeros((8, 8, bands), f"u{bits // 8}").tobytes()
    numbers = {256: 8, 257: 8, 258: bits, 259: 1, 262: 1, 277: bands, 278: 8}
    longs = {273: 8, 279: len(pixels)}
    start = 8 + len(pixels)
    behind = start + 2 + 12 * (len(numbers) + len(longs)) + 4
    entries = []
    for tag in sorted({**numbers, **longs}):
        if tag in longs:
            entries.append(struct.pack(f"{order}HHII", tag, 4, 1, longs[tag]))
        elif tag == 258 and bands > 2:
            entries.append(struct.pack(f"{order}HHII", tag, 3, bands, behind))
        else:
            entries.append(struct.pack(f"{order}HHIHH", tag, 3, 1, numbers[tag], 0))
    magic = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    each = struct.pack(f"{order}{bands}H", *[bits] * bands)
    return magic + struct.pack(f"{order}I", start) + pixels + directory + each


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bands", "bits"), [(1, 8), (3, 8), (4, 16), (7, 8), (12, 16)])
def test_bands_and_bits_are_read(order: str, bands: int, bits: int) -> None:
    assert read_tiff_bands(tiff(bands, bits, order)) == (bands, bits)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0" + bytes(4), b"\x89PNG" * 9])
def test_what_says_no_bands_has_none_or_one(content: bytes) -> None:
    assert read_tiff_bands(content)[0] <= 1


def test_any_part_of_a_file_gives_numbers() -> None:
    whole = tiff(7)
    for end in range(len(whole)):
        read_tiff_bands(whole[:end])


@pytest.mark.parametrize(
    ("bands", "bits", "reason"),
    [
        (7, 8, r"a TIFF of 7 bands, and images may have up to 4; .* \.npz"),
        (12, 16, "a TIFF of 12 bands"),
        (4, 16, "a TIFF of 4 bands of 16 bits; save it with 8 bits"),
    ],
)
def test_the_reason_says_what_can_be_done(bands: int, bits: int, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode_image(tiff(bands, bits))


def test_few_bands_are_a_picture() -> None:
    assert decode_image(tiff(1)).pixels.shape == (8, 8, 1)
