"""Damaged and odd files, as they are found in real folders: what the tests are fed."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scene(height: int = 48, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth picture in colour that looks like no other, H x W x 3."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def encoded(
    image: Image.Image | NDArray[np.uint8], kind: str = "JPEG", **settings: object
) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **settings)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def damaged_files() -> dict[str, bytes]:
    """Name and content of files that cannot be read as pictures, each for another reason."""
    jpeg, png = encoded(scene(200, 300)), encoded(scene(), "PNG")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "a")
    spoilt = bytearray(png)
    spoilt[len(png) // 2 : len(png) // 2 + 40] = b"\xff" * 40
    return {
        "empty.jpg": b"",
        "half.jpg": jpeg[: len(jpeg) // 2],
        "start.jpg": jpeg[:20],
        "short.jpg": jpeg[:-4],
        "half.png": png[: len(png) // 2],
        "half.gif": encoded(scene(), "GIF")[:300],
        "half.webp": encoded(scene(), "WEBP")[:100],
        "half.tif": encoded(scene(), "TIFF")[:200],
        "half.bmp": encoded(scene(), "BMP")[:200],
        "spoilt.png": bytes(spoilt),
        "text.jpg": b"not a picture at all\n",
        "page.jpg": b"<!DOCTYPE html><html><body>404</body></html>",
        "data.png": b'{"error": "not found"}',
        "paper.png": b"%PDF-1.7 ...",
        "packed.jpg": packed.getvalue(),
        "zeros.png": bytes(1000),
        "noise.jpg": np.random.default_rng(1).integers(0, 256, 2000, dtype=np.uint8).tobytes(),
        "film.jpg": b"\0\0\0\x20ftypisom" + bytes(100),
        "phone.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(100),
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "raw.nef": encoded(scene(), "TIFF"),
        "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n",
        "bomb.png": bomb(),
        "layers.psd.jpg": b"8BPS" + bytes(100),
    }


def add_odd_files(folder: Path) -> set[str]:
    """Drops thirty files that cannot be read into a folder; returns their names."""
    for name, content in damaged_files().items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    (folder / "itself.jpg").symlink_to(folder / "itself.jpg")
    (folder / "endless.jpg").symlink_to("/dev/zero")
    (folder / "above").symlink_to(folder, target_is_directory=True)
    return {*damaged_files(), "pipe.jpg", "nowhere.jpg", "itself.jpg", "endless.jpg", "above"}
