"""The time budget of a command."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """A budget of minutes from `started`, a reading of `time.monotonic()`."""

    minutes: float
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def remaining(self) -> float:
        """Seconds until the budget ends; negative afterwards."""
        return 60 * self.minutes - self.elapsed()
