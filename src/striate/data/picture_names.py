"""What a file's name or start says: hidden, a picture, or a format that is not read."""

PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "bmp", "dib", "webp"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm", "pfm", "jp2", "j2k", "jpx", "avif"),
        *("ico", "pcx", "sgi", "rgb", "qoi", "tga"),
    )
)

_RAW = (
    *("cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "dng", "orf", "rw2", "pef", "srw"),
    *("raf", "x3f", "3fr", "iiq", "erf", "kdc", "mrw"),
)
_CONVERT = "save it as JPEG or PNG"
UNREAD_FORMATS = {
    **{f".{name}": "a raw camera file; save it as JPEG, PNG or TIFF" for name in _RAW},
    **dict.fromkeys((".heic", ".heif", ".hif"), f"a HEIC picture; {_CONVERT}"),
    **dict.fromkeys((".svg", ".svgz"), "a drawing (SVG); save it as PNG"),
    **dict.fromkeys((".eps", ".ps", ".ai"), "a PostScript drawing; save it as PNG"),
    **dict.fromkeys((".wmf", ".emf"), "a Windows drawing; save it as PNG"),
    **dict.fromkeys((".psd", ".psb"), f"a Photoshop file; {_CONVERT}"),
    ".pdf": "a PDF document; save its pages as PNG",
    ".xcf": f"a GIMP file; {_CONVERT}",
    ".jxl": f"a JPEG XL picture; {_CONVERT}",
    ".exr": f"an OpenEXR picture; {_CONVERT}",
    ".dcm": f"a DICOM picture; {_CONVERT}",
    ".dds": f"a texture (DDS); {_CONVERT}",
}

_HIDDEN = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "ehthumbs.db"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden or made by a system for itself."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def looks_like_picture(name: str) -> bool:
    """Whether a file's name ends like a picture's, in upper or lower case."""
    return suffix(name) in PICTURE_SUFFIXES


def begins_like_picture(start: bytes) -> bool:
    """Whether the first 16 bytes of a file are those of a picture, whatever its name."""
    return start.startswith(_STARTS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def suffix(name: str) -> str:
    """The ending of a name or path in lower case, with its dot; empty where there is none."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return dot + ending.lower() if stem else ""


_STARTS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP  ", b"\0\0\0 ftypavif", b"\0\0\0\x1cftypavif", b"qoif"),
)
