"""Index and Cache -> groups: equal files, equal pixels, and the same photo saved anew."""

import numpy as np

from striate.data.near_duplicates import near_duplicates
from striate.values import Cache, Index, Rows


def find_duplicates(index: Index, cache: Cache) -> Rows:
    """A group number for every row: the lowest row of those that must stay on one side.

    Together are images with equal bytes or equal pixels, confirmed near-duplicates, and what
    the source itself groups. Rows that are not in use stand alone.
    """
    groups = np.arange(len(index.examples), dtype=np.int64)
    for one, other in _equal(index):
        _join(groups, one, other)
    alone = np.array([row for row in index.used() if _root(groups, row) == row], np.int64)
    for one, other in near_duplicates(cache, alone, index.labels()):
        _join(groups, one, other)
    return np.array([_root(groups, row) for row in range(len(groups))], np.int64)


def _equal(index: Index) -> list[tuple[int, int]]:
    """Pairs of rows in use that share bytes, pixels or a group that the source names."""
    first: dict[tuple[str, str], int] = {}
    pairs = []
    for row in index.used():
        example = index.examples[row]
        for kind in ("bytes_hash", "pixels_hash", "group"):
            value = getattr(example, kind)
            if value:
                pairs.append((first.setdefault((kind, value), int(row)), int(row)))
    return pairs


def _root(groups: Rows, row: int) -> int:
    while groups[row] != row:
        groups[row] = groups[groups[row]]
        row = int(groups[row])
    return row


def _join(groups: Rows, one: int, other: int) -> None:
    one, other = _root(groups, one), _root(groups, other)
    groups[max(one, other)] = min(one, other)
