"""The run folder of a command: an existing run to resume, or a new one."""

import errno
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Literal

from striate.errors import MachineError, ModelError, UsageError
from striate.store import files
from striate.store.outputs import refuse_cleared, refuse_nested
from striate.store.record import ASIDE, CHECKPOINTS, LOCK, NAMES, RUN, RunRecord, read_record
from striate.values import Options

Mode = Literal["new", "resume", "improve", "done"]
SIGNATURE = re.compile(rb'\s*\{\s*"schema":\s*"striate/')


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """A run folder that is there, what its `run.json` is to say, and how the fit goes on.

    `made` are the folders that were made for it just now, the innermost first; `begun` tells
    that the run was, so that it can be taken back.
    """

    folder: Path
    record: RunRecord
    mode: Mode
    made: tuple[Path, ...] = ()
    begun: bool = False


def find_run_place(fresh: RunRecord, root: Path = Path("runs")) -> RunPlace:
    """The place of a command whose new run would say `fresh` (docs/reference/contracts.md).

    Raises `UsageError` where `--out` names a folder that is not a run, or one with other
    settings; `ModelError` where a run that might be meant is damaged or of a newer striate;
    `MachineError` where the folder cannot be made. Nothing is written into the source, into
    another run's folder, or over a file that the command reads.
    """
    named = fresh.settings.out
    folder = root if named is None else Path(named)
    _refuse_inside_source(folder, Path(fresh.source.address))
    refuse_nested(folder)
    if named is not None:
        return _place_at_folder(Path(named), fresh)
    name = make_folder_name(fresh.name)
    found = _newest_matching_run(name, root, fresh)
    if found is not None:
        return _resume_run(found, read_record(found), fresh)
    taken = next(_numbered_runs(name, root), (0, root))[0]
    return _make_next_folder(root, name, taken + 1, fresh)


def make_folder_name(source_name: str) -> str:
    """A source's name as a folder's: any script, no separators, at most 80 bytes."""
    name = re.sub(r"[^\w.+-]+", "-", source_name.encode(errors="replace").decode()).strip("-.")
    while len(name.encode()) > 80:
        name = name[:-1]
    return name or "images"


def _refuse_inside_source(folder: Path, source: Path) -> None:
    """Raises `UsageError` where a run folder would be written into the source."""
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{folder} is inside the source {source}, and striate never writes into a source.",
            "Name a folder outside the source with --out.",
        )


def _place_at_folder(folder: Path, fresh: RunRecord) -> RunPlace:
    if _is_free(folder):
        return _begin_run(folder, fresh)
    if not (folder / RUN).exists():
        raise UsageError(
            f"{folder} is not a run folder and holds other files, so nothing was written there.",
            "Name a new or empty folder with --out.",
        )
    restart = fresh.settings.restart
    try:
        record = read_record(folder)
    except ModelError:
        if not (restart and _is_damaged_run(folder)):
            raise
        record = fresh
    if restart or _is_same_work(record, fresh):
        return _resume_run(folder, record, fresh)
    raise UsageError(
        f"{folder} holds a run with other settings: {_differences(record, fresh.settings)}.",
        "Start again in this folder with --restart, or name another folder with --out.",
    )


def _make_next_folder(root: Path, name: str, number: int, fresh: RunRecord) -> RunPlace:
    """A new folder NAME-K; counts on where another process was faster."""
    while True:
        folder = root / f"{name}-{number}"
        if not folder.exists():
            with suppress(FileExistsError):
                return _begin_run(folder, fresh, exist_ok=False)
        number += 1


def _begin_run(folder: Path, fresh: RunRecord, *, exist_ok: bool = True) -> RunPlace:
    made = tuple(path for path in (folder, *folder.parents) if not path.exists())
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.write_error(folder, error) from error
    try:
        folder.mkdir(exist_ok=exist_ok)
    except FileExistsError:
        raise
    except OSError as error:
        raise files.write_error(folder, error) from error
    return RunPlace(folder=folder, record=fresh, mode="new", made=made, begun=True)


def _resume_run(folder: Path, record: RunRecord, fresh: RunRecord) -> RunPlace:
    if fresh.settings.restart:
        refuse_cleared(folder, _input_files(fresh))
        return RunPlace(folder=folder, record=fresh, mode="new")
    if record.finished and fresh.minutes <= record.minutes:
        return RunPlace(folder=folder, record=record, mode="done")
    minutes = max(fresh.minutes, record.minutes)
    going_on = replace(
        record,
        minutes=minutes,
        settings=replace(fresh.settings, minutes=minutes),
        command=fresh.command,
        versions=fresh.versions,
        source=fresh.source if fresh.source.content_hash else record.source,
        finished=False,
    )
    mode: Mode = "improve" if record.finished else "resume"
    return RunPlace(folder=folder, record=going_on, mode=mode)


def _input_files(record: RunRecord) -> Iterator[Path]:
    """The files that the settings of a run name, and its source."""
    settings = record.settings
    named = (settings.plan, settings.weights, settings.split, record.source.address)
    return (Path(each) for each in named if each)


def _numbered_runs(name: str, root: Path) -> Iterator[tuple[int, Path]]:
    """The folders `NAME-K` in `root` with their K, the newest first."""
    pattern = re.compile(re.escape(name) + r"-([1-9]\d{0,8})")
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in root.iterdir():
            match = pattern.fullmatch(path.name)
            if match:
                found.append((int(match[1]), path))
    return iter(sorted(found, reverse=True))


def _newest_matching_run(name: str, root: Path, fresh: RunRecord) -> Path | None:
    """The newest run with these settings on these images.

    A newer one that cannot be read is an error, so that its work is not done again unnoticed.
    """
    for _, path in _numbered_runs(name, root):
        if (path / RUN).exists() and _is_same_work(read_record(path), fresh):
            return path
    return None


def _is_same_work(record: RunRecord, fresh: RunRecord) -> bool:
    """Whether a run has the same settings and images; an empty hash is not known yet."""
    hashes = {record.source.content_hash, fresh.source.content_hash} - {""}
    return record.settings_key == fresh.settings_key and len(hashes) <= 1


def _differences(record: RunRecord, options: Options) -> str:
    """The settings in which a run differs from `options`, in words."""
    old, new = asdict(record.settings), asdict(options)
    told = [
        f"{name} is {old[name]} there and {new[name]} here"
        for name in new
        if old[name] != new[name] and (name not in ASIDE or name in ("plan", "weights"))
    ]
    return ", ".join(told) or "it was made from other images"


def _is_free(folder: Path) -> bool:
    """Whether a folder is not there or empty, leftovers of a killed process aside."""
    try:
        return all(_is_remnant(path) for path in folder.iterdir())
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        if folder.exists():
            raise UsageError(
                f"{folder} is a file; a run needs a folder.", "Name another folder with --out."
            ) from None
        return True  # a parent is a file: making the folder will say so
    except OSError as error:
        raise files.write_error(folder, error) from error


def _is_remnant(path: Path) -> bool:
    """Whether a process that was killed before it wrote `run.json` may have left this."""
    if path.name == CHECKPOINTS:
        return all(part.name == LOCK for part in path.iterdir())
    return path.name.endswith(files.UNFINISHED)


def _is_damaged_run(folder: Path) -> bool:
    """Whether all in a folder has names that striate gives, and the lock or a signature is there.

    Other programs write a `run.json` and a `model`, too.
    """
    names = [path.name for path in folder.iterdir()]
    if not all(name in NAMES or name.endswith(files.UNFINISHED) for name in names):
        return False
    signed = [*folder.glob("*.json"), folder / "model" / "model.json"]
    return (folder / CHECKPOINTS / LOCK).is_file() or any(_is_signed(path) for path in signed)


def _is_signed(path: Path) -> bool:
    """Whether a file begins as striate's JSON does."""
    with suppress(OSError), path.open("rb") as file:
        return SIGNATURE.match(file.read(200)) is not None
    return False


def lock_folder(folder: Path) -> IO[bytes]:
    """A file that holds the folder for this process until it is closed or the process ends.

    Raises `MachineError` where another process has it or the folder cannot be written.
    """
    path = folder / CHECKPOINTS / LOCK
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise files.write_error(path, error) from error
    if not _try_lock(file):
        file.close()
        raise MachineError(
            f"Another striate process is using {folder}.",
            "Wait until it ends, or name another folder with --out.",
        )
    return file


def sweep_run_folder(folder: Path) -> None:
    """Remove the temporary files of killed processes."""
    for path in folder.rglob(f".*{files.UNFINISHED}"):
        with suppress(OSError):  # it does no harm
            path.unlink(missing_ok=True)


def clear_run_folder(folder: Path) -> None:
    """Remove all that striate wrote into a run folder except `run.json` and the lock."""
    sweep_run_folder(folder)
    checkpoints = folder / CHECKPOINTS
    stale = [folder / name for name in NAMES if name not in (CHECKPOINTS, RUN)]
    if checkpoints.is_dir():
        stale += [path for path in checkpoints.iterdir() if path.name != LOCK]
    for path in stale:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_begun_run(folder: Path, made: tuple[Path, ...]) -> None:
    """Removes a run that was just begun, and those of the `made` folders that are then empty."""
    try:
        clear_run_folder(folder)
        shutil.rmtree(folder / CHECKPOINTS)
        (folder / RUN).unlink(missing_ok=True)
        for path in made:
            path.rmdir()
    except OSError:
        pass  # what cannot be removed does no harm: it is an unfinished run


def _try_lock(file: IO[bytes]) -> bool:
    """Whether this process has the lock now; true where the file system knows no locks."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True
