"""A program that has loaded striate and starts commands as children of itself, in milliseconds.

A child is a process of its own that runs `striate WORDS` to its exit code: it can be killed,
limited and measured like any other, without the seconds that loading the libraries takes. The
program reads an order a line in JSON, and answers with a line:

- `{"words": […], "place": folder, "environment": {…}, "said": file, "answered": file, "strike": …}`
  gives the number of the process; a strike is null, or a signal that the child sends itself as a
  file of some name is about to be replaced for the k-th time;
- `{"wait": number, "seconds": …}`: `{"code": …, "peak": …}` once it has ended, or null; `code` is
  negative for a signal, and `peak` its memory in MiB.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
LOADED = ("matplotlib.pyplot", "sklearn.linear_model", "torch", "striate.cli", "striate.pipeline")
POLL_SECONDS = 0.002
HEEDED = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code or minus its signal, and its peak memory in MiB."""

    code: int
    peak: float


@dataclass(frozen=True, slots=True)
class Strike:
    """A signal as `file` is about to be replaced for the `turn`-th time: no clock decides."""

    number: int
    file: str
    turn: int


@dataclass(frozen=True, slots=True)
class Child:
    """A command at work; `said` and `answered` hold what it writes to stderr and stdout."""

    nursery: "Nursery"
    number: int
    said: Path
    answered: Path

    def wait(self, seconds: float) -> Ended | None:
        """How it ended; None where it has not after so many seconds."""
        told = self.nursery.order(wait=self.number, seconds=seconds)
        return None if told is None else Ended(**told)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; a child that has ended is not reaped before `wait` has told of it."""
        os.kill(self.number, number)


class Nursery:
    """The program that the children come from; it ends with the `with` that holds it."""

    def __init__(self) -> None:
        self.program = subprocess.Popen(
            [sys.executable, "-m", "tests.fire.nursery"],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(("src", "."))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.count = 0

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, error, _)

    def start(
        self,
        words: Sequence[str],
        place: Path,
        environment: Mapping[str, str] | None = None,
        strike: "Strike | None" = None,
    ) -> Child:
        """Starts `striate WORDS` in the folder `place`, with its own end in it where asked for."""
        self.count += 1
        logs = place / "said"
        logs.mkdir(exist_ok=True)
        said, answered = logs / f"{self.count}.err", logs / f"{self.count}.out"
        number = self.order(
            words=[str(word) for word in words],
            place=str(place),
            environment=dict(environment or {}),
            said=str(said),
            answered=str(answered),
            strike=asdict(strike) if strike else None,
        )
        return Child(self, number, said, answered)

    def order(self, **what: Any) -> Any:
        """Tells the program what to do, and gives what it answers."""
        assert self.program.stdin
        assert self.program.stdout
        self.program.stdin.write(json.dumps(what) + "\n")
        self.program.stdin.flush()
        return json.loads(self.program.stdout.readline())


def _serve() -> None:
    _load()
    for line in sys.stdin:
        order = json.loads(line)
        told = _wait(order["wait"], order["seconds"]) if "wait" in order else _start(order)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _load() -> None:
    """All that a fit imports, so that no child has to."""
    for name in LOADED:
        importlib.import_module(name)


def _start(order: dict[str, Any]) -> int:
    # Held back until the child heeds them, as the short time before says nothing of striate.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    number = os.fork()
    if not number:
        try:
            _become(order)
        finally:
            os._exit(70)  # not reached: a command ends its process
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
    return number


def _become(order: dict[str, Any]) -> None:
    from striate import cli
    from striate.train import loop

    loop.SAVE_SECONDS = 0  # a checkpoint an epoch, however fast the machine is
    os.chdir(order["place"])
    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, order["answered"]), (2, order["said"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    cli.STARTED = time.monotonic()
    sys.argv = ["striate", *order["words"]]
    if order["strike"]:
        _strike(Strike(**order["strike"]))
    cli.heed_signals()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))


def _strike(strike: Strike) -> None:
    met = 0

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal met
        if event == "os.rename" and os.fsdecode(arguments[1]).endswith(strike.file):
            met += 1
            if met == strike.turn:
                os.kill(os.getpid(), strike.number)

    sys.addaudithook(see)


def _wait(number: int, seconds: float) -> dict[str, Any] | None:
    until = time.monotonic() + seconds
    while True:
        found, status, used = os.wait4(number, os.WNOHANG)
        if found:
            return {"code": os.waitstatus_to_exitcode(status), "peak": used.ru_maxrss / 1024}
        if time.monotonic() >= until:
            return None
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    _serve()
