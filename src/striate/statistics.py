"""Formulas only: seeds, intervals, paired tests, calibration."""

import hashlib

import numpy as np


def seed_for(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, the same on every machine and in every process."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def rng(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for one purpose, so that no draw depends on another's order."""
    return np.random.default_rng(seed_for(seed, purpose))
