"""Archives: zip and tar, packed in every way."""

import io
import tarfile
import zipfile
from pathlib import Path

from tests.data.odd_files import encoded, scene
from tests.fire.fuzz.target import Target, of_file

from striate.data.formats.opened_archive import open_archive
from striate.data.formats.unreadable import Unreadable

PICTURE = encoded(scene(8, 8), "PNG")
NAMES = ("set/cat/1.png", "set/cat/2.png", "set/dog/1.png", "set/readme.txt")


def _zip(way: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", way) as archive:
        for name in NAMES:
            archive.writestr(zipfile.ZipInfo(name), PICTURE)
    return file.getvalue()


def _tar(mode: str, form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:
        for name in (*NAMES, "set/" + "long" * 40 + "/猫.png"):
            entry = tarfile.TarInfo(name)
            entry.size = len(PICTURE)
            archive.addfile(entry, io.BytesIO(PICTURE))
        link = tarfile.TarInfo("set/dog/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "1.png"
        archive.addfile(link)
    return file.getvalue()


PLAIN = {"pax": _tar("w", tarfile.PAX_FORMAT), "gnu": _tar("w", tarfile.GNU_FORMAT)}
PACKED = {mode: _tar(f"w:{mode}", tarfile.PAX_FORMAT) for mode in ("gz", "bz2", "xz")}
ZIPS = {
    "stored": _zip(zipfile.ZIP_STORED),
    "deflated": _zip(zipfile.ZIP_DEFLATED),
    "bzip2": _zip(zipfile.ZIP_BZIP2),
    "lzma": _zip(zipfile.ZIP_LZMA),
}


def _read_all(path: Path) -> None:
    opened = open_archive(path)
    for name in list(opened.readers)[:100]:
        try:
            opened.read(name)
        except Unreadable:
            continue


TARGETS = (
    Target(
        name="zip",
        parse=of_file(_read_all, "a.zip"),
        seeds=ZIPS,
        words=[b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"../"],
    ),
    Target(
        name="tar",
        parse=of_file(_read_all, "a.tar"),
        seeds=PLAIN,
        words=[
            b"ustar\x0000",
            b"30 mtime=1.5\n",
            b"22 GNU.sparse.major=1\n",
            b"\x80",
            b"0000644\0",
        ],
    ),
    Target(name="packed_tar", parse=of_file(_read_all, "a.tar.gz"), seeds=PACKED),
)
