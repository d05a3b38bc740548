"""How many processor cores this process may use."""

import os


def cores() -> int:
    """Cores that are granted to this process, which in a container may be fewer than there are."""
    granted = getattr(os, "sched_getaffinity", None)
    return len(granted(0)) if granted else os.cpu_count() or 1
