"""The time budget of a command, and how much of the machine other programs leave to it."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

QUIET = 0.1  # share of all cores: less is what any system does beside a program
_SURE = 1.0  # seconds: from less nothing is concluded
_LEAST_SHARE = 0.2  # of a core


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Seconds of all cores so far: `busy` with any program, `own` with this; `at` is when."""

    at: float
    busy: float
    own: float


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """A budget of minutes from `started`, a reading of `time.monotonic()`."""

    minutes: float
    started: float = field(default_factory=time.monotonic)
    cpu: CpuSeconds | None = field(default_factory=lambda: read_cpu_seconds())

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def remaining(self) -> float:
        """Seconds until the budget ends; negative afterwards."""
        return 60 * self.minutes - self.elapsed()

    def free_share(self, threads: int) -> float:
        """The share of its usual speed that so many threads of this process may expect, up to 1.

        From what other programs did since this budget was made; 1 where that is not known.
        """
        now = read_cpu_seconds()
        if now is None or self.cpu is None:
            return 1.0
        return free_share(self.cpu, now, os.cpu_count() or 1, threads)


def read_cpu_seconds() -> CpuSeconds | None:
    """The seconds of all cores and of this process until now; None but on Linux."""
    try:
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:9]
        ticks = [int(value) for value in fields]
        each = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    if len(ticks) < 8:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = ticks
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return CpuSeconds(at=time.monotonic(), busy=busy / each, own=time.process_time())


def free_share(before: CpuSeconds, now: CpuSeconds, cores: int, threads: int) -> float:
    """The share of `threads` busy cores that this process gets beside what others did meanwhile.

    A scheduler gives every thread that wants to run the same. Others' threads are counted by the
    cores they had, and by how much less than one core this process got while it wanted one.
    """
    seconds = now.at - before.at
    if seconds < _SURE:
        return 1.0
    own = (now.own - before.own) / seconds
    others = (now.busy - before.busy) / seconds - own
    if others <= QUIET * cores:
        return 1.0
    rivals = others
    if own + others > (1 - QUIET) * cores:  # no core was idle: each had less than it wanted
        rivals = others / min(1.0, max(_LEAST_SHARE, own))
    return min(1.0, cores / (rivals + threads))
