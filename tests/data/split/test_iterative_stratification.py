"""Iterative stratification: every label has its share on every side, and groups stay whole."""

import numpy as np
import pytest

from striate.data.split.iterative_stratification import assign_label_folds, assign_label_portions
from striate.data.split.portions import SplitGroup

SHARES = {"test": (0.15, 10_000), "val": (0.15, 5_000)}


def units(
    seed: int = 0, images: int = 600, largest: int = 1
) -> tuple[list[SplitGroup], np.ndarray]:
    """Groups of up to `largest` images with labels of very different frequency."""
    generator = np.random.default_rng(seed)
    marks = generator.random((images, 5)) < (0.5, 0.3, 0.15, 0.08, 0.04)
    made, row = [], 0
    while row < images:
        size = min(images - row, int(generator.integers(1, largest + 1)))
        rows = tuple(range(row, row + size))
        sets = tuple(tuple(int(k) for k in np.flatnonzero(marks[r])) for r in rows)
        key = f"{generator.random():.12f}"
        made.append(
            SplitGroup(rows=rows, labels=(0,) * size, key=key, contradictory=False, sets=sets)
        )
        row += size
    return sorted(made, key=lambda unit: unit.key), marks


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("largest", [1, 4])
def test_every_label_has_its_share_on_every_side(seed: int, largest: int) -> None:
    made, marks = units(seed, largest=largest)
    parts = assign_label_portions(made, SHARES)
    assert sorted(row for rows in parts.values() for row in rows) == list(range(600))
    for name, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        expected = share * marks.sum(axis=0)
        assert np.abs(marks[parts[name]].sum(axis=0) - expected).max() <= 1 + largest
        assert abs(len(parts[name]) - share * 600) <= 18


def test_groups_stay_whole_and_contradictory_ones_train() -> None:
    made, _ = units(largest=4)
    torn = SplitGroup(
        **{f: getattr(made[0], f) for f in ("rows", "labels", "key", "sets")}, contradictory=True
    )
    parts = assign_label_portions([torn, *made[1:]], SHARES)
    side = {row: name for name, rows in parts.items() for row in rows}
    assert all(len({side[row] for row in unit.rows}) == 1 for unit in made)
    assert side[torn.rows[0]] == "train"


def test_a_part_is_no_larger_than_asked() -> None:
    made, _ = units()
    parts = assign_label_portions(made, {"test": (0.15, 30), "val": (0.15, 20)})
    assert abs(len(parts["test"]) - 30) <= 3
    assert abs(len(parts["val"]) - 20) <= 3


def test_no_label_is_left_without_training_images() -> None:
    made, marks = units(images=60)
    parts = assign_label_portions(made, {"test": (0.45, 100), "val": (0.45, 100)})
    assert (marks[parts["train"]].sum(axis=0) > 0)[marks.any(axis=0)].all()


def test_what_is_placed_stays_and_counts() -> None:
    made, _ = units()
    parts = assign_label_portions(made[60:], SHARES, {"test": made[:60]})
    assert {row for unit in made[:60] for row in unit.rows} <= set(parts["test"])
    assert abs(len(parts["test"]) - 90) <= 8


def test_folds_share_every_label_evenly() -> None:
    made, marks = units()
    parts = assign_label_folds(made, 5)
    assert sorted(row for rows in parts for row in rows) == list(range(600))
    counts = np.array([marks[rows].sum(axis=0) for rows in parts])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 3
