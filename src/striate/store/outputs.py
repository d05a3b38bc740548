"""Where a command may write: checks that no file of the user is lost, and the writing itself.

Never over a file that the command reads, never into a folder that it reads, never into a run
folder. Over a file that striate did not write as the same kind only if forced. Which folder
`fit --out` may use is decided in `store/run_folder.py`.
"""

import mimetypes
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR
from pathlib import Path
from typing import BinaryIO

from striate.errors import MachineError, UsageError
from striate.store.files import open_atomically, remove_unfinished, write_error
from striate.store.output_kinds import BYTES_LOOKED_AT, OutputKind
from striate.store.record import CHECKPOINTS, RUN
from striate.values import Index

# A file descriptor has these names: writing there is writing to what the shell has opened.
_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/(?:self|thread-self|\d+)/fd/\d+")
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTarget:
    """Where a command may write: a file's resolved path, or a stream as it was named.

    `known` is the existing file (device and number), None if there is none.
    """

    path: Path
    flag: str
    stream: bool = False
    known: tuple[int, int] | None = None


def resolve_output(
    text: str | None,
    kind: OutputKind,
    *,
    flag: str,
    inputs: Iterable[str | Path] = (),
    force: bool = False,
) -> OutputTarget | None:
    """The place that a flag of the command names, where striate may write there; None for none.

    `inputs` are all files and folders that the command reads. Devices but disks, pipes and
    descriptors such as /dev/stdout are streams, to which anything may be written. Raises
    `UsageError` where something of the user's would be lost or mixed up, `MachineError` where
    the folder cannot be written.
    """
    if text is None:
        return None
    try:
        if _is_stream(Path(text)):
            return OutputTarget(path=Path(text), flag=flag, stream=True)
        path = Path(os.path.realpath(text))
        there = _stat_or_none(path)
    except OSError as error:
        raise UsageError(
            f"{text!r} cannot be written: {str(error.strerror).lower()}.", _other_place_hint(flag)
        ) from None
    must_be_file = text.endswith(os.sep) or not text
    if must_be_file or (there and stat.S_ISDIR(there.st_mode)):
        raise UsageError(f"{text or repr(text)} is a folder, not a file.", _other_place_hint(flag))
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {Path(text).parent}.", _other_place_hint(flag))
    inputs = list(inputs)
    _refuse_folders(text, path, inputs, flag)
    found = OutputTarget(path=path, flag=flag, known=there and (there.st_dev, there.st_ino))
    refuse_inputs(found, inputs)
    if there:
        _refuse_foreign(text, path, there, kind, flag, force)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise MachineError(
            f"{path.parent} cannot be written: permission denied.", _other_place_hint(flag)
        )
    return found


def refuse_inputs(place: OutputTarget | None, inputs: Iterable[str | Path]) -> None:
    """Raise `UsageError` if the output is one of the files that the command reads.

    Compared by device and number, so that links and other spellings of a name are recognised.
    """
    if place is None or place.known is None:
        return
    for given in inputs:
        with suppress(OSError):
            there = Path(given).stat()
            if (there.st_dev, there.st_ino) == place.known:
                raise UsageError(
                    f"{given} is an input of this command and would be overwritten.",
                    _other_place_hint(place.flag),
                )


def list_source_files(index: Index) -> Iterator[Path]:
    """The files behind the rows of an index, as far as each has one."""
    yield from (Path(index.root) / example.path for example in index.examples)
    given = index.images if isinstance(index.images, list | tuple) else ()
    yield from (Path(each) for each in given if isinstance(each, str | os.PathLike))


def refuse_twice(*places: OutputTarget | None) -> None:
    """Raise `UsageError` if two outputs of a command are one file."""
    met: dict[Path, OutputTarget] = {}
    for place in places:
        if place is None or place.stream:
            continue
        if place.path in met:
            raise UsageError(
                f"{met[place.path].flag} and {place.flag} name the same file, {place.path}.",
                _other_place_hint(place.flag),
            )
        met[place.path] = place


@contextmanager
def open_output(place: OutputTarget) -> Iterator[BinaryIO]:
    """The file to write: whole or not at all; a stream as it comes.

    Raises `MachineError` where it cannot be written.
    """
    if not place.stream:
        remove_unfinished(place.path.parent, place.path.name)
        with open_atomically(place.path) as file:
            yield file
        return
    try:
        with _open_stream(place.path) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename not in (None, str(place.path)):
            raise
        raise write_error(place.path, error) from error


def refuse_nested(folder: Path) -> None:
    """Raise `UsageError` if a run folder would be created inside another run's folder."""
    run = _enclosing_run(Path(os.path.realpath(folder)))
    if run is not None:
        raise UsageError(
            f"{folder} is inside the run folder {run}, which striate keeps for its own files.",
            "Name another folder with --out.",
        )


def refuse_cleared(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise `UsageError` if a file that the command reads lies in a run to be cleared."""
    real = Path(os.path.realpath(folder))
    for given in inputs:
        if given.exists() and Path(os.path.realpath(given)).is_relative_to(real):
            raise UsageError(
                f"{given} is in {folder}, which --restart would clear before the file is read.",
                "Copy it elsewhere first, or name another folder with --out.",
            )


def write_lines(
    lines: Iterable[str], place: OutputTarget | None, otherwise: Callable[[str], None]
) -> None:
    """Lines to an output, or one by one to `otherwise` where there is none."""
    if place is None:
        for line in lines:
            otherwise(line)
        return
    with open_output(place) as file:
        for line in lines:
            file.write(line.encode("utf-8", "backslashreplace"))


# Beneath -----------------------------------------------------------------------------------------


def _refuse_folders(text: str, path: Path, inputs: list[str | Path], flag: str) -> None:
    """Raises `UsageError` inside a folder that is read, and inside a run folder."""
    for given in inputs:
        folder = Path(os.path.realpath(given))
        if path.is_relative_to(folder) and folder.is_dir():
            raise UsageError(
                f"{text} would be inside {given}, and striate never writes into a source.",
                _other_place_hint(flag),
            )
    run = _enclosing_run(path)
    if run is not None:
        raise UsageError(
            f"{text} would be inside the run folder {run}, which striate keeps for its own files.",
            _other_place_hint(flag),
        )


def _refuse_foreign(
    text: str, path: Path, there: os.stat_result, kind: OutputKind, flag: str, force: bool
) -> None:
    """Raises where striate did not write what stands there, or may not replace it."""
    if not stat.S_ISREG(there.st_mode):
        raise UsageError(f"{text} is not a file that can be written.", _other_place_hint(flag))
    if force:
        return
    if not os.access(path, os.W_OK):
        raise MachineError(
            f"{text} cannot be written: it is read-only.",
            f"{_other_place_hint(flag)}, or add --force",
        )
    try:
        with path.open("rb") as file:
            start = file.read(BYTES_LOOKED_AT)
    except OSError:
        start = b"?"
    if start and not kind.ours(start):
        kind_of_name = mimetypes.guess_type(text)[0] or ""
        # A pattern that a shell expanded behind the flag names a picture first.
        example = "labels.csv IMAGES" if kind_of_name.startswith("image/") else "FILE"
        raise UsageError(
            f"{text} exists, and striate did not write it as this kind of file.",
            f"Name another file: {flag} {example}, or replace it: --force",
        )


def _enclosing_run(path: Path) -> Path | None:
    """The run folder that a path behind all links lies in, if any."""
    return next((folder for folder in path.parents if _is_run(folder)), None)


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run, also one whose `run.json` is damaged."""
    with suppress(OSError):
        content = (folder / RUN).read_bytes()
        return b'"striate/run/' in content[:BYTES_LOOKED_AT] or (folder / CHECKPOINTS).is_dir()
    return False


def _is_stream(path: Path) -> bool:
    """Whether a name leads to a descriptor, a device that is no disk, a pipe or a socket."""
    for _ in range(40):  # as many links as a system follows
        if _DESCRIPTOR.fullmatch(_absolute_path(path)):
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    there = _stat_or_none(path)
    kinds = (stat.S_ISCHR, stat.S_ISFIFO, stat.S_ISSOCK)
    return there is not None and any(each(there.st_mode) for each in kinds)


def _stat_or_none(path: Path) -> os.stat_result | None:
    """What stands at a path; None where nothing does."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR):
            return None
        raise


def _absolute_path(path: Path) -> str:
    """A path from the root of the disk, its links unfollowed."""
    return os.path.normpath(path.absolute())


def _open_stream(path: Path) -> BinaryIO:
    """A stream to write to; a descriptor is shared, so that what it holds is not cut off."""
    for _ in range(40):
        match = _DESCRIPTOR.fullmatch(_absolute_path(path))
        if match:
            name = match[1] or path.name
            number = _STANDARD.get(name)
            return os.fdopen(os.dup(int(path.name) if number is None else number), "wb")
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path.open("wb")


def _other_place_hint(flag: str) -> str:
    return f"Name another file: {flag} FILE"
