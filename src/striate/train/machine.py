"""What this machine does best, measured in about two seconds and remembered."""

import functools
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs
import torch

from striate.errors import UsageError
from striate.nets import RANDOM
from striate.train.head import Network, assemble
from striate.train.inference import fast
from striate.values import Machine, ModelSpec, NetSettings, Sentence, Tap, say


@functools.cache
def measure_machine(device: str = "auto") -> Machine:
    """The machine on the device asked for: remembered from an earlier process, or measured.

    What is remembered belongs to this processor, these threads and this version of torch.
    Raises `UsageError` where the device is not there.
    """
    chosen = _device(device)
    path = _memory(chosen)
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=Machine)
    machine = _measure(chosen)
    with suppress(OSError):  # A machine that cannot remember measures again.
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(machine))
        temporary.replace(path)
    return machine


@contextmanager
def apply(machine: Machine) -> Iterator[None]:
    """Sets torch's threads and deterministic kernels for a while, and puts them back."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way to compute features."""

    precision: Literal["float32", "bfloat16"]
    fused: bool


def _measure(device: str) -> Machine:
    """Every way that this machine may be good at, tried on the network that comes along.

    The fastest of those whose features stay within `MOST_ERROR` of float32 is taken.
    """
    network = _network()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    plain = _machine(device, threads or 1, _Way(precision="float32", fused=False))
    with apply(plain), torch.inference_mode():
        images = _images(device)
        exact = fast(network, machine=plain).pooled(images)
        speeds, errors = {}, {}
        for way in _ways(device):
            quick = fast(network, machine=_machine(device, plain.threads, way))
            if way.fused and not quick.fused:
                continue
            found = quick.pooled(images)
            errors[way] = float(torch.linalg.norm(found - exact) / torch.linalg.norm(exact))
            if errors[way] <= MOST_ERROR:
                speeds[way] = _speed(quick, images)
    best = max(speeds, key=lambda way: speeds[way])
    machine = _machine(device, plain.threads, best)
    return _told(machine, speeds, errors, best)


def _told(
    machine: Machine, speeds: dict[_Way, float], errors: dict[_Way, float], best: _Way
) -> Machine:
    why = tuple(_reason(way, speeds.get(way), errors[way]) for way in errors)
    return replace(
        machine,
        precision_error=errors[best],
        speeds={"features": speeds[best]},
        why=why,
    )


def _reason(way: _Way, speed: float | None, error: float) -> Sentence:
    if speed is None:
        return say(
            "machine.too_rough",
            "{precision}: its features are off by {error:.1%}, more than is allowed",
            precision=way.precision,
            error=error,
        )
    code = "machine.fused" if way.fused else "machine.plain"
    kernels = "fused kernels" if way.fused else "plain kernels"
    return say(
        code,
        "{precision} with "
        + kernels
        + ": {speed:,.0f} images a second, features off by {error:.2%}",
        precision=way.precision,
        speed=speed,
        error=error,
    )


def _ways(device: str) -> tuple[_Way, ...]:
    """The ways worth trying: bfloat16 only where there are instructions for it."""
    ways = [_Way(precision="float32", fused=False)]
    if device == "cpu":
        ways.append(_Way(precision="float32", fused=True))
    if _has_bfloat16(device):
        ways.append(_Way(precision="bfloat16", fused=device == "cpu"))
    return tuple(ways)


def _has_bfloat16(device: str) -> bool:
    if device == "cpu":
        with suppress(AttributeError):
            return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        return False
    return device.startswith("cuda") and torch.cuda.is_bf16_supported()


def _speed(quick: torch.nn.Module, images: torch.Tensor) -> float:
    """Images per second: the best of some passes, since others may use the machine too."""
    best = float("inf")
    for _ in range(PASSES):
        started = time.perf_counter()
        quick.pooled(images).cpu()  # type: ignore[operator]
        best = min(best, time.perf_counter() - started)
    return len(images) / best


def _network() -> Network:
    spec = ModelSpec(
        net="efficientnet-lite0",
        settings=NetSettings(),
        classes=("a", "b"),
        channels=3,
        input_size=224,
        cache_size=224,
        resize="squash",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        taps=(Tap(stage="block4", pool="mean"), Tap(stage="top", pool="mean")),
    )
    try:
        return assemble(spec)
    except Exception:  # Its speed can be measured without its weights.
        return assemble(spec, RANDOM)


def _images(device: str) -> torch.Tensor:
    """Smooth pictures, as photographs are, not noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(BATCH, 3, 14, 14, generator=generator) * 2 - 1
    images = torch.nn.functional.interpolate(coarse, size=224, mode="bilinear")
    return images.to(device).contiguous(memory_format=torch.channels_last)


def _machine(device: str, threads: int, way: _Way) -> Machine:
    return Machine(
        device=device,
        processor=_processor(),
        threads=threads,
        memory_bytes=_memory_bytes(),
        precision=way.precision,
        precision_error=0.0,
        layout="channels_last",
        fused=way.fused,
        batch_size=BATCH,
    )


def _device(asked: str) -> str:
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


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 0


def _memory(device: str) -> Path:
    """Where what was measured is kept, under a name that changes with all that it hangs on."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    about = f"{MEASURED}/{device}/{_processor()}/{threads}/{torch.__version__}"
    name = hashlib.blake2b(about.encode(), digest_size=8).hexdigest()
    named = os.environ.get("STRIATE_CACHE")
    base = Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("striate"))
    return base / f"machine-{name}.json"


# bfloat16 keeps 8 bits: its features are off by about 1 to 4 %, which changed no prediction on
# 3 of 5 sets and 2 % of them on the others (docs/LOG.md); 5 % is where we call it broken.
MOST_ERROR = 0.05
PASSES = 3
BATCH = 16
# Raise it when what is measured changes, so that old memories are not believed.
MEASURED = 1
