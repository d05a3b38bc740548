"""Torch as a computation wants it for a while: its threads, and kernels that repeat themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_context(threads: int) -> Iterator[None]:
    """Sets torch's threads and deterministic algorithms, and puts both back.

    `use_deterministic_algorithms` sets the same, and loads torch's compiler to tell it: a second
    and a half, 200 MB, for what striate never compiles.
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
    """Puts torch's global generators back afterwards; dropout knows no others."""
    of = torch.device(device)
    with torch.random.fork_rng(devices=[of] if of.type == "cuda" else []):
        yield
