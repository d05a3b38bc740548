"""Where answers go wrong: worked by hand; a weaker group is marked, chance marks none."""

import numpy as np
import pytest

from striate.metrics.score import hypergeometric_pvalue
from striate.predict.mistakes import (
    accuracy_by_kind,
    confident_mistakes,
    most_confused_pairs,
    worst_groups,
)
from striate.values import Predictions


def test_the_surest_mistakes_come_first_and_only_those_that_count() -> None:
    table = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.99, 0.01]], np.float32)
    given = Predictions(
        classes=("a", "b"),
        paths=("w", "x", "y", "z"),
        probabilities=table,
        truth=np.array([1, 1, 0, 1]),
    )
    found = confident_mistakes(given, np.array([True, True, True, False]))
    assert [(m.path, m.label, m.predicted) for m in found] == [
        ("w", "b", "a"),
        ("y", "a", "b"),
        ("x", "b", "a"),
    ]
    assert found[0].probability == 0.9


def test_pairs_are_counted_with_their_share() -> None:
    truth, said = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 2, 1, 0, 2])
    found = most_confused_pairs(("a", "b", "c"), truth, said, np.arange(7))
    assert [(p.label, p.predicted, p.images) for p in found] == [
        ("a", "b", 2),
        ("a", "c", 1),
        ("b", "a", 1),
    ]
    assert (found[0].share.value, found[0].share.n) == (0.5, 4)
    assert (
        most_confused_pairs(("a", "b"), np.zeros(3, np.int64), np.zeros(3, np.int64), truth[:3])
        == ()
    )


def test_fewer_than_chance_worked_by_hand() -> None:
    # Of 4 images 2 are right; 2 drawn by lot hold none of them in 1 of 6 draws, at most 1 in 5.
    assert hypergeometric_pvalue(0, 2, 2, 4) == pytest.approx(1 / 6)
    assert hypergeometric_pvalue(1, 2, 2, 4) == pytest.approx(5 / 6)
    assert hypergeometric_pvalue(2, 2, 2, 4) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(10))
def test_a_group_that_fails_is_marked_and_no_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"patient {n // 20:02}" for n in range(800)]
    right = rng.random(800) < np.where(np.arange(800) // 20 == 7, 0.3, 0.92)
    found = worst_groups(names, right, np.arange(800))
    assert found[0].name == "patient 07"
    assert [kind.name for kind in found if kind.weaker] == ["patient 07"]


def test_chance_marks_no_group_and_no_kind() -> None:
    marked = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        right = rng.random(800) < 0.9
        names = [f"patient {n // 20:02}" for n in range(800)]
        measured = {"brightness": rng.random(800), "contrast": rng.random(800)}
        marked += any(kind.weaker for kind in worst_groups(names, right, np.arange(800)))
        marked += any(kind.weaker for kind in accuracy_by_kind(measured, right, np.arange(800)))
    assert marked <= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_kind_that_fails_is_marked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    light = rng.random(800)
    right = rng.random(800) < np.where(light < 0.25, 0.6, 0.95)
    found = accuracy_by_kind({"brightness": light}, right, np.arange(800))
    assert [kind.name for kind in found if kind.weaker] == ["dark"]
