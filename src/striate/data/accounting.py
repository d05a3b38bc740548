"""Index and Split -> the Index that `index.csv` holds: where every file went, and why."""

from collections import Counter
from dataclasses import replace

from striate.values import Example, Index, Split


def accounted(index: Index, split: Split) -> Index:
    """The index with the split of every used example, and its group.

    A group has the name that the source gave it (of several joined by copies: the first by code
    point); one that only copies made has a number. A test image that does not count names the
    picture in training that it is a copy of.
    """
    side = {
        int(row): name
        for name, rows in (("train", split.train), ("val", split.val), ("test", split.test))
        for row in rows
    }
    used = [row for row, example in enumerate(index.examples) if example.status == "used"]
    sizes = Counter(int(split.groups[row]) for row in used)
    judging = {*split.test.tolist(), *split.given_test.tolist()}
    twin = {int(split.groups[row]): row for row in reversed(used) if row not in judging}
    names: dict[int, str] = {}
    for row in used:
        if given := index.examples[row].group:
            number = int(split.groups[row])
            names[number] = min(names.get(number, given), given)
    leaked = {int(row) for row in split.leaked}
    set_apart = {int(row) for row in split.given_leaked}

    def told(row: int, example: Example) -> Example:
        if example.status != "used":
            return example
        group = int(split.groups[row])
        reason = example.reason
        if row in leaked or row in set_apart:
            other = index.examples[twin[group]].path if group in twin else "an image in training"
            of_given = "given as a test image, but" if row in set_apart else "not counted:"
            copy = f"{of_given} the same picture as {other}"
            reason = f"{copy}; {reason}" if reason else copy
        return replace(
            example,
            split=side.get(row, ""),
            group=names.get(group, str(group) if sizes[group] > 1 else ""),
            reason=reason,
        )

    return replace(
        index, examples=tuple(told(row, example) for row, example in enumerate(index.examples))
    )
