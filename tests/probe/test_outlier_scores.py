"""A foreign picture is named, its copy does not hide it, and healthy sets hear next to nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.probe.outlier_scores import (
    find_outliers,
    mean_neighbour_distances,
    robust_deviations,
    standardise_features,
)
from striate.values import Example, Index, Task
from striate.values.seeds import make_rng

COUNT = 300


def stages(seed: int) -> dict[str, NDArray[np.float32]]:
    """Features of two stages: four classes, each with a centre of its own."""
    generator = make_rng(seed, "stages")
    labels = generator.integers(0, 4, COUNT)
    return {
        name: (generator.normal(size=(4, 40))[labels] + generator.normal(size=(COUNT, 40))).astype(
            np.float32
        )
        for name in ("low", "high")
    }


def index(rare: int = 0, task: Task = "label") -> Index:
    """All images of one class, but for the first few."""
    examples = tuple(
        Example(path=f"{n:03}.png", label="rare" if n < rare else "a") for n in range(COUNT)
    )
    classes = ("a", "rare")
    return Index(root="", name="", kind="memory", classes=classes, examples=examples, task=task)


ROWS = np.arange(COUNT)


def test_healthy_sets_hear_next_to_nothing() -> None:
    named = [len(find_outliers(stages(seed), index(), ROWS, ROWS)) for seed in range(30)]
    assert sum(named) <= 2  # 6 of 200 seeds name one image each.


@pytest.mark.parametrize("stage", ["low", "high"])
def test_one_foreign_picture_is_named_with_its_stage(stage: str) -> None:
    given = stages(0)
    given[stage][17] += 8
    (found,) = find_outliers(given, index(), ROWS, ROWS)
    assert (found.row, found.path, found.label, found.stage) == (17, "017.png", "a", stage)
    assert found.deviations > found.bar > 4


def test_a_copy_does_not_vouch_for_it() -> None:
    given = stages(0)
    for row in (17, 18, 19, 20, 21, 22, 23):
        given["low"][row] = given["low"][17] + (8 if row == 17 else 0)
    assert not find_outliers(given, index(), ROWS, ROWS)
    groups = np.where((ROWS >= 17) & (ROWS <= 23), 17, ROWS)
    found = find_outliers(given, index(), ROWS, groups)
    assert {outlier.row for outlier in found} == set(range(17, 24))


@pytest.mark.parametrize("rare", [2, 3, 4, 5, 6])
def test_a_rare_class_of_its_own_kind_is_not_named_for_being_rare(rare: int) -> None:
    given = stages(1)
    for table in given.values():
        table[:rare] += 12
    assert not find_outliers(given, index(rare), ROWS, ROWS)
    # Without the labels nobody could know.
    assert {outlier.row for outlier in find_outliers(given, index(), ROWS, ROWS)} == set(
        range(rare)
    )


def test_rare_classes_of_healthy_sets_hear_next_to_nothing() -> None:
    named = 0
    for seed in range(20):
        given = stages(seed)
        for table in given.values():
            table[:4] += 12
        named += len(find_outliers(given, index(4), ROWS, ROWS))
    assert named <= 3


def test_a_foreign_picture_in_a_rare_class_is_named() -> None:
    given = stages(1)
    for table in given.values():
        table[:4] += 12
        table[0] -= 24
    assert {outlier.row for outlier in find_outliers(given, index(4), ROWS, ROWS)} == {0}


def test_copies_in_a_rare_class_do_not_vouch_for_each_other() -> None:
    given = stages(1)
    for table in given.values():
        table[:4] += 12
    groups = np.where(ROWS < 4, 0, ROWS)
    found = find_outliers(given, index(4), ROWS, groups)
    assert {outlier.row for outlier in found} == set(range(4))


def test_where_nothing_can_be_told_nobody_is_named() -> None:
    given = {name: table[:40] for name, table in stages(0).items()}
    given["low"][3] += 50
    assert not find_outliers(given, index(), ROWS[:40], ROWS[:40])
    together = np.minimum(ROWS, 2)
    assert not find_outliers(stages(0), index(), ROWS, together)
    alike = {"low": np.zeros((COUNT, 5), np.float32)}
    alike["low"][3] = 1
    assert not find_outliers(alike, index(), ROWS, ROWS)


def test_distances_and_deviations_by_hand() -> None:
    line = np.arange(8, dtype=np.float32)[:, None] ** 2
    found = mean_neighbour_distances(standardise_features(line), np.arange(8)) * line.std()
    assert found[0] == pytest.approx((1 + 4 + 9 + 16 + 25) / 5, rel=1e-5)
    logs = np.exp(np.array([-1.0, 0.0, 1.0, 5.0, -0.5]))
    assert robust_deviations(logs)[3] == pytest.approx(5 / 1.4826)
