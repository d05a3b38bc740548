"""What this machine does best, measured once and remembered."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from striate.values import Machine, say


def measure_machine(device: str = "auto") -> Machine:
    """The machine as it is, on the device asked for."""
    threads = torch.get_num_threads()
    return Machine(
        device="cpu",
        processor=platform.processor(),
        threads=threads,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        precision="float32",
        precision_error=0.0,
        layout="channels_last",
        fused=False,
        batch_size=16,
        speeds={},
        why=(say("machine.plain", "Float32 on {threads} threads.", threads=threads),),
    )


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
