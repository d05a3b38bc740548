"""From one image's bytes, array or PIL image to its upright uint8 pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from striate.data.formats.header import (
    DEEP_MODES,
    GREY_MODES,
    Content,
    Header,
    open_image,
    read_orientation,
)
from striate.data.formats.header import read_header as read_header
from striate.data.formats.resize import Resize as Resize
from striate.data.formats.resize import hash_pixels, resize_image
from striate.data.formats.unreadable import Unreadable as Unreadable
from striate.data.formats.unreadable import error_reason, refuse_without_room

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedImage:
    """A decoded picture: `pixels` H x W x C, and what was found on the way.

    `pixels_hash` is over the upright pixels before resizing: the full size, except for large
    JPEGs, which are decoded at a half, a quarter or an eighth of it where that is enough.
    """

    pixels: Pixels
    pixels_hash: str
    format: str
    mode: str
    width: int
    height: int
    orientation: int


def decode_image(
    content: Content,
    size: int | None = None,
    channels: int | None = None,
    *,
    max_pixels: int = 178_000_000,
    resize: Resize = "squash",
    header: Header | None = None,
    alpha: bool = False,
) -> DecodedImage:
    """The picture at `size` x `size` (its own size where None), with `channels` channels.

    Rotated as its EXIF says; the first frame of an animation; 16-bit, float, palette, CMYK and
    YCCK brought to 8 bits a channel. Alpha is laid over white, unless 2 or 4 channels are asked
    for: then it is kept, and with `alpha` a picture without any is opaque. Raises `Unreadable`,
    also where no honest way leads to this number of channels; `MemoryError` where the machine has
    no room for the pixels, which says nothing of the picture.
    """
    header = header or read_header(content)
    if header.width * header.height > max_pixels:
        raise Unreadable(
            f"too large: {header.width} x {header.height} pixels, the limit is "
            f"{max_pixels:,} (--max-pixels)"
        )
    try:
        upright = _decode_upright(content, header, size if resize != "pad" else None, channels)
        square = upright if size is None else resize_image(upright, size, resize)
        pixels = convert_channels(square, channels, alpha=alpha)
    except Unreadable:
        raise
    except Exception as error:  # Whatever a damaged file makes of a decoder, the run goes on.
        refuse_without_room(error, BYTES_PER_PIXEL * header.width * header.height)
        raise Unreadable(error_reason(error)) from None
    return DecodedImage(
        pixels=pixels,
        pixels_hash=hash_pixels(upright),
        format=header.format,
        mode=header.mode,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
    )


def _decode_upright(
    content: Content, header: Header, size: int | None, channels: int | None
) -> Pixels:
    """Upright pixels H x W x C, not smaller than `size` on either side if scaled."""
    if isinstance(content, np.ndarray):
        return _array_to_pixels(content, channels)
    if isinstance(content, bytes) and header.format in {"JPEG", "MPO"}:
        jpeg = _decode_jpeg(content, header, size)
        if jpeg is not None:
            return _apply_orientation(jpeg, header.orientation)
    image = open_image(content) if isinstance(content, bytes) else content
    image.load()
    # Asked after loading: Pillow has turned TIFF and AVIF by then and dropped the tag.
    orientation = read_orientation(image) if header.orientation != 1 else 1
    return _apply_orientation(_in_bands(image, keep_alpha=channels in ALPHA_CHANNELS), orientation)


def _decode_jpeg(content: bytes, header: Header, size: int | None) -> Pixels | None:
    """Grey and RGB JPEG, scaled by the inverse DCT where large; None: let Pillow try."""
    if header.mode not in {"L", "RGB"}:
        return None
    bound = {"min_height": size, "min_width": size, "min_factor": 2} if size else {}
    if size and min(header.width, header.height) < 2 * size:
        bound = {}
    colours = "GRAY" if header.mode == "L" else "RGB"
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(content, colours, **bound)
    except ValueError:
        return None
    return pixels


def _in_bands(image: Image.Image, *, keep_alpha: bool) -> Pixels:
    """The pixels of a loaded PIL image, made some lines at a time: what lies between is small."""
    lines = max(1, BAND_PIXELS // image.width)
    if image.mode in DEEP_MODES or lines >= image.height:
        return _image_to_pixels(image, keep_alpha=keep_alpha)
    whole: Pixels | None = None
    for top in range(0, image.height, lines):
        band = image.crop((0, top, image.width, min(top + lines, image.height)))
        band.format = image.format
        pixels = _image_to_pixels(band, keep_alpha=keep_alpha)
        if whole is None:
            whole = np.empty((image.height, *pixels.shape[1:]), np.uint8)
        whole[top : top + lines] = pixels
    assert whole is not None
    return whole


def _image_to_pixels(image: Image.Image, *, keep_alpha: bool) -> Pixels:
    """The pixels of a loaded PIL image of any mode, not turned yet."""
    if image.mode in DEEP_MODES:
        return _add_channel_axis(deep_image_to_grey(image))
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        grey = image.mode in GREY_MODES
        if keep_alpha:
            return np.asarray(image.convert("LA" if grey else "RGBA"))
        return _blend_over_white(np.asarray(image.convert("RGBA")), grey=grey)
    if image.mode in {"L", "RGB"}:
        return _add_channel_axis(np.asarray(image))
    if image.mode == "1":
        return _add_channel_axis(np.asarray(image.convert("L")))
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    if image.mode == "CMYK" and image.format in {"JPEG", "MPO"} and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes all for Adobe's, which are inverted.
    return _add_channel_axis(np.asarray(image.convert("RGB")))


def _array_to_pixels(array: NDArray[Any], channels: int | None) -> Pixels:
    """H x W or H x W x C: bool, uint8, deeper integers, or floats in [0, 1].

    Of two or four channels the last is taken for alpha, unless as many are asked for.
    """
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "f":
        _must_be_in_range(array)
        array = np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        small = array.dtype.kind == "i" and array.min() >= 0 and array.max() <= 255
        array = array.astype(np.uint8) if small else to_8_bit(array)
    array = _add_channel_axis(array)
    if array.shape[2] == channels:
        return array
    if array.shape[2] == 2:
        array = np.concatenate([np.repeat(array[..., :1], 3, 2), array[..., 1:]], 2)
        return _blend_over_white(array, grey=True)
    return _blend_over_white(array, grey=False) if array.shape[2] == 4 else array


def _must_be_in_range(array: NDArray[Any]) -> None:
    if not np.isfinite(array).all():
        raise Unreadable("it holds NaN or infinity")
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        way = "; divide them by 255" if low >= 0 and high <= 255 else ""
        raise Unreadable(f"floats from {low:g} to {high:g}; float images must be in [0, 1]{way}")


def _blend_over_white(rgba: NDArray[np.uint8], *, grey: bool) -> Pixels:
    """Laid over white paper: what people see of a transparent picture in most programs."""
    colours = rgba[..., :1] if grey else rgba[..., :3]
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = colours * alpha + (255 - alpha) * 255 + 127
    return (mixed // 255).astype(np.uint8)


def _apply_orientation(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels as EXIF orientation 1 to 8 means them to be seen."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


def convert_channels(pixels: Pixels, channels: int | None, *, alpha: bool = False) -> Pixels:
    """A picture H x W x C with another number of channels; raises `Unreadable` where it has none.

    Grey is repeated for colour and colours are weighed for grey; `alpha` adds opaque alpha.
    """
    there = pixels.shape[2]
    if channels is None or channels == there:
        return pixels
    opaque = alpha and channels in ALPHA_CHANNELS
    if not opaque and not (channels in OPAQUE_CHANNELS and there in OPAQUE_CHANNELS):
        has = "1 channel" if there == 1 else f"{there} channels"
        raise Unreadable(f"it has {has} instead of {channels}")
    if opaque:
        seen, last = (
            (pixels[..., :-1], pixels[..., -1:]) if there in ALPHA_CHANNELS else (pixels, None)
        )
        if last is None:
            last = np.full_like(pixels[..., :1], 255)
        return np.concatenate([convert_channels(seen, channels - 1), last], axis=2)
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return _add_channel_axis(np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L")))


def _add_channel_axis(array: NDArray[Any]) -> NDArray[Any]:
    return array[..., None] if array.ndim == 2 else array


OPAQUE_CHANNELS = (1, 3)
ALPHA_CHANNELS = (2, 4)
# Sixteen million: larger pictures are few, and what is made of this many takes 0.1 GB or two.
BAND_PIXELS = 1 << 24
BYTES_PER_PIXEL = 8  # of the file's own pixels and the upright ones, at most


DeepPixels = NDArray[np.uint8]


def deep_image_to_grey(image: Image.Image) -> DeepPixels:
    """A loaded image of mode I, I;16 or F as uint8 H x W, by the bits and meaning it states.

    A level that is named see-through becomes white, as paper shows through.
    """
    tags = getattr(image, "tag_v2", {})
    levels = np.asarray(image)
    if levels.dtype == np.int32 and image.format == "TIFF" and 2 not in tags.get(339, (1,)):
        levels = levels.view(np.uint32)  # Pillow knows no whole numbers of 32 bits without sign.
    pixels = to_8_bit(levels, _stated_bits(tags))
    if tags.get(262) == 0:
        pixels = 255 - pixels  # "White is zero": Pillow minds it up to 8 bits only.
    key = image.info.get("transparency")
    return np.where(levels == key, np.uint8(255), pixels) if isinstance(key, int) else pixels


def to_8_bit(deep: NDArray[Any], stated_bits: int = 0) -> DeepPixels:
    """Grey levels of more than 8 bits as uint8, the same shape.

    Integers: the bits that the file states, else 8, 12 or 16, the fewest that hold the
    brightest pixel (cameras of 12 bits write 16-bit files, which else would be black).
    Floats in [0, 1] or [0, 255] keep their meaning; anything else is stretched to its range.
    What is not finite has the lowest level.
    """
    levels: NDArray[Any] = deep
    if deep.dtype.kind == "f":
        finite = np.isfinite(deep)
        low, high = _find_range(deep[finite])
        levels = np.where(finite, deep, min(low, high)).astype(np.float32)
        if low >= 0 and high <= 1:
            return _by_lines(lambda part: _round_to_uint8(part * 255), levels)
    else:
        low, high = _find_range(deep)
        bits = next((b for b in (8, 12, 16) if high < 1 << b), 0)
        bits = stated_bits if stated_bits and high < 1 << stated_bits else bits
        if low >= 0 and bits:
            shift = max(0, bits - 8)
            return _by_lines(lambda part: (part.astype(np.uint32) >> shift).astype(np.uint8), deep)
    if low >= 0 and high <= 255:
        return _by_lines(_round_to_uint8, levels)
    span = high - low or 1.0
    scale = 255 / span
    return _by_lines(lambda part: _round_to_uint8((part.astype(np.float64) - low) * scale), levels)


def _by_lines(turned: Callable[[NDArray[Any]], DeepPixels], levels: NDArray[Any]) -> DeepPixels:
    """What a function of single levels makes of them all, some lines at a time to save memory."""
    pixels = np.empty(levels.shape, np.uint8)
    lines = max(1, DEEP_BAND_PIXELS // max(1, levels[:1].size))
    for top in range(0, len(levels), lines):
        pixels[top : top + lines] = turned(levels[top : top + lines])
    return pixels


def _round_to_uint8(levels: NDArray[Any]) -> DeepPixels:
    pixels: DeepPixels = np.rint(levels).astype(np.uint8)
    return pixels


def _find_range(levels: NDArray[Any]) -> tuple[float, float]:
    return (float(levels.min()), float(levels.max())) if levels.size else (0.0, 0.0)


def _stated_bits(tags: Any) -> int:
    """Significant bits a TIFF states: MaxSampleValue or BitsPerSample; 0 where it does not."""
    highest = tags.get(281, 0)
    highest = max(highest) if isinstance(highest, tuple) and highest else highest
    if isinstance(highest, int) and 255 < highest < 65535:
        return highest.bit_length()
    bits = tags.get(258, (0,))
    return int(bits[0]) if bits and 8 < bits[0] < 16 else 0


DEEP_BAND_PIXELS = 1 << 22
