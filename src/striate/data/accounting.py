"""Index and Split -> the Index that `index.csv` holds: where every file went, and why."""

from collections import Counter
from dataclasses import replace

from striate.values import Example, Index, Split


def accounted(index: Index, split: Split) -> Index:
    """The index with the split of every used example, and its group where that holds several.

    A test image that does not count names the picture in training that it is a copy of.
    """
    side = {
        int(row): name
        for name, rows in (("train", split.train), ("val", split.val), ("test", split.test))
        for row in rows
    }
    used = [row for row, example in enumerate(index.examples) if example.status == "used"]
    sizes = Counter(int(split.groups[row]) for row in used)
    twin = {int(split.groups[row]): row for row in reversed(used) if side.get(row) != "test"}
    leaked = {int(row) for row in split.leaked}

    def told(row: int, example: Example) -> Example:
        if example.status != "used":
            return example
        group = int(split.groups[row])
        reason = example.reason
        if row in leaked:
            other = index.examples[twin[group]].path if group in twin else "an image in training"
            copy = f"not counted: the same picture as {other}"
            reason = f"{copy}; {reason}" if reason else copy
        return replace(
            example,
            split=side.get(row, ""),
            group=str(group) if sizes[group] > 1 else "",
            reason=reason,
        )

    return replace(
        index, examples=tuple(told(row, example) for row, example in enumerate(index.examples))
    )
