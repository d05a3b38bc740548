"""The processor: its name, what it can do, and how much of it this process may use."""

import contextlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """`threads` are the cores that this process may use; `abilities` name instruction sets."""

    name: str
    threads: int
    memory_bytes: int
    abilities: tuple[str, ...]


def look_up() -> Processor:
    """The processor as it is."""
    return Processor(
        name=_name(),
        threads=_threads(),
        memory_bytes=_memory_bytes(),
        abilities=_abilities(),
    )


def _name() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> int:
    """Cores, not hyperthreads, that affinity, container and `OMP_NUM_THREADS` leave us."""
    limits = [_cores(), os.cpu_count() or 1]
    with contextlib.suppress(ValueError, IndexError):
        limits.append(int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0]))
    with contextlib.suppress(ValueError, IndexError, ZeroDivisionError):
        quota, period = _lines("/sys/fs/cgroup/cpu.max")[0].split()
        limits.append(round(int(quota) / int(period)))
    return max(1, min(limits))


def _cores() -> int:
    """Distinct cores among the processors that this process may run on."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1
    siblings = {
        tuple(_lines(f"/sys/devices/system/cpu/cpu{k}/topology/thread_siblings_list")) or (str(k),)
        for k in allowed
    }
    return len(siblings)


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0


def _abilities() -> tuple[str, ...]:
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    told = set(flags.partition(":")[2].split())
    wide = sorted(flag for flag in told if flag.startswith(("amx", "avx")))
    return (torch.backends.cpu.get_cpu_capability(), *wide)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
