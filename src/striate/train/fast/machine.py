"""The fastest settings of this machine, measured once and cached."""

import contextlib
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import torch

from striate.data.cache_folder import CacheFolder
from striate.errors import MachineError, UsageError
from striate.store.checksums import unwrap_content, wrap_content
from striate.store.files import write_atomically
from striate.train.fast.machine_speed import Processor, find_fastest_machine, read_processor
from striate.train.torch_context import torch_context
from striate.values import Machine


def measure_machine(device: str = "auto") -> Machine:
    """The fastest settings for a device: a second or two once, then from the cache.

    `auto` is a GPU if there is one, else the CPU. The cache is keyed by processor, cores and
    versions. Raises `UsageError` for a device that does not exist.
    """
    return _load_or_measure(_resolve_device(device), read_processor(), str(_cache_folder() or ""))


@contextmanager
def apply_machine(machine: Machine) -> Iterator[None]:
    """Set torch's threads and deterministic kernels in a context, then restore them."""
    with torch_context(machine.threads):
        yield


@functools.cache
def _load_or_measure(device: str, processor: Processor, folder: str) -> Machine:
    path = Path(folder) / f"machine-{_cache_key(device, processor)}.json" if folder else None
    if path is not None:
        with contextlib.suppress(OSError, ValueError):  # damaged: it is measured anew
            return msgspec.json.decode(unwrap_content(path.read_bytes()), type=Machine)
    machine = find_fastest_machine(device, processor)
    if path is not None:
        with contextlib.suppress(OSError):  # Not remembered is only slower.
            write_atomically(
                path, wrap_content(msgspec.json.format(msgspec.json.encode(machine), indent=2))
            )
    return machine


def _resolve_device(asked: str) -> str:
    there = {"cpu"}
    if torch.cuda.is_available():
        there |= {"cuda", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))}
    if torch.backends.mps.is_available():
        there.add("mps")
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if name in there)
    if asked not in there:
        raise UsageError(
            f"There is no device {asked} on this machine.",
            f"Type --device {' or --device '.join(sorted(there))}, or leave it out.",
        )
    return asked


def _cache_folder() -> Path | None:
    try:
        return CacheFolder.open().path.parent
    except MachineError:
        return None


def _cache_key(device: str, processor: Processor) -> str:
    versions = [importlib.metadata.version(name) for name in ("torch", "striate")]
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    facts = msgspec.json.encode([device, name, processor, versions, METHOD])
    return hashlib.blake2b(facts, digest_size=8).hexdigest()


# Raised when what is measured, or how it is judged, changes.
METHOD = 2
