"""Headers: the quick JPEG reader agrees with Pillow, warnings are gathered, nothing decoded."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.odd_files import damaged_files, encoded, scene

from striate.data.formats.header import (
    Header,
    _image_header,
    capture_pillow_warnings,
    open_image,
    read_header,
    read_jpeg_header,
    take_warnings,
)
from striate.data.formats.unreadable import Unreadable

JPEG = encoded(scene())


def test_a_plain_jpeg_is_read_without_pillow() -> None:
    assert read_jpeg_header(JPEG) == ("RGB", 64, 48, 1)
    grey = encoded(Image.fromarray(scene()).convert("L"))
    assert read_jpeg_header(grey) == ("L", 64, 48, 1)
    assert read_jpeg_header(encoded(scene(), progressive=True)) == ("RGB", 64, 48, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    content = encoded(scene(), exif=exif)
    assert read_jpeg_header(content) == ("RGB", 64, 48, orientation)
    assert read_header(content) == _image_header(open_image(content))


def test_unusual_jpegs_are_left_to_pillow() -> None:
    assert read_jpeg_header(encoded(Image.new("CMYK", (8, 8)))) is None
    assert read_header(encoded(Image.new("CMYK", (8, 8)))).mode == "CMYK"
    assert read_jpeg_header(b"") is None
    assert read_jpeg_header(encoded(scene(), "PNG")) is None


@given(st.binary(max_size=60), st.integers(0, len(JPEG)), st.integers(0, 40))
def test_damage_never_crashes_the_quick_reader(noise: bytes, place: int, cut: int) -> None:
    content = JPEG[:place] + noise + JPEG[place + cut :]
    with capture_pillow_warnings():
        try:
            header = read_header(content)
        except Unreadable:
            return
    assert header.width > 0
    assert header.height > 0
    assert header.orientation in range(1, 9)


def test_warnings_are_gathered_not_shown() -> None:
    with capture_pillow_warnings():
        take_warnings()
        warnings.warn("first   of\nall", UserWarning, stacklevel=1)
        warnings.warn("second", UserWarning, stacklevel=1)
        warnings.warn("second", UserWarning, stacklevel=1)
        assert take_warnings() == "first of all; second"
        assert take_warnings() == ""


def test_pillows_bound_on_pixels_is_put_back() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with capture_pillow_warnings():
        assert read_header(damaged_files()["bomb.png"]).width == 60_000
    assert before == Image.MAX_IMAGE_PIXELS


def test_every_real_header_is_read_as_pillow_reads_it(real_set: Callable[[str], Path]) -> None:
    for name in ("hymenoptera", "sign_digits"):
        for path in sorted(real_set(name).rglob("*.*"))[::20]:
            content = path.read_bytes()
            assert read_header(content) == _image_header(open_image(content))


def test_a_header_tells_the_size_as_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "TIFF"):
        header = read_header(encoded(scene(), kind, exif=exif))
        assert header == Header(format=kind, mode="RGB", width=64, height=48, orientation=6)
