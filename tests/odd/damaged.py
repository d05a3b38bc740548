"""Odd files that are not to be used: cut off, damaged, foreign, or too large to be true."""

import base64
import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from tests.data.odd_files import damaged_files, encoded, scene
from tests.odd.entry import Odd
from tests.odd.made_bytes import chunk, grid, segment, tiff, with_segment

SCENE = scene(seed=5)
CUT = "it is cut off"
CONVERT = "save it as JPEG or PNG"


def damaged() -> Iterator[Odd]:
    """Every file that is set aside for what it holds, or ignored for it."""
    for name, content in damaged_files().items():
        yield Odd(name=name, status="set_aside", reason=_KNOWN.get(name, ""), content=content)
    for kind in (cut_off, foreign, named, bombs, spoilt):
        yield from kind()


def cut_off() -> Iterator[Odd]:
    """Pictures of eight kinds, cut off in the header, soon after it, midway and near the end."""
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000"):
        content = encoded(np.tile(SCENE, (3, 3, 1)), kind)
        for share in (0.01, 0.1, 0.5, 0.9):
            length = int(share * len(content)) if share > 0.01 else 11
            yield Odd(name=f"cut {share}.{kind.lower()}", status="set_aside",
                      content=content[:length])  # fmt: skip
    whole = encoded(SCENE, progressive=True)
    yield Odd(name="cut progressive.jpg", status="set_aside", reason=CUT, content=whole[:-500])
    scan = segment(whole, 0xDA)
    yield Odd(name="cut before scan.jpg", status="set_aside", content=whole[:scan])


def foreign() -> Iterator[Odd]:
    """What is no picture, by a picture's name; and what it is, in words."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    drawing = b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='http://www.w3.org/2000/svg'/>"
    contents = {
        "chinese.jpg": ("it is text", "这不是图片。\n".encode() * 30),
        "utf16.jpg": ("it is text", "not a picture".encode("utf-16")),
        "csv.png": ("it is text", b"image,label\na.jpg,cat\n"),
        "page.png": ("web page", b"\n\n <html><head><title>Sign in</title></head></html>"),
        "error.jpg": ("JSON", b'{"error": "quota"}'),
        "paper.jpg": ("PDF document; save its pages as PNG", b"%PDF-1.7\n" + bytes(50)),
        "print.jpg": ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "program.png": ("a program", b"MZ\x90\0\3\0\0\0" + bytes(200)),
        "program.jpg": ("a program", b"\x7fELF\2\1\1" + bytes(200)),
        "archive.jpg": ("an archive", packed.getvalue()),
        "page.jpg.gz.jpg": ("an archive", gzip.compress(b"a")),
        "seven.jpg": ("an archive", b"7z\xbc\xaf\x27\x1c" + bytes(60)),
        "empty zip.jpg": ("zip archive", b"PK\5\6" + bytes(18)),
        "drawing.png": ("drawing (SVG); save it as PNG", drawing),
        "iphone.jpg": (f"HEIC image; {CONVERT}", b"\0\0\0\x24ftypheic" + bytes(90)),
        "burst.png": (f"HEIC image; {CONVERT}", b"\0\0\0\x24ftypmif1" + bytes(90)),
        "broken avif.jpg": ("AVIF", b"\0\0\0\x20ftypavif" + bytes(90)),
        "canon.jpg": (f"raw camera file; {CONVERT}", b"\0\0\0\x18ftypcrx " + bytes(90)),
        "fuji.jpg": (f"raw camera file; {CONVERT}", b"FUJIFILMCCD-RAW 0201" + bytes(90)),
        "xl.jpg": (f"JPEG XL image; {CONVERT}", b"\xff\x0a" + bytes(90)),
        "xl box.jpg": (f"JPEG XL image; {CONVERT}", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90)),
        "light.png": (f"OpenEXR image; {CONVERT}", b"v/1\x01\2\0\0\0" + bytes(90)),
        "scan.jpg": (f"DICOM image; {CONVERT}", bytes(15) + b"\1" + bytes(112) + b"DICM"),
        "stars.png": (f"FITS image; {CONVERT}", b"SIMPLE  =                    T"),
        "gimp.png": (f"GIMP file; {CONVERT}", b"gimp xcf v011\0" + bytes(90)),
        "texture.png": (f"texture (DDS); {CONVERT}", b"DDS |\0\0\0" + bytes(20)),
        "array.png": ("a NumPy array", b"\x93NUMPY\1\0v\0{'descr'"),
        "sound.jpg": ("a sound", b"ID3\4" + bytes(90)),
        "wave.jpg": ("a sound", b"RIFF\x24\0\0\0WAVEfmt "),
        "film.gif": ("a video", b"\x1aE\xdf\xa3" + bytes(90)),
        "one byte.jpg": ("no known format", b"\xfe"),
        "database.png": ("no known format", b"SQLite format 3\0" + bytes(100)),
    }
    for name, (reason, content) in contents.items():
        yield Odd(name=name, status="set_aside", reason=reason, content=content)


def named() -> Iterator[Odd]:
    """Formats that are not read, known by their names, whatever is inside; and other files."""
    reasons = {
        "HEIC image; save it as JPEG or PNG": ("a.heic", "A.HEIC", "b.HEIF", "c.hif"),
        "raw camera file; save it as JPEG, PNG or TIFF": ("a.CR2", "a.cr3", "a.arw", "a.dng"),
        "drawing (SVG); save it as PNG": ("a.svg", "a.svgz"),
        "PostScript drawing; save it as PNG": ("a.eps", "a.ai"),
        "PDF document; save its pages as PNG": ("a.pdf", "B.PDF"),
        f"Photoshop file; {CONVERT}": ("a.psd",),
        f"JPEG XL image; {CONVERT}": ("a.jxl",),
        f"DICOM image; {CONVERT}": ("a.dcm",),
    }
    for reason, names in reasons.items():
        for name in names:
            yield Odd(name=name, status="set_aside", reason=reason, content=b"x" * 99)
    for name in ("notes.txt", "labels.csv", "run.exe", "old.zip", "page.html", "no ending"):
        yield Odd(name=name, status="ignored", reason="not a picture", content=b"MZ, text")


def bombs() -> Iterator[Odd]:
    """Headers that promise more pixels than a memory holds, in a few hundred bytes."""
    for name, content in {
        "bomb.jpg": _promising(encoded(SCENE), segment(encoded(SCENE), 0xC0) + 5, ">HH"),
        "bomb.gif": _promising(encoded(SCENE, "GIF"), 6, "<HH"),
        "bomb.bmp": _promising(encoded(SCENE, "BMP"), 18, "<II"),
        "bomb.ppm": b"P6 60000 60000 255\n" + bytes(100),
        "bomb.tga": _promising(encoded(SCENE, "TGA"), 12, "<HH"),
        "bomb.tif": tiff(grid(9, 9), (256, 4, 60_000), (257, 4, 60_000)),
        "bomb.qoi": b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 3, 0) + bytes(50),
        "bomb wide.png": _head(2**31 - 1, 1) + chunk(b"IDAT", zlib.compress(b"\0")),
    }.items():
        yield Odd(name=name, status="set_aside", content=content,
                  reason="pixels, the limit is")  # fmt: skip


def spoilt() -> Iterator[Odd]:
    """Whole in length, and wrong inside."""
    picture = encoded(SCENE, "PNG")
    yield Odd(name="crc.png", status="set_aside", content=_flipped(picture, 60))
    yield Odd(name="no data.png", status="set_aside", content=_head(8, 8) + chunk(b"IEND", b""))
    yield Odd(name="no head.png", status="set_aside", content=picture[:8] + picture[33:])
    yield Odd(name="line ends.png", status="set_aside", content=picture.replace(b"\r\n", b"\n"))
    yield Odd(name="nothing.png", status="set_aside", content=_head(0, 0) + picture[33:])
    yield Odd(name="nothing.gif", status="set_aside", content=b"GIF89a" + bytes(7) + b";")
    yield Odd(name="nothing.ppm", status="set_aside", content=b"P6 0 0 255\n")
    yield Odd(name="nothing.tif", status="set_aside", content=tiff(grid(4, 4), (256, 4, 0)))
    jpeg = encoded(SCENE)
    no_tables = jpeg[:2] + jpeg[segment(jpeg, 0xC0) :]
    yield Odd(name="no tables.jpg", status="set_aside", content=no_tables)
    yield Odd(name="base64.jpg", status="set_aside", reason="it is text",
              content=base64.b64encode(jpeg))  # fmt: skip
    lossless = bytearray(jpeg)
    lossless[segment(jpeg, 0xC0) + 1] = 0xC3
    yield Odd(name="lossless.jpg", status="set_aside", content=bytes(lossless))
    deep = bytearray(jpeg)
    deep[segment(jpeg, 0xC0) + 4] = 12
    yield Odd(name="12 bits.jpg", status="set_aside", content=bytes(deep))
    other = with_segment(jpeg, 0xE0, b"JFIF\0")[:40]
    yield Odd(name="header alone.jpg", status="set_aside", content=other)
    strange = {
        "double.tif": tiff(np.zeros((4, 4), "<f8")),
        "ten bands.tif": tiff(np.zeros((4, 4, 10), np.uint8)),
        "odd bits.tif": tiff(grid(4, 4), (258, 3, 7)),
        "way unknown.tif": tiff(grid(4, 4), (259, 3, 34_999)),
        "complex.tif": tiff(grid(4, 4), (339, 3, 6)),
        "strip gone.tif": tiff(grid(4, 4), (273, 4, 1 << 30)),
        "no size.tif": b"II*\0\x08\0\0\0" + bytes(6),
        "itself.tif": b"II*\0\x04\0\0\0",
    }
    for name, content in strange.items():
        yield Odd(name=name, status="set_aside", content=content)
    icon = io.BytesIO()
    Image.fromarray(SCENE).save(icon, "ICO", sizes=[(16, 16)])
    yield Odd(name="icon.ico", status="set_aside", content=icon.getvalue()[:40])


def _head(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)


def _promising(content: bytes, place: int, form: str) -> bytes:
    """The picture with 60,000 for both sides."""
    size = struct.pack(form, 60_000, 60_000)
    return content[:place] + size + content[place + len(size) :]


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


_KNOWN = {
    "empty.jpg": "the file is empty",
    "half.jpg": CUT,
    "short.jpg": CUT,
    "half.png": CUT,
    "half.tif": CUT,
    "half.bmp": CUT,
    "spoilt.png": "it is damaged",
    "text.jpg": "it is text",
    "page.jpg": "it is a web page",
    "data.png": "JSON",
    "paper.png": "PDF",
    "packed.jpg": "zip",
    "zeros.png": "zeros only",
    "film.jpg": "video",
    "phone.jpg": "HEIC",
    "phone.heic": "HEIC",
    "drawing.svg": "SVG",
    "raw.nef": "raw camera",
    "pointer.jpg": "Git LFS",
    "bomb.png": "too large",
    "layers.psd.jpg": "Photoshop",
}
