"""One seed for every purpose: random draws that are the same on every machine, in any order.

A run has one seed. Each purpose derives its own from it, so that a new draw somewhere moves no
other.
"""

import hashlib

import numpy as np

from striate.values.saying import Rows


def seed_for(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, the same on every machine and in every process."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def make_rng(seed: int, purpose: str) -> np.random.Generator:
    """A random generator for one purpose, independent of the order of other draws."""
    return np.random.default_rng(seed_for(seed, purpose))


def sample_rows(rows: Rows, most: int, seed: int, purpose: str) -> Rows:
    """A random sample of at most so many rows for one purpose, ascending; all if they fit."""
    if len(rows) <= most:
        return rows
    drawn: Rows = np.sort(make_rng(seed, purpose).choice(rows, max(0, most), replace=False))
    return drawn
