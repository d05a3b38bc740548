"""Groups of duplicates: equal files, equal pixels, and the same image saved again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from striate.data.split.near_duplicates import find_near_duplicates
from striate.values import Cache, Example, Family, Index, Leak, Rows

Pairs = list[tuple[int, int]]

ALIKE_BY_NATURE = 6
MOST_OF_A_CLASS = 0.5
FEW_AGAINST_LABELS = 4
SHARE_AGAINST_LABELS = 0.01


def find_duplicate_groups(index: Index, cache: Cache) -> Rows:
    """A group number for every row: the lowest row of those that must stay on one side.

    Together are images with equal bytes or equal pixels, what the source itself groups, and
    confirmed near-duplicates. The latter are not believed where they would tie most of a class
    together (drawn shapes, a fixed camera) or many images of different labels (classes that
    differ in a detail): such images are alike by nature. Rows not in use stand alone.
    """
    groups = np.arange(len(index.examples), dtype=np.int64)
    _join_pairs(groups, _equal_pairs(index, "bytes_hash", "pixels_hash"))
    alone = np.array([row for row in index.used() if _find_root(groups, row) == row], np.int64)
    labels = index.labels()
    near = _drop_label_conflicts(list(find_near_duplicates(cache, alone, labels)), alone, labels)
    _join_pairs(groups, _drop_lookalike_classes(near, alone, labels))
    # Last, so that a copy of any image of a named group is found, not only of its first.
    _join_pairs(groups, _equal_pairs(index, "group"))
    return _find_roots(groups)


def find_hash_groups(index: Index) -> Rows:
    """A group number for every row, without a look at pixels beyond their hashes.

    Together are images with equal bytes or pixels and what the source groups.
    """
    groups = np.arange(len(index.examples), dtype=np.int64)
    _join_pairs(groups, _equal_pairs(index, "bytes_hash", "pixels_hash", "group"))
    return _find_roots(groups)


def _equal_pairs(index: Index, *kinds: str) -> Iterator[tuple[int, int]]:
    """Pairs of rows in use that share what one of the columns `kinds` says, if anything."""
    first: dict[tuple[str, str], int] = {}
    for row in index.used():
        example = index.examples[row]
        for kind in kinds:
            value = getattr(example, kind)
            if value:
                yield first.setdefault((kind, value), int(row)), int(row)


def _drop_label_conflicts(near: Pairs, rows: Rows, labels: Rows) -> Pairs:
    """The pairs, without those of different labels unless these are as rare as mistakes are."""
    against = {row for one, other in near if labels[one] != labels[other] for row in (one, other)}
    if len(against) <= max(FEW_AGAINST_LABELS, SHARE_AGAINST_LABELS * len(rows)):
        return near
    return [(one, other) for one, other in near if labels[one] == labels[other]]


def _drop_lookalike_classes(near: Pairs, rows: Rows, labels: Rows) -> Pairs:
    """The pairs, without those of families that hold most of a class."""
    families = np.arange(len(labels), dtype=np.int64)
    _join_pairs(families, near)
    members: dict[int, list[int]] = defaultdict(list)
    for row in {row for pair in near for row in pair}:
        members[_find_root(families, row)].append(row)
    sizes = Counter(labels[rows].tolist())
    natural = {
        family
        for family, inside in members.items()
        if len(inside) >= ALIKE_BY_NATURE
        and any(
            n > MOST_OF_A_CLASS * sizes[label]
            for label, n in Counter(labels[inside].tolist()).items()
        )
    }
    return [pair for pair in near if _find_root(families, pair[0]) not in natural]


def _find_root(groups: Rows, row: int) -> int:
    while groups[row] != row:
        groups[row] = groups[groups[row]]
        row = int(groups[row])
    return row


def _find_roots(groups: Rows) -> Rows:
    return np.array([_find_root(groups, row) for row in range(len(groups))], np.int64)


def _join_pairs(groups: Rows, pairs: Iterable[tuple[int, int]]) -> None:
    for pair in pairs:
        one, other = _find_root(groups, pair[0]), _find_root(groups, pair[1])
        groups[max(one, other)] = min(one, other)


CopyKind = Literal["bytes", "pixels", "near"]


def duplicate_families(index: Index, copies: Rows) -> tuple[tuple[int, ...], ...]:
    """Rows in use of each group of `copies` that holds several, in order of their first row."""
    members: dict[int, list[int]] = defaultdict(list)
    for row in index.used().tolist():
        members[int(copies[row])].append(row)
    return tuple(sorted(tuple(rows) for rows in members.values() if len(rows) > 1))


def describe_family(index: Index, family: tuple[int, ...]) -> Family:
    """A family of duplicates: its paths and labels, and what its files have in common."""
    examples = [index.examples[row] for row in family]
    return Family(
        kind=_family_kind(examples),
        paths=tuple(example.path for example in examples),
        labels=tuple(example.label for example in examples),
    )


def judging_split(index: Index) -> str:
    """The given split that is used for evaluation: test, else val; "" without given splits."""
    given = set(index.given_splits)
    if "train" not in given:
        return ""
    return next((name for name in ("test", "val") if name in given), "")


def find_split_leaks(index: Index, families: tuple[tuple[int, ...], ...]) -> tuple[Leak, ...]:
    """Every image of the evaluated split with a duplicate in another given split."""
    judge = judging_split(index)
    leaks = []
    for family in families if judge else ():
        others = [index.examples[row] for row in family if index.examples[row].split != judge]
        for row in family:
            example = index.examples[row]
            if example.split != judge or not others:
                continue
            copy = _closest_copy(example, others)
            leaks.append(
                Leak(
                    path=example.path,
                    split=judge,
                    copy=copy.path,
                    copy_split=copy.split,
                    kind=_family_kind([example, copy]),
                )
            )
    return tuple(leaks)


def _family_kind(examples: list[Example]) -> CopyKind:
    first = examples[0]
    if first.bytes_hash and all(e.bytes_hash == first.bytes_hash for e in examples):
        return "bytes"
    if first.pixels_hash and all(e.pixels_hash == first.pixels_hash for e in examples):
        return "pixels"
    return "near"


def _closest_copy(example: Example, others: list[Example]) -> Example:
    """Which of `others` is most surely the same picture; of equals the first by path."""
    kinds = ("bytes", "pixels", "near")
    return min(others, key=lambda other: (kinds.index(_family_kind([example, other])), other.path))
