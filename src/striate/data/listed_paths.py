"""From the image names in a table to files: extensions, folders and disks may be missing."""

import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from striate.data.formats.read_file import path_to_text, text_to_path
from striate.data.layout import is_folder, is_hidden, looks_like_picture, suffix
from striate.errors import SourceError, SourceMissingError
from striate.values import Sentence, say

NO_IMAGE_REASON = "the row names no image"
GONE_REASON = "the file is listed but does not exist"
URL = "it is a URL, and striate does not download images"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DISK = re.compile(r"[A-Za-z]:/")
_SAMPLE = 1_000
_NAMED = 3
_LONGEST = 4_096
# A folder that is not called like the table or like images must hold this share of what is listed.
_MOSTLY = 0.5
_NEARLY = 0.9
_MOST_FOLDERS = 100
_OTHER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPath:
    """One cell: the path as striate writes it, and why nothing can be read there, if so."""

    path: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPaths:
    """Every cell's file, in order, and sentences about how they were found."""

    images: tuple[ListedPath, ...]
    notes: tuple[Sentence, ...]


def find_listed_files(cells: Sequence[str], root: Path, name: str) -> FoundPaths:
    """The file behind every cell; `name` is the table's, without its ending.

    A cell that names no file below `root` may lack its folder (one in `root`, called like the
    table or like images, or one that holds most of what is listed), its ending, or the disk and
    folders of another machine; backslashes may stand for slashes, and an ending may be in
    another case. Raises `SourceMissingError` where not one is there, `SourceError` where all are
    URLs or several folders fit.
    """
    images = [_normalise_path(cell, root) for cell in cells]
    lost = [k for k, each in enumerate(images) if each.reason == GONE_REASON]
    notes: list[Sentence] = []
    for mend in (_strip_foreign_prefix, _look_in_folders):
        found, told = mend([images[k].path for k in lost], root, name)
        for k, path in zip(lost, found, strict=True):
            images[k] = path or images[k]
        lost = [k for k in lost if images[k].reason == GONE_REASON]
        notes += told
    _refuse_all_missing(images, lost, root, name)
    for k in lost:
        if Path(text_to_path(root, images[k].path)).is_dir():
            images[k] = ListedPath(path=images[k].path, reason="it is a folder, not a file")
    lost = [k for k in lost if images[k].reason == GONE_REASON]
    notes += _path_notes(cells, images, lost, root)
    return FoundPaths(images=tuple(images), notes=tuple(notes))


def find_sample_files(cells: Sequence[str], root: Path, name: str) -> list[str]:
    """The file behind each of some cells, nothing where none is there."""
    try:
        found = find_listed_files(cells, root, name)
    except SourceError:
        return [""] * len(cells)
    return ["" if each.reason else each.path for each in found.images]


# A cell by itself ------------------------------------------------------------------------------


def _normalise_path(cell: str, root: Path) -> ListedPath:
    """A cell's path, relative to the root where it lies below, by what it says alone."""
    if not cell.strip():
        return ListedPath(path="", reason=NO_IMAGE_REASON)
    if "\0" in cell or len(cell) > _LONGEST:
        return ListedPath(path=cell[:80].replace("\0", "\\0"), reason="it is not a valid path")
    if cell[:7].lower() == "file://":
        cell = unquote(urlsplit(cell).path)
    elif _URL.match(cell):
        return ListedPath(path=cell, reason=URL)
    if cell.startswith(("~/", "~\\")):
        cell = str(Path.home()) + "/" + cell[2:]
    path = _relative_to_root(cell, root)
    if "\\" in cell and not _file_exists(root, path):
        path = _relative_to_root(cell.replace("\\", "/"), root)
    return ListedPath(path=path, reason="" if _file_exists(root, path) else GONE_REASON)


def _relative_to_root(text: str, root: Path) -> str:
    path, above = Path(os.path.normpath(text)), root.absolute()
    if path.is_absolute() and path.is_relative_to(above):
        path = path.relative_to(above)
    return path_to_text(path).replace(os.sep, "/")


def _file_exists(root: Path, path: str) -> bool:
    """Whether there is a file, or a link that leads nowhere; a folder is no image."""
    try:
        facts = os.lstat(text_to_path(root, path))
        return not stat.S_ISDIR(facts.st_mode)
    except (OSError, ValueError):
        return False


# Paths of another machine ----------------------------------------------------------------------


def _strip_foreign_prefix(
    paths: Sequence[str], root: Path, name: str
) -> tuple[list[ListedPath | None], list[Sentence]]:
    """Whole paths without the beginning that most of them have and that is not here."""
    whole = [path for path in paths if path.startswith("/") or _DISK.match(path)]
    prefixes = Counter(
        filter(None, (_find_foreign_prefix(path, root) for path in _sample_paths(whole)))
    )
    if not prefixes:
        return [None] * len(paths), []
    prefix = prefixes.most_common(1)[0][0]
    found: list[ListedPath | None] = []
    for path in paths:
        rest = path.removeprefix(prefix)
        fits = rest != path and _file_exists(root, rest)
        found.append(ListedPath(path=rest) if fits else None)
    told = say(
        "read.prefix",
        "The paths in the table begin with {prefix}, which does not exist here; "
        "without it, {n:,} images were found below {root}.",
        prefix=prefix[:200],
        n=sum(each is not None for each in found),
        root=path_to_text(root),
    )
    return found, [told]


def _find_foreign_prefix(path: str, root: Path) -> str:
    """The shortest beginning of a path without which it leads to a file below the root."""
    for place in (match.end() for match in re.finditer("/", path)):
        if path[place:] and _file_exists(root, path[place:]):
            return path[:place]
    return ""


# Names without folder or ending ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to look in, by its path below the root; files are listed once a folder."""

    root: Path
    path: str
    listings: dict[str, tuple[dict[str, list[str]], dict[str, list[str]]]] = field(
        default_factory=dict
    )
    spellings: dict[str, str] = field(default_factory=dict)

    def find(self, listed: str) -> ListedPath | None:
        """The file with that name in any case, or where none has an ending, with one."""
        above, _, base = listed.rpartition("/")
        above = self._spelt(above)
        named, stems = self._listing("/".join(part for part in (self.path, above) if part))
        files = named.get(base.casefold(), [])
        if not files and not looks_like_picture(base):
            files = stems.get(base.casefold(), [])
        if base in files:
            files = [base]
        path = "/".join(part for part in (self.path, above, *files[:1]) if part)
        if len(files) > 1:
            return ListedPath(
                path=listed, reason=f"several files have this name: {', '.join(files)}"
            )
        return ListedPath(path=path) if files else None

    def _spelt(self, above: str) -> str:
        """The folders as they are called on disk, where only one is called so in any case."""
        if above not in self.spellings:
            parts: list[str] = []
            for part in filter(None, above.split("/")):
                here = text_to_path(self.root, "/".join((self.path or ".", *parts)))
                names = [e.name for e in _scan_entries(Path(here)) if is_folder(e)]
                alike = [name for name in names if name.casefold() == part.casefold()]
                parts.append(part if part in names or len(alike) != 1 else path_to_text(alike[0]))
            self.spellings[above] = "/".join(parts)
        return self.spellings[above]

    def _listing(self, folder: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        if folder not in self.listings:
            named: dict[str, list[str]] = defaultdict(list)
            stems: dict[str, list[str]] = defaultdict(list)
            for entry in _scan_entries(Path(text_to_path(self.root, folder or "."))):
                file = path_to_text(entry.name)
                if is_hidden(file) or is_folder(entry):
                    continue
                named[file.casefold()].append(file)
                if looks_like_picture(file):
                    stems[file[: -len(suffix(file))].casefold()].append(file)
            self.listings[folder] = (
                {k: sorted(v) for k, v in named.items()},
                {k: sorted(v) for k, v in stems.items()},
            )
        return self.listings[folder]


def _look_in_folders(
    paths: Sequence[str], root: Path, name: str
) -> tuple[list[ListedPath | None], list[Sentence]]:
    """Paths in the folder that holds most of them, and of the others those in the root."""
    inner = [path for path in paths if not path.startswith(("/", "../")) and path != ".."]
    if not inner:
        return [None] * len(paths), []
    here = _Folder(root, "")
    folders = _ranked_folders(root, name)
    best = _best_folder(folders, inner, here, name)
    found: list[ListedPath | None] = []
    for path in paths:
        outside = path.startswith(("/", "../")) or path == ".."
        found.append(None if outside else (best and best.find(path)) or here.find(path))
    taken = [(path, each) for path, each in zip(paths, found, strict=True) if each]
    good = [(path, each.path) for path, each in taken if not each.reason]
    if not good:
        return found, []
    told = say(
        "read.found_in",
        "{n:,} images are listed without their folder or extension, or in another "
        "case; they were found, such as {listed}: {path}.",
        n=len(good),
        listed=good[0][0],
        path=good[0][1],
    )
    return found, [told]


def _best_folder(
    folders: Sequence[tuple[int, _Folder]], paths: Sequence[str], here: _Folder, name: str
) -> _Folder | None:
    """The folder where most of the paths are, or none where the root itself holds as many.

    Raises `SourceError` where several that fit equally hold as many.
    """
    some = _sample_paths(paths)
    least = _count_found(here, some)
    counts = [(rank, folder, _count_found(folder, some)) for rank, folder in folders]
    counts = [
        (rank, folder, n)
        for rank, folder, n in counts
        if n > least and (rank < _OTHER or n >= _MOSTLY * len(some))
    ]
    if not counts:
        return None
    most = max(n for _, _, n in counts)
    near = [(rank, folder, n) for rank, folder, n in counts if n >= _NEARLY * most]
    nearest = [each for each in near if each[0] == min(near, key=lambda each: each[0])[0]]
    fitting = [folder for _, folder, n in nearest if n == len(some)] or [f for _, f, _ in nearest]
    if len(fitting) > 1:
        names = [folder.path for folder in fitting]
        where = [path_to_text(here.root / each) for each in names]
        raise SourceError(
            f"The images that {name} lists exist under the same names in several folders, "
            f"such as {some[0]}: {' and '.join(names[:_NAMED])}.",
            f"Choose one: --root {' or --root '.join(where[:_NAMED])}",
        )
    return fitting[0]


def _ranked_folders(root: Path, name: str) -> list[tuple[int, _Folder]]:
    """The folders in the root, each with a rank: how like the table's name its own is."""
    names = sorted(
        path_to_text(e.name) for e in _scan_entries(root) if is_folder(e) and not is_hidden(e.name)
    )
    ranks = [(_rank_folder(folder.casefold(), name.casefold()), folder) for folder in names]
    many = sum(rank == _OTHER for rank, _ in ranks) > _MOST_FOLDERS
    return [(rank, _Folder(root, path)) for rank, path in ranks if rank < _OTHER or not many]


def _rank_folder(folder: str, table: str) -> int:
    if folder == table:
        return 0
    longer, shorter = sorted((folder, table), key=len, reverse=True)
    if re.match(re.escape(shorter) + r"[\W_]", longer):
        return 1
    if folder in ("images", "image", "imgs", "img", "pictures", "photos", "jpg", "jpeg", "png"):
        return 2
    return _OTHER


def _count_found(folder: _Folder, paths: Iterable[str]) -> int:
    return sum(folder.find(path) is not None for path in paths)


def _scan_entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _sample_paths(paths: Sequence[str]) -> Sequence[str]:
    return paths[:: max(1, len(paths) // _SAMPLE)]


# What is said ----------------------------------------------------------------------------------


def _refuse_all_missing(
    images: Sequence[ListedPath], lost: Sequence[int], root: Path, name: str
) -> None:
    named = [each for each in images if each.reason != NO_IMAGE_REASON]
    urls = [each for each in named if each.reason == URL]
    if named and len(urls) == len(named):
        raise SourceError(
            f"{name} lists images by URL, such as {urls[0].path[:80]}; striate does not "
            "download images.",
            "Download the images, and list the files.",
        )
    if named and len(lost) == len(named):
        tried = path_to_text(text_to_path(root.absolute(), images[lost[0]].path))
        more = ", …" if len(lost) > _NAMED else ""
        raise SourceMissingError(
            f"None of the {len(named):,} images listed in {name} exists: "
            f"{', '.join(images[k].path[:80] for k in lost[:_NAMED])}{more}",
            f"striate looked for {tried[:300]}. Name the folder that the paths start "
            "from: --root FOLDER",
        )


def _path_notes(
    cells: Sequence[str], images: Sequence[ListedPath], lost: Sequence[int], root: Path
) -> Iterator[Sentence]:
    turned = [
        (cell, each.path)
        for cell, each in zip(cells, images, strict=True)
        if "\\" in cell and not each.reason and "\\" not in each.path
    ]
    if turned:
        yield say(
            "read.backslashes",
            "Backslashes in {n:,} paths were read as slashes, such as {listed}: {path}.",
            n=len(turned),
            listed=turned[0][0][:80],
            path=turned[0][1],
        )
    if lost:
        names = ", ".join(images[k].path[:80] for k in lost[:_NAMED])
        yield say(
            "read.listed_gone",
            "{n:,} of {of:,} listed images do not exist below {root} and were excluded: {paths}.",
            n=len(lost),
            of=sum(each.reason != NO_IMAGE_REASON for each in images),
            root=path_to_text(root.absolute()),
            paths=names + (", …" if len(lost) > _NAMED else ""),
        )
    urls = sum(each.reason == URL for each in images)
    if urls:
        yield say(
            "read.urls",
            "Images listed by URL, excluded because striate does not download images: {n:,}.",
            n=urls,
        )
