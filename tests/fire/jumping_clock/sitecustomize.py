"""A system clock that is set back and forth: put on the path, it is loaded before anything."""

import os
import time

_DAY = 86_400.0
_true, _true_ns = time.time, time.time_ns
_monotonic = time.monotonic


def _jump() -> float:
    """Seconds that the clock is wrong by, another every half second; or always the same."""
    kind = os.environ["JUMPING_CLOCK"]
    if kind == "jumps":
        return (-400 * _DAY, 0.0, 2 * _DAY, -1.0, 4000 * _DAY)[int(_monotonic() * 2) % 5]
    return float(kind) - _true()


if "JUMPING_CLOCK" in os.environ:
    time.time = lambda: _true() + _jump()
    time.time_ns = lambda: _true_ns() + int(_jump() * 1e9)
