"""Image headers: format, mode, size and orientation, without decoding pixels."""

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from striate.data.formats.unreadable import (
    Unreadable,
    error_reason,
    refuse_without_room,
    unknown_content_reason,
)

Content = bytes | NDArray[Any] | Image.Image

DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
ARRAY = "array"
HEADER_BYTES = 1 << 24  # more than opening any picture takes
# An array of five channels and more has the mode "5 channels": nobody knows what they are.
CHANNELS_SUFFIX = " channels"
MOST_CHANNELS = 64
GREY_MODES = frozenset({"1", "L", "LA", "La"}) | DEEP_MODES

# No EPS and no WMF: opening them would start another program.
_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000"),
    *("ICO", "PCX", "SGI", "QOI", "TGA"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Width and height in pixels as stored, before `orientation` (EXIF, 1 to 8) is applied.

    `frames` counts those of an animation and the pages of a TIFF.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int = 1
    frames: int = 1


def read_header(content: Content) -> Header:
    """The header of a picture; raises `Unreadable` with the reason."""
    if isinstance(content, np.ndarray):
        return _array_header(content)
    if isinstance(content, Image.Image):
        return _image_header(content)
    if not content:
        raise Unreadable("the file is empty")
    plain = read_jpeg_header(content)
    if plain is not None:
        return Header(format="JPEG", **plain._asdict())
    image = open_image(content)
    header = _image_header(image)
    return replace(
        header, frames=_count_frames(image)
    )  # Counted last: it may leave the first frame.


def open_image(content: bytes) -> Image.Image:
    """The picture behind the bytes, not decoded yet; raises `Unreadable` with the reason.

    A PNG that cannot be opened is tried once more without its texts and colour profiles.
    """
    try:
        return _open_with_pillow(content)
    except Unreadable:
        plain = strip_png_chunks(content)
        if plain is None:
            raise
        image = _open_with_pillow(plain)
        warnings.warn("its text or colour profile is damaged", UserWarning, stacklevel=1)
        return image


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation of a picture, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
        return int(value) if value in range(1, 9) else 1
    except Exception:  # A damaged EXIF block spoils the rotation, not the picture.
        return 1


@contextmanager
def capture_pillow_warnings() -> Iterator[None]:
    """What Pillow warns of or logs is returned by `take_warnings`; its bound on pixels is off.

    striate has a bound of its own (`--max-pixels`). For a whole pass, around the threads.
    """
    bound = Image.MAX_IMAGE_PIXELS
    log = logging.getLogger("PIL")
    passed_on, handler = log.propagate, _WarningCollector(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _gather_warning
        Image.MAX_IMAGE_PIXELS = None
        log.addHandler(handler)
        log.propagate = False
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.propagate = passed_on
            Image.MAX_IMAGE_PIXELS = bound


def take_warnings() -> str:
    """The warnings that this thread met since it was last asked, as one line, each once."""
    met: list[str] = getattr(_MET, "texts", [])
    _MET.texts = []
    return "; ".join(dict.fromkeys(met))


def _gather_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _keep_warning(str(message))


class _WarningCollector(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _keep_warning(record.getMessage())


def _keep_warning(text: str) -> None:
    if not hasattr(_MET, "texts"):
        _MET.texts = []
    _MET.texts.append(" ".join(text.split())[:120])


@cache
def _allowed_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open_with_pillow(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=_allowed_formats())
    except UnidentifiedImageError:
        raise Unreadable(unknown_content_reason(content)) from None
    except Exception as error:  # Pillow's plug-ins raise whatever a damaged header makes them.
        refuse_without_room(error, HEADER_BYTES)
        raise Unreadable(error_reason(error)) from None


def _image_header(image: Image.Image) -> Header:
    orientation = _find_orientation(image)
    width, height = image.size
    if image.format == "TIFF" and orientation >= 5:
        width, height = height, width  # Pillow turns TIFF by itself and tells the turned size.
    return Header(
        format=image.format or "image",
        mode=image.mode,
        width=width,
        height=height,
        orientation=orientation,
    )


def _find_orientation(image: Image.Image) -> int:
    if image.format in {"JPEG", "MPO", "PNG", "WEBP"} and not _CARRIERS & image.info.keys():
        return 1  # Parsing EXIF is dear; most pictures have none.
    return read_orientation(image)


def _count_frames(image: Image.Image) -> int:
    """How many frames there are; 1 where they cannot be counted."""
    if image.format in _STILL:
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # A damaged second page spoils no first one.
        return 1


def _array_header(array: NDArray[Any]) -> Header:
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    mode = _ARRAY_MODES.get(channels, f"{channels}{CHANNELS_SUFFIX}")
    few = channels in _ARRAY_MODES or 0 < channels < min(*array.shape[:2], MOST_CHANNELS + 1)
    if not few or 0 in array.shape or array.dtype.kind not in "buif":
        raise Unreadable(f"an array {array.dtype} of shape {array.shape} is not an image")
    height, width = array.shape[:2]
    return Header(format=ARRAY, mode=mode, width=width, height=height)


_ARRAY_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ORIENTATION_TAG = 0x0112
_STILL = frozenset({"JPEG", "MPO"})  # Other pictures in a JPEG are previews and depth maps.
_CARRIERS = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
_MET = threading.local()


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
            orientation = _jpeg_orientation(content[body + 6 : place + 2 + length])
            if not orientation:
                return None
        elif marker in {0xE1, 0xE2} and content[body : body + 4] in {b"http", b"MPF\0"}:
            return None  # XMP may turn the picture, and MPF holds several.
        place += 2 + length
    return None


def _jpeg_orientation(exif: bytes) -> int:
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


def strip_png_chunks(content: bytes) -> bytes | None:
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
        if chunk[4:8] in _NEEDED or (chunk[4:8] in _OF_USE and _is_intact_chunk(chunk)):
            kept.append(chunk)
        place += len(chunk)
    return b"".join(kept)


def _is_intact_chunk(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


_START = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_OF_USE = frozenset({b"tRNS", b"eXIf"})
