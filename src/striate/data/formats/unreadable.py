"""The reasons why an image cannot be read, in words for people."""

import codecs
import io
import re
import struct
import warnings

from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLESPERPIXEL, ImageFileDirectory_v2

_CONVERT = "save it as JPEG or PNG"
_SIGNS: tuple[tuple[bytes, str], ...] = (
    (rb"%PDF", "it is a PDF document; save its pages as PNG"),
    (rb"%!PS", "it is a PostScript drawing; save it as PNG"),
    (rb"\s*<(!doctype html|html|head|body)", "it is a web page (a download that failed?)"),
    (
        rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg|<svg)",
        "it is a drawing (SVG); save it as PNG",
    ),
    (rb"\s*[{\[]", "it is text (JSON)"),
    (rb"PK(\x03\x04|\x05\x06)", "it is a zip archive"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "it is an archive"),
    (rb"MZ|\x7fELF|\xcf\xfa\xed\xfe", "it is a program"),
    (rb"....ftyp(heic|heix|heim|heis|mif1|msf1|hevc)", f"it is a HEIC image; {_CONVERT}"),
    (rb"....ftypavi[fs]", f"it is an AVIF image, which Pillow cannot read here; {_CONVERT}"),
    (rb"....ftypcrx|FUJIFILM|IIRO|IIU\0", f"it is a raw camera file; {_CONVERT}"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", f"it is a JPEG XL image; {_CONVERT}"),
    (rb"v/1\x01", f"it is an OpenEXR image; {_CONVERT}"),
    (rb"DDS ", f"it is a texture (DDS); {_CONVERT}"),
    (rb"SIMPLE  =", f"it is a FITS image; {_CONVERT}"),
    (rb".{128}DICM", f"it is a DICOM image; {_CONVERT}"),
    (rb"gimp xcf", f"it is a GIMP file; {_CONVERT}"),
    (rb"....ftyp", "it is a video"),
    (rb"\x1aE\xdf\xa3|OggS|RIFF....AVI", "it is a video"),
    (rb"ID3|fLaC|RIFF....WAVE", "it is a sound"),
    (rb"8BPS", f"it is a Photoshop file; {_CONVERT}"),
    (rb"\x89HDF", "it is an HDF5 file"),
    (rb"\x93NUMPY", "it is a NumPy array"),
    (rb"version https://git-lfs", "it is a Git LFS pointer; fetch the image with git lfs pull"),
    (rb"\x00{16}", "it begins with zeros only (a copy that failed?)"),
)
MOST_BANDS = 4
_PICTURES = rb"\xff\xd8|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*|BM|\x00\x00\x00\x0cjP"


class Unreadable(Exception):
    """An image that cannot be read; `reason` says why in a few words, without the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse_without_room(error: BaseException, needed: int) -> None:
    """Raises `MemoryError` where a decoder ran out of memory and `needed` bytes are not there.

    Where they are, the file asked for more than its pixels take: it is damaged.
    """
    if not isinstance(error, MemoryError) and "out of memory" not in str(error):
        return
    try:
        bytearray(needed)
    except MemoryError:
        raise MemoryError(str(error)) from error


def error_reason(error: BaseException) -> str:
    """What an error of Pillow, numpy or the operating system means for the picture."""
    if isinstance(error, Unreadable):
        return error.reason
    if isinstance(error, MemoryError):
        return "it is damaged (it asks for more memory than its pixels take)"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>|'[^']*/[^']*'", "", str(error))).strip()
    low = text.lower()
    if "truncated" in low or "eof" in low or "premature" in low or isinstance(error, EOFError):
        return "it is cut off: the file ends before the image does"
    if "could not create decoder" in low:
        return "it is damaged or cut off"
    if "broken data stream" in low or "corrupt" in low or "decoder error" in low:
        return f"it is damaged ({text})"
    return f"it is damaged ({text or type(error).__name__})"


def unknown_content_reason(content: bytes) -> str:
    """What a file is that no decoder recognises, judged by its first bytes."""
    for sign, reason in _SIGNS:
        if re.match(sign, content[:512], re.DOTALL | re.IGNORECASE):
            return f"not an image: {reason}"
    bands, bits = read_tiff_bands(content)
    if bands > MOST_BANDS:
        return (
            f"it is a TIFF of {bands} bands, and images may have up to {MOST_BANDS}; save "
            "the bands of all images as one array in an .npz file, which may have more"
        )
    if bands > 1 and bits > 8:
        return f"it is a TIFF of {bands} bands of {bits} bits; save it with 8 bits per band"
    if re.match(_PICTURES, content, re.DOTALL):
        return "it is damaged, or its format is not supported"
    if _is_text(content[:256]):
        return "not an image: it is text"
    return "not a readable image: its first bytes match no known format"


def _is_text(start: bytes) -> bool:
    """Whether bytes are text in UTF-8; the last character may be cut."""
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter in "\t\n\r\ufeff" for letter in text)


def read_tiff_bands(content: bytes) -> tuple[int, int]:
    """Bands and bits of one of them; (0, 0) where it is no TIFF or says neither. TIFF 6.0, 2."""
    file = io.BytesIO(content)
    try:
        directory = ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        with warnings.catch_warnings():  # of a file that is cut off, which is no news here
            warnings.simplefilter("ignore")
            directory.load(file)
        bits = directory.get(BITSPERSAMPLE, (1,))
        return int(directory.get(SAMPLESPERPIXEL, 1)), int(bits[0])
    except (SyntaxError, struct.error, ValueError, TypeError, IndexError, OSError):
        return 0, 0
