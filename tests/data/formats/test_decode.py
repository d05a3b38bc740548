"""Right pixels from every kind of picture, the right way up; a reason for what cannot be read."""

import io
import warnings
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.data.odd_files import damaged_files, encoded, scene

from striate.data.formats import unreadable
from striate.data.formats.decode import Unreadable, decode_image
from striate.data.formats.header import capture_pillow_warnings

SCENE = scene()


def error(one: Any, other: Any) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean())


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "TGA", "PCX", "JPEG2000"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    settings = {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}.get(kind, {})
    decoded = decode_image(encoded(SCENE, kind, **settings))
    assert np.array_equal(decoded.pixels, SCENE)
    assert (decoded.width, decoded.height, decoded.format) == (64, 48, kind)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(SCENE, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    decoded = decode_image(content)
    assert np.array_equal(decoded.pixels, np.asarray(expected))
    assert (decoded.width, decoded.height, decoded.orientation) == (64, 48, orientation)


def test_orientation_of_a_pillow_image_is_applied_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(encoded(SCENE, "PNG", exif=exif)))
    assert decode_image(image).pixels.shape == (64, 48, 3)
    assert decode_image(ImageOps.exif_transpose(image)).pixels.shape == (64, 48, 3)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_as_pillow_decodes_it(subsampling: int, progressive: bool) -> None:
    content = encoded(SCENE, subsampling=subsampling, progressive=progressive)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(decode_image(content).pixels, expected)


def test_large_jpeg_is_scaled_while_decoding_to_nearly_the_same_pixels() -> None:
    large = scene(1600, 1200)
    content = encoded(large, quality=95)
    whole = Image.fromarray(large).resize((224, 224), Image.Resampling.BILINEAR)
    assert error(decode_image(content, 224).pixels, whole) < 2


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB"])
def test_other_colours_become_rgb(mode: str) -> None:
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(Image.fromarray(SCENE), *profiles, outputMode="LAB")
        assert image is not None
    else:
        image = Image.fromarray(SCENE).convert(mode)
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG", "LAB": "TIFF"}.get(mode)
    content = encoded(image, kind, quality=95) if kind == "JPEG" else image
    content = encoded(image, kind) if kind == "TIFF" else content
    assert error(decode_image(content).pixels, SCENE) < 4


def test_ycck_jpeg_is_not_inverted() -> None:
    # What Photoshop writes: CMYK as YCbCr + K, inverted, marked by an Adobe segment.
    content = encoded(Image.fromarray(SCENE).convert("CMYK"), quality=95)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(decode_image(content).pixels, expected)
    assert b"Adobe" in content


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_deep_grey_keeps_its_brightness(kind: str, bits: int) -> None:
    grey = SCENE[..., 0].astype(np.uint16)
    grey[0, 0] = 255
    deep = grey << (bits - 8)
    decoded = decode_image(encoded(Image.fromarray(deep), kind))
    assert decoded.pixels.shape == (48, 64, 1)
    assert np.array_equal(decoded.pixels[..., 0], grey)


def test_stated_bits_are_believed() -> None:
    dark = np.full((20, 20), 100, np.uint16)
    tags = {281: 4095}
    assert decode_image(encoded(Image.fromarray(dark), "TIFF", tiffinfo=tags)).pixels.max() == 6


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0, 100, 255], [0, 100, 255]), ([-1, 0, 1], [0, 128, 255])],
)
def test_float_tiff(levels: list[float], expected: list[int]) -> None:
    picture = np.tile(np.array(levels, np.float32), (3, 1))
    decoded = decode_image(encoded(Image.fromarray(picture), "TIFF"))
    assert decoded.pixels[0, :, 0].tolist() == expected


def test_float_tiff_with_holes() -> None:
    picture = np.array([[np.nan, np.inf], [0.5, 1.0]], np.float32)
    assert decode_image(encoded(Image.fromarray(picture), "TIFF")).pixels[1, 1, 0] == 255


def test_signed_and_32_bit_grey_is_stretched() -> None:
    picture = np.array([[-1000, 0], [500, 1000]], np.int32)
    assert decode_image(encoded(Image.fromarray(picture), "TIFF")).pixels.ravel().tolist() == [
        0,
        128,
        191,
        255,
    ]


def test_palette_with_and_without_transparency() -> None:
    image = Image.fromarray(SCENE).quantize(64)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_image(encoded(image, "PNG")).pixels, expected)
    see_through = decode_image(encoded(image, "PNG", transparency=bytes([0] * 64))).pixels
    assert see_through.min() == 255


def test_alpha_lies_on_white() -> None:
    alpha = np.full((48, 64), 128, np.uint8)
    rgba = np.dstack([SCENE, alpha])
    expected = (SCENE * 128.0 + 255 * 127) / 255
    assert error(decode_image(encoded(rgba, "PNG")).pixels, expected) <= 0.5
    grey = decode_image(encoded(Image.fromarray(rgba).convert("LA"), "PNG"))
    assert grey.pixels.shape == (48, 64, 1)
    clear = np.zeros((4, 4, 4), np.uint8)
    assert decode_image(encoded(clear, "PNG")).pixels.min() == 255


def test_one_bit_pictures() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (4, 2))).convert("1")
    assert decode_image(encoded(stripes, "PNG")).pixels[0, :, 0].tolist() == [0, 255, 0, 255]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_show_their_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    settings = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **settings)
    assert decode_image(content).pixels[4, 4].tolist() == [255, 0, 0]


def test_one_pixel() -> None:
    content = encoded(np.array([[[9, 8, 7]]], np.uint8), "PNG")
    assert decode_image(content).pixels.tolist() == [[[9, 8, 7]]]
    assert (decode_image(content, 16).pixels == [9, 8, 7]).all()


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (5, 300), (1, 1)])
def test_every_resize_gives_a_square(resize: Any, shape: tuple[int, int]) -> None:
    decoded = decode_image(encoded(scene(*shape), "PNG"), 32, 3, resize=resize)
    assert decoded.pixels.shape == (32, 32, 3)


def test_crop_keeps_the_middle_and_pad_keeps_all() -> None:
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 20:60] = 200
    assert decode_image(picture, 40, resize="crop").pixels.min() == 200
    padded = decode_image(picture, 80, resize="pad").pixels
    assert (padded[:20] == 255).all()
    assert (padded[30, 40] == 200).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "LA", "P", "1"])
def test_channels_are_as_asked(mode: str, channels: int) -> None:
    image = Image.fromarray(SCENE).convert(mode)
    assert decode_image(image, 16, channels).pixels.shape == (16, 16, channels)


@pytest.mark.parametrize(
    ("array", "brightest"),
    [
        (SCENE, SCENE.max()),
        (SCENE / 255, SCENE.max()),
        ((SCENE / 255).astype(np.float16), SCENE.max()),
        (SCENE.astype(np.int64), SCENE.max()),
        (SCENE[..., 0] > 100, 255),
        (SCENE[..., 0].astype(np.uint16) * 257, SCENE[..., 0].max()),
        (SCENE[..., :1], SCENE[..., 0].max()),
        (np.dstack([SCENE, SCENE[..., :1] * 0 + 255]), SCENE.max()),
    ],
)
def test_arrays(array: Any, brightest: int) -> None:
    decoded = decode_image(array)
    assert abs(int(decoded.pixels.max()) - int(brightest)) <= 1
    assert decoded.format == "array"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(7, np.uint8),
        np.zeros((2, 2), complex),
        np.full((4, 4), 1.5),
        np.full((4, 4), np.nan),
        np.array([["a", "b"]]),
    ],
)
def test_what_is_no_picture_is_unreadable(array: Any) -> None:
    with pytest.raises(Unreadable):
        decode_image(array)


@pytest.mark.parametrize("name", sorted(set(damaged_files()) - {"raw.nef"}))
def test_damaged_files_tell_why(name: str) -> None:
    with pytest.raises(Unreadable) as caught, capture_pillow_warnings():
        decode_image(damaged_files()[name], 32)
    reason = caught.value.reason
    assert reason
    assert "\n" not in reason
    assert "0x" not in reason
    assert len(reason) < 200


def test_a_bomb_is_not_decoded() -> None:
    with pytest.raises(Unreadable, match="too large"), capture_pillow_warnings():
        decode_image(damaged_files()["bomb.png"])
    with pytest.raises(Unreadable, match="too large"):
        decode_image(SCENE, max_pixels=64 * 48 - 1)
    assert decode_image(SCENE, max_pixels=64 * 48).width == 64


def test_a_damaged_exif_block_spoils_no_picture() -> None:
    content = encoded(SCENE)
    exif = b"Exif\0\0II*\0" + b"\xff" * 30
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoded = decode_image(content[:2] + segment + content[2:])
    assert np.array_equal(decoded.pixels, decode_image(content).pixels)


def test_equal_pixels_have_equal_hashes_whatever_the_format() -> None:
    hashes = {decode_image(encoded(SCENE, kind)).pixels_hash for kind in ("PNG", "BMP", "TIFF")}
    assert hashes == {decode_image(SCENE).pixels_hash}
    assert decode_image(SCENE[:, ::-1]).pixels_hash not in hashes
    assert (
        decode_image(np.zeros((2, 6), np.uint8)).pixels_hash
        != decode_image(np.zeros((3, 4), np.uint8)).pixels_hash
    )


def test_the_same_pixels_at_any_size_asked_come_from_the_same_hash() -> None:
    content = encoded(SCENE, "PNG")
    assert decode_image(content, 16).pixels_hash == decode_image(content, 40).pixels_hash


@settings(max_examples=150)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "JPEG2000", "ICO"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=12),
)
def test_damage_anywhere_gives_pixels_or_a_reason(kind: str, place: float, noise: bytes) -> None:
    content = bytearray(_whole(kind))
    start = int(place * len(content))
    content[start : start + len(noise)] = noise
    with capture_pillow_warnings(), suppress(Unreadable):
        decoded = decode_image(bytes(content), 16, 3, max_pixels=1_000_000)
        assert decoded.pixels.shape == (16, 16, 3)


@cache
def _whole(kind: str) -> bytes:
    return encoded(SCENE, kind)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_large_picture_made_some_lines_at_a_time_is_the_same(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (37, 23, 4), np.uint8)
    image = Image.fromarray(levels)
    if mode in {"I;16", "F"}:
        kind = np.uint16 if mode == "I;16" else np.float32
        image = Image.fromarray(levels[..., 0].astype(kind) * 200)
    elif mode != "RGBA":
        image = (image.convert("RGB") if mode not in {"LA"} else image).convert(mode)
    whole = decode_image(image)
    monkeypatch.setattr("striate.data.formats.decode.BAND_PIXELS", 100)
    monkeypatch.setattr("striate.data.formats.decode.DEEP_BAND_PIXELS", 100)
    parts = decode_image(image)
    assert np.array_equal(parts.pixels, whole.pixels)
    assert parts.pixels_hash == whole.pixels_hash


def no_memory(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("way", ["pixels", "header"])
def test_want_of_memory_says_nothing_of_the_picture(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Where the machine has no room it is told; where it has, the file asked for too much."""
    content = encoded(SCENE, "TIFF")
    step = {"pixels": "PIL.TiffImagePlugin.TiffImageFile.load", "header": "PIL.Image.open"}[way]
    monkeypatch.setattr(step, no_memory)
    with pytest.raises(Unreadable, match="damaged"):
        decode_image(content)
    monkeypatch.setattr(unreadable, "bytearray", no_memory, raising=False)
    with pytest.raises(MemoryError):
        decode_image(content)
