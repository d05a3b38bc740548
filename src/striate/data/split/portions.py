"""Assign whole groups of images to splits, so that each split gets its share of each class."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from striate.values import Index, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitGroup:
    """A group of images that stay together: its rows and their labels.

    Of the task `labels` a row's label is its set of labels, and `sets` are the numbers of these.
    `key` is a number drawn from the seed and the contents, the same wherever the images lie;
    `contradictory` tells that the same picture stands under several labels. `pictures` names what
    each row shows: equal ones are copies, of which one counts. Without it each row has its own.
    """

    rows: tuple[int, ...]
    labels: tuple[int, ...]
    key: str
    contradictory: bool
    sets: tuple[tuple[int, ...], ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def firsts(self) -> list[int]:
        """Places of the rows that count: of several copies under one label the first."""
        if not self.pictures:
            return list(range(len(self.rows)))
        first: dict[tuple[str, int], int] = {}
        for place, pair in enumerate(zip(self.pictures, self.labels, strict=True)):
            first.setdefault(pair, place)
        return list(first.values())

    @property
    def counts(self) -> Counter[int]:
        """How many different pictures of each class it holds."""
        return Counter(self.labels[place] for place in self.firsts)

    def within(self, inside: NDArray[np.bool_]) -> "SplitGroup":
        """The part of the group whose rows are `inside`; it may be empty."""
        places = [place for place, row in enumerate(self.rows) if inside[row]]
        return replace(
            self,
            rows=tuple(self.rows[place] for place in places),
            labels=tuple(self.labels[place] for place in places),
            sets=tuple(self.sets[place] for place in places if self.sets),
            pictures=tuple(self.pictures[place] for place in places if self.pictures),
        )


def split_groups(index: Index, groups: Rows, seed: int) -> list[SplitGroup]:
    """The groups of all rows in use, in order of their keys."""
    labels = index.labels()
    marks = index.targets() > 0 if index.task == "labels" else None
    members: dict[int, list[int]] = defaultdict(list)
    for row in index.used():
        members[int(groups[row])].append(int(row))
    units = []
    for rows in members.values():
        examples = [index.examples[row] for row in rows]
        names = {example.label for example in examples}
        identity = min((example.bytes_hash, example.path) for example in examples)
        units.append(
            SplitGroup(
                rows=tuple(rows),
                labels=tuple(int(labels[row]) for row in rows),
                key=_draw_key(seed, *identity),
                contradictory=len(names) > 1 and _is_contradiction(index, rows),
                sets=() if marks is None else tuple(_marked_classes(marks[row]) for row in rows),
                pictures=tuple(example.picture for example in examples),
            )
        )
    return sorted(units, key=lambda unit: unit.key)


def assign_portions(
    units: Sequence[SplitGroup],
    shares: Mapping[str, tuple[float, int]],
    placed: Mapping[str, Sequence[SplitGroup]] = MappingProxyType({}),
) -> dict[str, list[int]]:
    """Rows of each part: `shares` of every class, at most so many, and `train` for the rest.

    Shares are of different pictures, so that one saved often does not count often. Single images
    meet their class's share exactly; groups of several go where their share is least met and at
    least half of them is wanted. Contradictory ones go to train, and no class is left without
    training images. What is `placed` already stays and counts.
    """
    every = [*units, *(unit for side in placed.values() for unit in side)]
    wanted = {name: _class_quotas(every, share, most) for name, (share, most) in shares.items()}
    given = {name: sum((u.counts for u in placed.get(name, ())), Counter[int]()) for name in shares}
    parts: dict[str, list[int]] = {
        name: [row for unit in placed.get(name, ()) for row in unit.rows]
        for name in ("train", *shares)
    }
    singles: dict[int, list[int]] = defaultdict(list)
    for unit in units:
        if len(unit.rows) == 1:
            singles[unit.labels[0]].append(unit.rows[0])
        elif unit.rows:
            name = "train" if unit.contradictory else _neediest_part(unit, wanted, given)
            parts[name] += unit.rows
            if name != "train":
                given[name].update(unit.counts)
    trained = Counter(_labels_of(every, parts["train"]))
    for label, rows in sorted(singles.items()):
        start = 0
        room = len(rows) - (0 if trained[label] else 1)
        for name in shares:
            take = min(max(0, wanted[name][label] - given[name][label]), room - start)
            parts[name] += rows[start : start + take]
            start += take
        parts["train"] += rows[start:]
    return _keep_classes_in_train(every, parts)


def assign_folds(units: Sequence[SplitGroup], folds: int) -> list[list[int]]:
    """Rows of each fold: every class spread evenly, large groups first."""
    parts: list[list[int]] = [[] for _ in range(folds)]
    held = [Counter[int]() for _ in range(folds)]
    for unit in sorted(units, key=lambda unit: (-unit.counts.total(), unit.key)):
        counts = unit.counts

        def burden(fold: int, counts: Counter[int] = counts) -> tuple[int, int, int]:
            same = sum(n * held[fold][label] for label, n in counts.items())
            return same, held[fold].total(), fold

        best = min(range(folds), key=burden)
        parts[best] += unit.rows
        held[best].update(counts)
    return parts


def _draw_key(seed: int, *identity: str) -> str:
    text = "\0".join((str(seed), "split", *identity))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _marked_classes(marks_K: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(k) for k in np.flatnonzero(marks_K))


def _is_contradiction(index: Index, rows: list[int]) -> bool:
    """Whether several labels in a group mean a contradiction.

    They do unless the user named the groups: a patient may well have several classes; or unless
    it is numbers that differ, as those of two frames of a film may. Then only equal files or
    equal pixels under different labels contradict.
    """
    examples = [index.examples[row] for row in rows]
    if not any(example.group for example in examples) and index.task != "number":
        return True
    labels: dict[str, str] = {}
    for example in examples:
        for same in filter(None, (example.bytes_hash, example.pixels_hash)):
            if labels.setdefault(same, example.label) != example.label:
                return True
    return False


def _class_quotas(units: Sequence[SplitGroup], share: float, most: int) -> Counter[int]:
    """Pictures of each class that make up a share of all, at most `most`: largest remainders."""
    counts = sum((unit.counts for unit in units), Counter[int]())
    total = sum(counts.values())
    wish = min(int(total * share + 0.5), most)
    exact = {label: n * wish / max(1, total) for label, n in counts.items()}
    quotas = Counter({label: int(wanted) for label, wanted in exact.items()})
    by_rest = sorted(exact, key=lambda label: (int(exact[label]) - exact[label], label))
    for label in by_rest[: wish - sum(quotas.values())]:
        quotas[label] += 1
    return quotas


def _neediest_part(
    unit: SplitGroup, wanted: Mapping[str, Counter[int]], given: Mapping[str, Counter[int]]
) -> str:
    """The part whose share of the unit's classes is least met, if it wants half of the unit."""
    best, least = "train", 0.0
    counts = unit.counts
    for name in wanted:
        fits = short = 0.0
        for label, n in counts.items():
            missing = wanted[name][label] - given[name][label]
            fits += min(n, max(0, missing))
            short += n * missing / max(1, wanted[name][label])
        if 2 * fits >= counts.total() and short > least:
            best, least = name, short
    return best


def _keep_classes_in_train(
    units: Sequence[SplitGroup], parts: dict[str, list[int]]
) -> dict[str, list[int]]:
    """Moves the groups of a class that no training image is left of back to train."""
    trained = set(_labels_of(units, parts["train"]))
    back = {
        row for unit in units if unit.rows and not trained >= set(unit.labels) for row in unit.rows
    }
    moved = {name: [row for row in rows if row not in back] for name, rows in parts.items()}
    moved["train"] += sorted(back)
    return moved


def _labels_of(units: Sequence[SplitGroup], rows: Sequence[int]) -> list[int]:
    chosen = set(rows)
    pairs = (pair for unit in units for pair in zip(unit.rows, unit.labels, strict=True))
    return [label for row, label in pairs if row in chosen]
