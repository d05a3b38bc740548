"""Context managers for torch's threads, deterministic kernels and random state."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_context(threads: int) -> Iterator[None]:
    """Set torch's threads and deterministic algorithms, and restore both.

    Set directly, since `use_deterministic_algorithms` also loads torch's compiler: a second and a
    half and 200 MB for what striate never uses.
    """
    if torch.cuda.is_available():  # what cuBLAS wants to be deterministic, before its first call
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_num_threads()
    mode = torch.get_deterministic_debug_mode()
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_deterministic_debug_mode(mode)


@contextmanager
def isolated_rng(device: str) -> Iterator[None]:
    """Restore torch's global random state afterwards; dropout uses no other generator."""
    of = torch.device(device)
    with torch.random.fork_rng(devices=[of] if of.type == "cuda" else []):
        yield
