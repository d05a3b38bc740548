"""Index and groups of copies -> which files show one picture, and which given splits they join."""

from collections import defaultdict
from typing import Literal

from striate.values import Example, Family, Index, Leak, Rows

Kind = Literal["bytes", "pixels", "near"]


def families_of(index: Index, copies: Rows) -> tuple[tuple[int, ...], ...]:
    """Rows in use of each group of `copies` that holds several, in order of their first row."""
    members: dict[int, list[int]] = defaultdict(list)
    for row in index.used().tolist():
        members[int(copies[row])].append(row)
    return tuple(sorted(tuple(rows) for rows in members.values() if len(rows) > 1))


def described(index: Index, family: tuple[int, ...]) -> Family:
    """A family as it is told: its paths and labels, and what its files have in common."""
    examples = [index.examples[row] for row in family]
    return Family(
        kind=_kind(examples),
        paths=tuple(example.path for example in examples),
        labels=tuple(example.label for example in examples),
    )


def judging_split(index: Index) -> str:
    """The given split that judges: test, else val; "" where no splits are given."""
    given = set(index.given_splits)
    if "train" not in given:
        return ""
    return next((name for name in ("test", "val") if name in given), "")


def leaks_between(index: Index, families: tuple[tuple[int, ...], ...]) -> tuple[Leak, ...]:
    """Every image of the judging split with the same picture in another given split."""
    judge = judging_split(index)
    leaks = []
    for family in families if judge else ():
        others = [index.examples[row] for row in family if index.examples[row].split != judge]
        for row in family:
            example = index.examples[row]
            if example.split != judge or not others:
                continue
            copy = _closest(example, others)
            leaks.append(
                Leak(
                    path=example.path,
                    split=judge,
                    copy=copy.path,
                    copy_split=copy.split,
                    kind=_kind([example, copy]),
                )
            )
    return tuple(leaks)


def _kind(examples: list[Example]) -> Kind:
    first = examples[0]
    if first.bytes_hash and all(e.bytes_hash == first.bytes_hash for e in examples):
        return "bytes"
    if first.pixels_hash and all(e.pixels_hash == first.pixels_hash for e in examples):
        return "pixels"
    return "near"


def _closest(example: Example, others: list[Example]) -> Example:
    """Which of `others` is most surely the same picture; of equals the first by path."""
    kinds = ("bytes", "pixels", "near")
    return min(others, key=lambda other: (kinds.index(_kind([example, other])), other.path))
