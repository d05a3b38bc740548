"""Odd pictures that are to be used, with the pixels that are to be seen."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.data.odd_files import encoded, scene
from tests.odd.entry import Odd, Pixels
from tests.odd.made_bytes import (
    chunk,
    exif,
    grid,
    png,
    segment,
    tiff,
    with_segment,
    without_segment,
)

SCENE = scene()
GREY = grid(16, 16)
JPEG = encoded(SCENE, quality=95)
FIRST = "the first of"

# What EXIF says: how stored pixels are turned to be seen.
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
# 16 x 16 in grey, 6 * row + 8 * column + 20, by cjpeg -arithmetic -quality 90.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R"
    "DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDaJ1dz2qk0/UwwJ9"
    "zB7caTleyA970RghIsc90U/9k="
)


def pictures() -> Iterator[Odd]:
    """Every odd picture."""
    for kind in (turned, turned_wrongly, jpegs, inks, deep_grey, numbers, colours, frames, shapes):
        yield from kind()
    yield from blocks()


def turned() -> Iterator[Odd]:
    """EXIF 1 to 8 in the formats that carry it."""
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        for orientation, turn in TURNS.items():
            tags = Image.Exif()
            tags[0x0112] = orientation
            settings = {"quality": 95} if kind == "JPEG" else {}
            settings |= {"lossless": True} if kind == "WEBP" else {}
            yield Odd(
                name=f"turned {orientation}.{kind.lower()}",
                content=encoded(SCENE, kind, exif=tags, **settings),
                pixels=turn(SCENE),
                within=3 if kind == "JPEG" else 0,
            )


def turned_wrongly() -> Iterator[Odd]:
    """EXIF that says nothing of use, and EXIF that says it in an unusual way."""
    tag = 0x0112
    upright = {
        "zero": exif((tag, 3, 0)),
        "nine": exif((tag, 3, 9)),
        "65535": exif((tag, 3, 65535)),
        "text": exif((tag, 2, b"6\0")),
        "bytes": exif((tag, 7, b"\6\0\0\0")),
        "half": exif((tag, 5, (13, 2))),
        "infinite": exif((tag, 5, (6, 0))),
        "no tags": exif(),
        "empty": b"Exif\0\0",
        "nothing": b"",
        "cut": exif((tag, 3, 6))[:18],
        "far": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "order": b"Exif\0\0XX*\0\x08\0\0\0" + bytes(40),
        "noise": b"Exif\0\0II*\0" + b"\xff" * 60,
    }
    for name, block in upright.items():
        yield Odd(name=f"exif {name}.jpg", content=with_segment(JPEG, 0xE1, block), pixels=SCENE,
                  within=3)  # fmt: skip
    sideways = {
        "long": exif((tag, 4, 6)),
        "ratio": exif((tag, 5, (6, 1))),
        "two": exif((tag, 3, (6, 6))),
        "circle": exif((tag, 3, 6), following=8),
        "inner circle": exif((tag, 3, 6), (0x8769, 4, 8), (0x8825, 4, 8)),
    }
    for name, block in sideways.items():
        yield Odd(name=f"exif {name}.jpg", content=with_segment(JPEG, 0xE1, block),
                  pixels=TURNS[6](SCENE), within=3)  # fmt: skip
    block = exif((tag, 3, 0))[6:]
    yield Odd(name="exif zero.png", content=png(SCENE, 2, before=chunk(b"eXIf", block)),
              pixels=SCENE)  # fmt: skip
    yield Odd(name="exif noise.png", content=png(SCENE, 2, before=chunk(b"eXIf", b"\xff" * 30)),
              pixels=SCENE)  # fmt: skip
    yield Odd(name="exif 65535.tif", content=tiff(SCENE, (tag, 3, 65535), photometric=2),
              pixels=SCENE)  # fmt: skip


def jpegs() -> Iterator[Odd]:
    """JPEGs of every way of coding that can be made."""
    grey = np.add.outer(np.arange(16) * 6, np.arange(16) * 8)[..., None] + 20
    yield Odd(name="arithmetic.jpg", content=ARITHMETIC, pixels=grey, within=4)
    ways = {
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_blocks": 1},
        "restart rows": {"restart_marker_rows": 1, "progressive": True},
        "chroma 420": {"subsampling": 2},
        "chroma 422": {"subsampling": 1},
        "rgb inside": {"keep_rgb": True},
        "optimised": {"optimize": True},
    }
    for name, settings in ways.items():
        content = encoded(SCENE, **{"quality": 95, **settings})
        yield Odd(name=f"{name}.jpg", content=content, pixels=SCENE, within=4)
    yield Odd(name="grey.jpg", content=encoded(SCENE[..., 0], quality=95), pixels=SCENE[..., :1],
              within=3)  # fmt: skip
    yield Odd(name="tail.jpg", content=JPEG + b"\0" * 3000, pixels=SCENE, within=3)
    twice = JPEG + encoded(scene(seed=9))
    yield Odd(name="two in one.jpg", content=twice, pixels=SCENE, within=3)
    filled = JPEG[:2] + b"\xff\xff\xff" + JPEG[2:]
    yield Odd(name="fill bytes.jpg", content=filled, pixels=SCENE, within=3)
    yield Odd(name="comment.jpg", content=with_segment(JPEG, 0xFE, b"\xff\xd9" * 99), pixels=SCENE,
              within=3)  # fmt: skip
    # 65,533 bytes are the most that a segment holds.
    large = with_segment(JPEG, 0xE1, exif((0x0112, 3, 1)) + bytes(65_000))
    yield Odd(name="large exif.jpg", content=large, pixels=SCENE, within=3)


def inks() -> Iterator[Odd]:
    """CMYK and YCCK: inverted, as Adobe's marker says, and not; a negative is 128 levels off."""
    paper = np.dstack([255 - SCENE, np.zeros_like(SCENE[..., :1])])
    adobe = encoded(Image.fromarray(paper, "CMYK"), quality=95)
    yield Odd(name="cmyk adobe.jpg", content=adobe, pixels=SCENE, within=4)
    plain = encoded(Image.fromarray(255 - paper, "CMYK"), quality=95)
    yield Odd(name="cmyk plain.jpg", content=without_segment(plain, 0xEE), pixels=SCENE, within=4)
    # YCCK as libjpeg reads it: the inverted inks as YCbCr, and an inverted K.
    tones = np.asarray(Image.fromarray(paper[..., :3]).convert("YCbCr"))
    ycck = np.dstack([255 - tones, paper[..., 3:]])
    content = bytearray(encoded(Image.fromarray(ycck, "CMYK"), quality=95))
    content[segment(bytes(content), 0xEE) + 15] = 2
    yield Odd(name="ycck adobe.jpg", content=bytes(content), pixels=SCENE, within=4)
    for name, packing in (("raw", {}), ("lzw", {"compression": "tiff_lzw"})):
        content = encoded(Image.fromarray(paper, "CMYK"), "TIFF", **packing)
        yield Odd(name=f"cmyk {name}.tif", content=content, pixels=SCENE, within=1)
    content = encoded(Image.fromarray(SCENE).convert("YCbCr"), "TIFF")
    yield Odd(name="ycbcr.tif", content=content, pixels=SCENE, within=4)


def deep_grey() -> Iterator[Odd]:
    """Grey of more than 8 bits, neither white nor black."""
    seen = GREY[..., None]
    for bits in (8, 12, 16):
        deep = GREY.astype(np.uint16) << (bits - 8)
        for kind in ("PNG", "TIFF", "PPM"):
            content = encoded(Image.fromarray(deep), kind)
            yield Odd(name=f"{bits} of 16.{kind.lower()}", content=content, pixels=seen)
    deep = GREY.astype(np.uint16) << 8
    yield Odd(name="white is zero 16.tif", content=tiff(65535 - deep, photometric=0), pixels=seen,
              within=1)  # fmt: skip
    yield Odd(name="white is zero 12.tif", content=tiff(4095 - (deep >> 4), photometric=0),
              pixels=seen, within=1)  # fmt: skip
    yield Odd(name="white is zero 8.tif", content=tiff(255 - GREY, photometric=0), pixels=seen)
    yield Odd(name="big endian 16.tif", content=_big_endian(deep), pixels=seen)
    yield Odd(name="grey 16 with alpha.png", content=png(
        np.dstack([deep, np.full_like(deep, 65535)]), 4, 16), pixels=seen.repeat(3, 2))  # fmt: skip
    # The chunk says which level is see-through: none of those there.
    yield Odd(name="grey 16 keyed.png", content=png(deep, 0, 16, before=chunk(b"tRNS", b"\0\1")),
              pixels=seen, within=1)  # fmt: skip
    yield Odd(name="grey 8 keyed.png", content=png(GREY, 0, before=chunk(b"tRNS", b"\0\0")),
              pixels=np.where(seen == 0, 255, seen))  # fmt: skip
    yield Odd(name="rgb 16.png", content=png(SCENE.astype(np.uint16) * 257, 2, 16), pixels=SCENE)
    yield Odd(name="rgb 16.tif", content=tiff(SCENE.astype(np.uint16) * 257, photometric=2),
              pixels=SCENE)  # fmt: skip
    yield Odd(name="all white 16.png", content=encoded(Image.fromarray(deep * 0 + 65535), "PNG"),
              pixels=seen * 0 + 255)  # fmt: skip
    yield Odd(name="all black 16.png", content=encoded(Image.fromarray(deep * 0), "PNG"),
              pixels=seen * 0)  # fmt: skip
    signed = (GREY.astype(np.int32) * 257 - 32768).astype(np.int16)
    yield Odd(name="signed 16.tif", content=tiff(signed), pixels=seen, within=1)


def numbers() -> Iterator[Odd]:
    """TIFFs of floats and of 32-bit integers, as instruments write them."""
    seen = GREY[..., None]
    yield Odd(name="float 1.tif", content=tiff((GREY / 255).astype("<f4")), pixels=seen)
    yield Odd(name="float 255.tif", content=tiff(GREY.astype("<f4")), pixels=seen)
    yield Odd(name="float wide.tif", content=tiff(GREY.astype("<f4") * 40 - 500), pixels=seen,
              within=1)  # fmt: skip
    holes = (GREY / 255).astype("<f4")
    holes[0, :3] = np.nan, np.inf, -np.inf
    yield Odd(name="float holes.tif", content=tiff(holes), pixels=seen, within=1)
    wide_holes = GREY.astype("<f4") * 40 + 500
    wide_holes[3, :3] = np.nan, np.inf, -np.inf
    yield Odd(name="float wide holes.tif", content=tiff(wide_holes), pixels=seen, within=2)
    nothing = np.full((4, 4), np.nan, "<f4")
    yield Odd(name="float nothing.tif", content=tiff(nothing), pixels=np.zeros((4, 4, 1)))
    yield Odd(name="int 32.tif", content=tiff(GREY.astype("<i4") * 1000 - 9999), pixels=seen,
              within=1)  # fmt: skip
    yield Odd(name="int 32 small.tif", content=tiff(GREY.astype("<i4")), pixels=seen)
    full = GREY.astype("<u4") * (2**32 // 256)
    yield Odd(name="unsigned 32.tif", content=tiff(full), pixels=seen, within=1)


def colours() -> Iterator[Odd]:
    """Bits, palettes and alpha; what is see-through lies on white."""
    stripes = np.tile(np.array([0, 255], np.uint8), (4, 2))
    for kind in ("PNG", "TIFF", "BMP", "GIF", "PPM"):
        content = encoded(Image.fromarray(stripes).convert("1"), kind)
        yield Odd(name=f"one bit.{kind.lower()}", content=content, pixels=stripes[..., None])
    fax = encoded(Image.fromarray(stripes).convert("1"), "TIFF", compression="group4")
    yield Odd(name="fax.tif", content=fax, pixels=stripes[..., None])
    few = Image.fromarray(SCENE).quantize(64)
    shown = np.asarray(few.convert("RGB"))
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        yield Odd(name=f"palette.{kind.lower()}", content=encoded(few, kind), pixels=shown)
    clear = np.where(np.asarray(few)[..., None] == 0, 255, shown)
    yield Odd(name="palette keyed.png", content=encoded(few, "PNG", transparency=0), pixels=clear)
    yield Odd(name="palette keyed.gif", content=encoded(few, "GIF", transparency=0), pixels=clear)
    faint = encoded(few, "PNG", transparency=bytes([128] * 64))
    over = np.rint((shown * 128.0 + 255 * 127) / 255)
    yield Odd(name="palette faint.png", content=faint, pixels=over, within=0.6)
    alpha = np.full((48, 64, 1), 128, np.uint8)
    rgba = np.dstack([SCENE, alpha])
    over = np.rint((SCENE * 128.0 + 255 * 127) / 255)
    for kind in ("PNG", "TIFF", "WEBP", "TGA"):
        settings = {"lossless": True} if kind == "WEBP" else {}
        yield Odd(name=f"rgba.{kind.lower()}", content=encoded(rgba, kind, **settings),
                  pixels=over, within=0.6)  # fmt: skip
    grey_alpha = Image.fromarray(np.dstack([SCENE[..., 0], alpha]), "LA")
    yield Odd(name="la.png", content=encoded(grey_alpha, "PNG"), pixels=over[..., :1], within=0.6)
    yield Odd(name="clear.png", content=encoded(np.zeros((4, 4, 4), np.uint8), "PNG"),
              pixels=np.full((4, 4, 3), 255))  # fmt: skip
    keyed = png(SCENE, 2, before=chunk(b"tRNS", struct.pack(">HHH", *SCENE[0, 0].tolist())))
    hit = np.equal(SCENE, SCENE[0, 0]).all(axis=2, keepdims=True)
    yield Odd(name="rgb keyed.png", content=keyed, pixels=np.where(hit, 255, SCENE))


def frames() -> Iterator[Odd]:
    """Animations and files of several pages: the first frame, and said so."""
    reds = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    red = np.tile(np.array([255, 0, 0], np.uint8), (8, 8, 1))
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        settings = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(reds[0], kind, save_all=True, append_images=reds[1:], **settings)
        yield Odd(name=f"three frames.{kind.lower()}", content=content, pixels=red,
                  reason=f"{FIRST} 3 frames")  # fmt: skip
    circle = tiff(GREY, following=8 + GREY.size)
    yield Odd(name="pages in a circle.tif", content=circle, pixels=GREY[..., None])
    lost = tiff(GREY, following=1 << 30)
    yield Odd(name="second page gone.tif", content=lost, pixels=GREY[..., None])
    film = encoded(reds[0], "GIF", save_all=True, append_images=reds[1:])
    yield Odd(name="cut after a frame.gif", content=film[:-8], pixels=red)
    # The control chunk promises four thousand million frames.
    many = png(red, 2, before=chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)))
    yield Odd(name="promised frames.png", content=many, pixels=red)


def shapes() -> Iterator[Odd]:
    """From one pixel to 12,000 in a row."""
    dot = np.array([[[9, 8, 7]]], np.uint8)
    for kind in ("PNG", "BMP", "TIFF", "GIF", "PPM"):
        yield Odd(name=f"dot.{kind.lower()}", content=encoded(dot, kind), pixels=dot)
    yield Odd(name="dot.jpg", content=encoded(dot, quality=95), pixels=dot, within=3)
    wide = np.repeat(grid(10, 40), 300, axis=1)[..., None]
    yield Odd(name="wide.png", content=encoded(wide[..., 0], "PNG"), pixels=wide)
    yield Odd(name="high.png", content=encoded(wide[..., 0].T, "PNG"), pixels=wide.swapaxes(0, 1))
    yield Odd(name="wide.jpg", content=encoded(wide[..., 0], quality=95), pixels=wide, within=3)
    yield Odd(name="longest.jpg", content=encoded(np.full((1, 65_500), 99, np.uint8)),
              pixels=np.full((1, 65_500, 1), 99), within=3)  # fmt: skip


def blocks() -> Iterator[Odd]:
    """Colour profiles and texts that are broken: they spoil no picture."""
    profile = b"ICC_PROFILE\0\1\1" + b"\xff" * 200
    yield Odd(name="icc noise.jpg", content=with_segment(JPEG, 0xE2, profile), pixels=SCENE,
              within=3)  # fmt: skip
    yield Odd(name="icc part.jpg", content=with_segment(JPEG, 0xE2, profile[:12] + b"\7\x09abc"),
              pixels=SCENE, within=3)  # fmt: skip
    for name, body in {
        "noise": b"x\0\0" + b"\xff" * 50,
        "text": b"x\0\0" + zlib.compress(b"no profile"),
        "unknown way": b"x\0\7" + zlib.compress(b"no profile"),
    }.items():
        content = png(SCENE, 2, before=chunk(b"iCCP", body))
        yield Odd(name=f"icc {name}.png", content=content, pixels=SCENE)
    yield Odd(name="icc.tif", content=tiff(SCENE, (34675, 7, b"\xff" * 64), photometric=2),
              pixels=SCENE)  # fmt: skip
    yield Odd(name="text.png", pixels=SCENE,
              content=png(SCENE, 2, before=chunk(b"tEXt", b"a" * 500)))  # fmt: skip
    yield Odd(name="unknown chunk.png", pixels=SCENE,
              content=png(SCENE, 2, before=chunk(b"quIr", b"a" * 500)))  # fmt: skip
    yield Odd(name="xmp.jpg", content=with_segment(JPEG, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"),
              pixels=SCENE, within=3)  # fmt: skip
    damaged_text = bytearray(png(SCENE, 2, before=chunk(b"tEXt", b"a" * 50)))
    damaged_text[60] ^= 255
    yield Odd(name="text damaged.png", content=bytes(damaged_text), pixels=SCENE,
              reason="text or colour profile")  # fmt: skip
    both = chunk(b"eXIf", exif((0x0112, 3, 6))[6:]) + chunk(b"iCCP", b"x\0\7abc")
    yield Odd(name="icc unknown, turned.png", content=png(SCENE, 2, before=both),
              pixels=TURNS[6](SCENE), reason="text or colour profile")  # fmt: skip
    # Within the bound of pixels, with a text or a profile that swells to 100 MB: left out.
    swollen = zlib.compress(bytes(100 << 20), 9)
    for name, body in {
        "text": chunk(b"zTXt", b"a\0\0" + swollen),
        "profile": chunk(b"iCCP", b"a\0\0" + swollen),
    }.items():
        yield Odd(name=f"swollen {name}.png", content=png(SCENE, 2, before=body), pixels=SCENE,
                  reason="text or colour profile")  # fmt: skip
    endless = tiff(GREY, (273, 4, (8,) * 60_000), (279, 4, (2**31,) * 60_000))
    yield Odd(name="strips without end.tif", content=endless, pixels=GREY[..., None])
    yield Odd(name="tail.png", content=png(SCENE, 2) + bytes(500), pixels=SCENE)


def _big_endian(deep: NDArray[np.uint16]) -> bytes:
    file = io.BytesIO()
    Image.frombytes("I;16B", deep.shape[::-1], deep.astype(">u2").tobytes()).save(file, "TIFF")
    return file.getvalue()


def seen(picture: Odd) -> Pixels:
    """The pixels that are to be seen."""
    return np.asarray(picture.pixels, np.uint8)
