"""A zip or tar archive, opened once and read in place: paths -> bytes, safe for many threads."""

import bz2
import gzip
import lzma
import posixpath
import shutil
import stat
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from striate.data.formats.read_file import LARGEST_FILE, path_to_text
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import has_picture_signature, is_hidden, looks_like_picture
from striate.errors import MachineError, SourceError

# A compressed tar can only be read from its beginning, so its pictures are kept: in memory up to
# here, beyond it in a file without a name, which is gone when the process is.
MOST_IN_MEMORY = 512 << 20
MOST_OF_HEADER = 1 << 20

Read = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedArchive:
    """What an archive holds: a reader for each file by its path, and why others have none.

    Where everything lies in one folder, paths begin below it, as if that folder were given.
    """

    readers: dict[str, Read]
    refused: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises `Unreadable`."""
        if path not in self.readers:
            raise Unreadable(self.refused.get(path, "it is no longer in the archive"))
        try:
            return self.readers[path]()
        except Unreadable:
            raise
        except NotImplementedError as error:
            raise Unreadable(f"its compression method is not supported ({error})") from None
        except Exception as error:  # a damaged member makes the unpackers raise whatever they met
            raise Unreadable(f"it is damaged inside the archive ({_error_text(error)})") from None


def open_archive(path: str | Path) -> OpenedArchive:
    """The archive at `path`, opened once a content. Raises `SourceError` where it is damaged,
    protected by a password, or names files outside of itself; `MachineError` where the disk is
    full."""
    facts = Path(path).stat()
    with _OPENING:
        return _open_cached(str(path), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=2)
def _open_cached(path: str, size: int, changed: int) -> OpenedArchive:
    try:
        found = _open_zip(path) if path.lower().endswith(".zip") else _open_tar(path)
    except SourceError:
        raise
    except (*_DAMAGE, OSError) as error:
        if not isinstance(error, OSError) or error.errno is None:  # bz2 and gzip raise bare ones
            raise SourceError(
                f"{path_to_text(path)} is damaged and cannot be read as an archive: "
                f"{_error_text(error)}.",
                "Download or pack it again.",
            ) from None
        raise MachineError(
            f"{path_to_text(path)} cannot be unpacked: {error.strerror or error}.",
            "Unpack it by hand where there is room, and give the folder.",
        ) from error
    return _below_one_folder(found)


def _open_zip(path: str) -> OpenedArchive:
    archive = zipfile.ZipFile(path)
    readers: dict[str, Read] = {}
    refused: dict[str, str] = {}
    for entry in archive.infolist():
        if not entry.filename:
            raise zipfile.BadZipFile("an entry has no name")
        if entry.is_dir():
            continue
        name = _safe_member_path(entry.filename, path)
        if entry.flag_bits & 0x1 and not _is_hidden_path(name):
            raise SourceError(
                f"{path_to_text(path)} is protected by a password.",
                "Unpack it and give the folder, or pack it without a password.",
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            refused[name] = "it is a link, and links in a zip archive are not followed"
        elif entry.file_size > LARGEST_FILE:
            refused[name] = "the file is larger than 1 GiB"
        else:
            readers[name] = _zip_reader(archive, entry)
    return OpenedArchive(readers=readers, refused=refused)


def _zip_reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Read:
    return lambda: archive.read(entry)


def _open_tar(path: str) -> OpenedArchive:
    with Path(path).open("rb") as file:
        start = file.read(6)
    for sign, opener in _PACKED.items():
        if start.startswith(sign):
            with opener(path) as stream:
                return _read_packed_tar(stream, path)
    return _open_plain_tar(path)


def _open_plain_tar(path: str) -> OpenedArchive:
    # It stays open as long as the archive is read, and `_SharedFile` closes it, so no `with`.
    store = _SharedFile(Path(path).open("rb"))  # noqa: SIM115
    with tarfile.open(path, "r:", tarinfo=_BoundedTarInfo) as archive:
        members = archive.getmembers()
        store.file.seek(archive.offset)
    end = max((m.offset_data + m.size for m in members if m.isreg()), default=0)
    # Without the closing block of zeros it was cut off, be it between two files.
    if end > Path(path).stat().st_size or not (rest := store.file.read(512)) or any(rest):
        raise tarfile.ReadError("it is cut off")
    places = {member.name: (member.offset_data, member.size) for member in members}
    return _index_members(members, places, store, path)


def _read_packed_tar(stream: IO[bytes], path: str) -> OpenedArchive:
    """One pass through a compressed tar: what may be a picture is kept, all else is named."""
    # It stays open as long as the archive is read, and `_SharedFile` closes it, so no `with`.
    store = _SharedFile(tempfile.SpooledTemporaryFile(max_size=MOST_IN_MEMORY))  # noqa: SIM115
    places: dict[str, tuple[int, int]] = {}
    members = []
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedTarInfo) as archive:
        for member in archive:
            members.append(member)
            if not member.isreg() or member.size > LARGEST_FILE or _is_hidden_path(member.name):
                continue
            content = archive.extractfile(member)
            assert content is not None
            start = content.read(16)
            if looks_like_picture(member.name) or has_picture_signature(start):
                places[member.name] = (store.file.tell(), member.size)
                store.file.write(start)
                shutil.copyfileobj(content, store.file)
    while stream.read(1 << 20):  # to the end, so that what was cut off or altered is noticed
        pass
    return _index_members(members, places, store, path)


class _BoundedTarInfo(tarfile.TarInfo):
    """An entry of a tar whose long name or extended header is no longer than such are."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # A header is read whole, so a packed one of some kilobytes could fill the memory.
        if self.type in _LONG_HEADERS and self.size > MOST_OF_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        # A private method, which the types of tarfile leave out.
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found


def _index_members(
    members: Iterable[tarfile.TarInfo],
    places: dict[str, tuple[int, int]],
    store: "_SharedFile",
    path: str,
) -> OpenedArchive:
    readers: dict[str, Read] = {}
    refused: dict[str, str] = {}
    for member in members:
        name = _safe_member_path(member.name, path)
        if member.isdir():
            continue
        place = (
            places.get(_resolve_link(member, places)) if member.islnk() or member.issym() else None
        )
        if member.isreg() and not member.issparse():
            place = places.get(member.name)
        if member.size > LARGEST_FILE:
            refused[name] = "the file is larger than 1 GiB"
        elif place is not None:
            readers[name] = store.reader(*place)
        elif member.issym() or member.islnk():
            refused[name] = "it is a link to something that does not exist"
        elif not member.isreg() or member.issparse():
            refused[name] = "it is a special file"
        else:
            refused[name] = NOT_KEPT
    return OpenedArchive(readers=readers, refused=refused)


def _resolve_link(member: tarfile.TarInfo, places: dict[str, tuple[int, int]]) -> str:
    """The member that a link leads to; hard links name it whole, symbolic ones from where it is."""
    if member.islnk() or member.linkname in places:
        return member.linkname
    return posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))


class _SharedFile:
    """A file that many threads read parts of, open for as long as somebody may."""

    def __init__(self, file: Any) -> None:
        self.file, self.lock = file, threading.Lock()

    def __del__(self) -> None:
        self.file.close()

    def reader(self, start: int, size: int) -> Read:
        """Reads one part."""

        def read() -> bytes:
            with self.lock:
                self.file.seek(start)
                content: bytes = self.file.read(size)
            if len(content) != size:
                raise Unreadable("the archive was changed while it was being read")
            return content

        return read


def _safe_member_path(name: str, path: str) -> str:
    """A member's path as striate writes it; raises `SourceError` where it leads out."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0][1:2]:
        raise SourceError(
            f"{path_to_text(path)} names a file outside of itself: {path_to_text(name)}.",
            "Such an archive is not safe to unpack. Pack the folder of classes again.",
        )
    return path_to_text("/".join(part for part in name.split("/") if part not in ("", ".")))


def _below_one_folder(found: OpenedArchive) -> OpenedArchive:
    """Paths from below the folder that holds everything, where there is one.

    Stray texts may stand beside it, but no pictures; and it must hold folders, not pictures.
    """
    while True:
        paths = [p for p in (*found.readers, *found.refused) if not _is_hidden_path(p)]
        tops = {path.split("/")[0] for path in paths if "/" in path}
        level = [p for p in paths if p.count("/") <= 1 and looks_like_picture(p)]
        deeper = any(path.count("/") > 1 for path in paths)
        if len(tops) != 1 or level or not deeper:
            return found
        above = f"{tops.pop()}/"
        below = {p for p in (*found.readers, *found.refused) if p.startswith(above)}

        def shorter(path: str, above: str = above, below: set[str] = below) -> str:
            if path in below:
                return path.removeprefix(above)
            return f"../{path}" if above + path in below else path

        found = OpenedArchive(
            readers={shorter(path): read for path, read in found.readers.items()},
            refused={shorter(path): reason for path, reason in found.refused.items()},
        )


def _is_hidden_path(path: str) -> bool:
    return any(is_hidden(part) for part in path.split("/") if part not in ("", "."))


def _error_text(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__


NOT_KEPT = "not a picture"
_LONG_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_OPENING = threading.Lock()
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open, b"BZh": bz2.open}
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, ValueError),
)
