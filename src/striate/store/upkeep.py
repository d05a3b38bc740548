"""A run folder's upkeep: one process at a time, leftovers swept, nothing foreign touched."""

import errno
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from striate.errors import MachineError
from striate.store import files
from striate.store.record import CHECKPOINTS, LOCK, NAMES, RUN


def take_lock(folder: Path) -> IO[bytes]:
    """A file that holds the folder for this process until it is closed or the process ends.

    Raises `MachineError` where another process has it or the folder cannot be written.
    """
    path = folder / CHECKPOINTS / LOCK
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise files.not_written(path, error) from error
    if not _locked(file):
        file.close()
        raise MachineError(
            f"Another striate is at work in {folder}.",
            "Wait for it, or name another folder with --out.",
        )
    return file


def sweep(folder: Path) -> None:
    """Removes what a killed process left half-written."""
    for path in folder.rglob(f".*{files.UNFINISHED}"):
        with suppress(OSError):  # it does no harm
            path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Removes all that striate wrote into a run folder but `run.json` and the lock."""
    sweep(folder)
    checkpoints = folder / CHECKPOINTS
    stale = [folder / name for name in NAMES if name not in (CHECKPOINTS, RUN)]
    if checkpoints.is_dir():
        stale += [path for path in checkpoints.iterdir() if path.name != LOCK]
    for path in stale:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def take_back(folder: Path, made: tuple[Path, ...]) -> None:
    """Removes a run that was just begun, and those of the `made` folders that are then empty."""
    try:
        clear(folder)
        shutil.rmtree(folder / CHECKPOINTS)
        (folder / RUN).unlink(missing_ok=True)
        for path in made:
            path.rmdir()
    except OSError:
        pass  # what cannot be removed does no harm: it is an unfinished run


def _locked(file: IO[bytes]) -> bool:
    """Whether this process has the lock now; true where the file system knows no locks."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True
