"""Pictures: headers, decoding, and the readers by hand of JPEG, PNG and TIFF."""

import numpy as np
from PIL import Image
from tests.data.odd_files import encoded, scene
from tests.fire.fuzz.target import Target
from tests.odd.made_bytes import chunk, exif, png, tiff, with_segment

from striate.data.formats.decode import decode_image
from striate.data.formats.header import (
    capture_pillow_warnings,
    read_header,
    read_jpeg_header,
    strip_png_chunks,
)
from striate.data.formats.unreadable import read_tiff_bands

SCENE = scene(24, 32)
GREY = np.ascontiguousarray(SCENE[..., 0])
TURNED = exif((0x0112, 3, 6), (0x010F, 2, b"a camera\0"))
MOST_PIXELS = 1_000_000
JPEGS = {
    "jpeg": encoded(SCENE),
    "progressive": encoded(SCENE, progressive=True),
    "grey": encoded(GREY),
    "turned": with_segment(encoded(SCENE), 0xE1, TURNED),
    "cmyk": encoded(Image.fromarray(SCENE).convert("CMYK")),
    "profile": with_segment(encoded(SCENE), 0xE2, b"ICC_PROFILE\0\1\1" + bytes(60)),
}
PNGS = {
    "png": png(SCENE, 2),
    "palette": encoded(Image.fromarray(SCENE).quantize(16), "PNG"),
    "deep": png(GREY.astype(np.uint16) * 257, 0, 16),
    "chunks": png(SCENE, 2, before=chunk(b"tEXt", b"a\0b") + chunk(b"eXIf", TURNED[6:])),
}
TIFFS = {
    "tiff": tiff(SCENE, photometric=2),
    "float": tiff(GREY.astype(np.float32) / 255),
    "bands": tiff(np.repeat(SCENE, 2, axis=2)),
    "packed": encoded(SCENE, "TIFF", compression="tiff_lzw"),
}
KINDS = ("GIF", "BMP", "WEBP", "PPM", "JPEG2000", "ICO", "PCX", "SGI", "TGA", "AVIF", "QOI")
OTHERS = {
    kind.lower(): encoded(SCENE, kind) for kind in KINDS if Image.init() or kind in Image.SAVE
}


def _decode(content: bytes) -> None:
    with capture_pillow_warnings():
        header = read_header(content)
        decode_image(content, 16, 3, max_pixels=MOST_PIXELS, header=header)


def _read_header(content: bytes) -> None:
    with capture_pillow_warnings():
        read_header(content)


TARGETS = (
    Target(name="pictures", parse=_decode, seeds={**JPEGS, **PNGS, **TIFFS, **OTHERS}),
    Target(name="headers", parse=_read_header, seeds={**JPEGS, **PNGS, **TIFFS, **OTHERS}),
    Target(name="jpeg_header", parse=read_jpeg_header, seeds=JPEGS, words=[b"\xff\xe1", TURNED]),
    Target(name="plain_png", parse=strip_png_chunks, seeds=PNGS, words=[b"IDAT", b"eXIf"]),
    Target(name="tiff_bands", parse=read_tiff_bands, seeds=TIFFS, words=[b"II*\0", b"MM\0*"]),
)
