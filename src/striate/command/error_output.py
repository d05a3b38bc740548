"""From an exception to the error that a person reads."""

import errno
import os
import re
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate import __version__
from striate.errors import MachineError, StriateError, UsageError

if TYPE_CHECKING:
    from striate.values import Example

PATIENCE_SECONDS = 5.0
LOST_SECONDS = 0.5
MOST_NAMED = 20
# torch's allocator, oneDNN, Python's threads, and the loader of libraries that found no room.
NO_MEMORY = (
    "(?i)can't allocate memory|cannot allocate memory|not enough memory|bad_alloc|out of memory"
    "|could not create a (?:primitive|memory)"  # oneDNN, where it can allocate no more
    "|can't start new thread|failed to map segment"
)


def as_known_error(error: Exception) -> StriateError | None:
    """The error if the command, the data or the machine caused it; None if it is a bug."""
    if isinstance(error, StriateError):
        return error
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message(), "Type: striate --help")
    if _tells_of_memory(error):
        _RESERVE.clear()
        error.__traceback__ = None  # and with it all that the work held
        return MachineError(
            "There is not enough memory.", "Close other programs, or give smaller images."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f": {error.filename} could not be written" if error.filename else ""
        return MachineError(
            f"The disk is full{place}.", "Make room and type the same command again."
        )
    return None


def _tells_of_memory(error: Exception) -> bool:
    """Whether an error of any library means too little memory or too few threads."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN):
        return True
    said = isinstance(error, RuntimeError | ImportError | OSError) and str(error)
    return bool(said) and re.search(NO_MEMORY, str(said)) is not None


def report_crash(error: Exception) -> StriateError:
    """The error for a bug; saves its traceback in the run folder or a temporary file."""
    text = "".join(traceback.format_exception(error))
    place = _save_traceback(
        f"striate {__version__}, Python {sys.version}\n\n{text}",
        getattr(error, "striate_run", None),
    )
    reason = (str(error).strip().splitlines() or [""])[0][:200].rstrip(".")
    said = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return StriateError(
        f"striate failed because of a bug of its own: {said}.",
        f"Please report it together with the traceback in {place}",
    )


class Ended(KeyboardInterrupt):
    """A signal, by its number, that ends the command as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def heed_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end the command; a signal ignored by nohup stays ignored."""
    signal.signal(signal.SIGINT, interrupt_once)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt_once)


def exit_code_of(error: KeyboardInterrupt) -> int:
    """The exit code of a command that a signal ended, as in shells: 128 + its number."""
    return 128 + (error.number if isinstance(error, Ended) else int(signal.SIGINT))


def signal_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The signal that was being handled when an error was raised, if any."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, KeyboardInterrupt):
        inner = inner.__cause__ or inner.__context__
    return inner


def interrupt_error(error: BaseException, words: Sequence[str]) -> StriateError:
    """The message after a signal: where the work is saved, and how to continue."""
    folder = getattr(error, "striate_run", None)
    ended = f"Ended by {error}" if isinstance(error, Ended) else "Interrupted"
    saved = f"{ended}; the work so far is saved in {folder}." if folder else f"{ended}."
    going_on = [word for word in words if word != "--restart"]  # it would begin anew
    again = f"To continue, type the same command again: {shlex.join(['striate', *going_on])}"
    if not folder:
        again = "Nothing was lost. Type the same command again." if "fit" in words[:1] else ""
    return StriateError(saved, again)


def errors_in_colour() -> bool:
    """Whether errors are shown in colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def escape_control_characters(text: str) -> str:
    """The text with control characters escaped, so that no file name moves the cursor."""
    return _MOVING.sub(lambda found: ascii(found[0])[1:-1], text)


def interrupt_once(number: int, frame: object) -> None:
    """End the command on the first signal; ignore others that follow within seconds."""
    now = time.monotonic()
    if now - _interrupted[0] > PATIENCE_SECONDS:
        _interrupted[0] = now
        _watch_the_end(number)
        raise KeyboardInterrupt if number == signal.SIGINT else Ended(number)


def _watch_the_end(number: int) -> None:
    """Raise the signal again every half second if its exception was lost.

    It may be raised where it cannot propagate, as in a destructor or in a callback of a library:
    Python prints it and continues. An exception that is being handled is not raised again.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        return

    def raise_again(alarm: int, frame: object) -> None:
        if signal_behind(sys.exc_info()[1] or Exception()) is None:
            raise KeyboardInterrupt if number == signal.SIGINT else Ended(number)

    signal.signal(signal.SIGALRM, raise_again)
    signal.setitimer(signal.ITIMER_REAL, LOST_SECONDS, LOST_SECONDS)


def end_is_reached() -> None:
    """Stop raising the signal again."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def silence_output() -> None:
    """Send what is still to be flushed to nowhere: the reader has closed the pipe."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_closed_streams() -> None:
    """Replace closed standard streams by ones that lead nowhere.

    Otherwise the next file to be opened would get their descriptor, and be written into.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            # It stays open as the stream of the process, so no `with`.
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _save_traceback(text: str, run_folder: str | None) -> Path:
    content = text.encode("utf-8", "backslashreplace")
    if run_folder is not None:
        from striate.store.files import write_atomically

        with suppress(OSError):
            place = Path(run_folder) / "crash.txt"
            write_atomically(place, content)
            return place
    number, name = tempfile.mkstemp(".txt", "striate-crash-")
    with os.fdopen(number, "wb") as file, suppress(OSError):
        file.write(content)
    return Path(name)


_interrupted = [-PATIENCE_SECONDS]
_MOVING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Given up where memory runs out, so that there is some to tell of it.
_RESERVE = [bytes(4 << 20)]


def left_out_lines(examples: "Sequence[Example]") -> Iterator[str]:
    """A line for each image that could not be read, up to a limit, and how many more there are."""
    for example in examples[:MOST_NAMED]:
        yield (
            f"not read: {escape_control_characters(example.path)}: "
            f"{escape_control_characters(example.reason)}"
        )
    if len(examples) > MOST_NAMED:
        yield f"not read: {len(examples) - MOST_NAMED:,} more"


def error_lines(error: StriateError, mark: str) -> Iterator[str]:
    """The lines of an error: one sentence per fault, then what to type."""
    sentences = error.sentence.split("\n") if isinstance(error, UsageError) else [error.sentence]
    for sentence in sentences:
        yield click.style(mark, fg="red", bold=True) + escape_control_characters(sentence)
    if error.hint:
        yield f"  {escape_control_characters(error.hint)}"
