"""Why a picture cannot be read, in words for people."""

import re

_SIGNS: tuple[tuple[bytes, str], ...] = (
    (rb"%PDF", "it is a PDF document"),
    (rb"\s*<(!doctype html|html|head|body)", "it is a web page (a download that failed?)"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg|<svg)", "it is a drawing (SVG)"),
    (rb"\s*[{\[]", "it is text (JSON)"),
    (rb"PK\x03\x04", "it is a zip archive"),
    (rb"....ftyp(heic|heix|mif1|msf1|hevc)", "it is a HEIC picture; save it as JPEG or PNG"),
    (rb"....ftyp", "it is a video"),
    (rb"\x1aE\xdf\xa3|OggS|RIFF....AVI", "it is a video"),
    (rb"8BPS", "it is a Photoshop file"),
    (rb"\x89HDF", "it is an HDF5 file"),
    (rb"version https://git-lfs", "it is a Git LFS pointer; fetch the picture with git lfs pull"),
    (rb"\x00{16}", "it begins with zeros only (a copy that failed?)"),
)
_PICTURES = rb"\xff\xd8|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*|BM"


class Unreadable(Exception):
    """A picture that cannot be read; `reason` says why in a few words, without the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def reason_for(error: BaseException) -> str:
    """What an error of Pillow, numpy or the operating system means for the picture."""
    if isinstance(error, Unreadable):
        return error.reason
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>|'[^']*/[^']*'", "", str(error))).strip()
    low = text.lower()
    if "truncated" in low or "eof" in low or "premature" in low or isinstance(error, EOFError):
        return "it is cut off: the file ends before the picture does"
    if "broken data stream" in low or "corrupt" in low or "decoder error" in low:
        return f"it is damaged ({text})"
    return f"it is damaged ({text or type(error).__name__})"


def reason_for_content(content: bytes) -> str:
    """What a file is that no decoder recognises, judged by its first bytes."""
    for sign, reason in _SIGNS:
        if re.match(sign, content[:512], re.DOTALL | re.IGNORECASE):
            return f"not a picture: {reason}"
    if re.match(_PICTURES, content, re.DOTALL):
        return "it is damaged: its header cannot be read"
    if content and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in content[:256]):
        return "not a picture: it is text"
    return "not a picture that can be read: its first bytes are of no known format"
