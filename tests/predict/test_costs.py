"""Costs: read by name, in any order; the cheapest answer worked by hand; what is refused."""

from pathlib import Path

import numpy as np
import pytest

from striate.errors import SourceMissingError, UsageError
from striate.predict.costs import cheapest_classes, mean_cost, read_costs

CLASSES = ("bad", "good")


def written(folder: Path, text: str) -> Path:
    path = folder / "costs.csv"
    path.write_text(text, "utf-8")
    return path


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    costs = read_costs(written(tmp_path, "true,good,bad\ngood,0,1\nbad,20,0\n"), CLASSES)
    assert costs.tolist() == [[0, 20], [1, 0]]


def test_a_dear_mistake_moves_the_answer() -> None:
    probabilities = np.array([[0.1, 0.9], [0.02, 0.98], [0.6, 0.4]], np.float32)
    found = cheapest_classes(probabilities, np.array([[0.0, 20.0], [1.0, 0.0]]))
    # Answering good costs 20 * p(bad), answering bad costs p(good).
    assert found[:, 0].tolist() == [0, 1, 0]
    assert found[:, 1] == pytest.approx([0.9, 0.4, 0.4])


def test_equal_costs_leave_the_most_probable() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 50).astype(np.float32)
    found = cheapest_classes(probabilities, 1 - np.eye(4))
    assert found[:, 0].tolist() == probabilities.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("true,good,ugly\ngood,0,1\nbad,1,0\n", "lacks bad; has too many ugly"),
        ("true,good,bad\ngood,0,1\n", "first column"),
        ("true,good,bad,bad\ngood,0,1,1\nbad,1,0,0\n", "repeats bad"),
        ("true,good,bad\ngood,0,x\nbad,1,0\n", "'x' in the row of good"),
        ("true,good,bad\ngood,0\nbad,1,0\n", "differ in length"),
        ("", "not a table"),
    ],
)
def test_what_does_not_match_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_costs(written(tmp_path, text), CLASSES)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"no file .*none\.csv"):
        read_costs(tmp_path / "none.csv", CLASSES)


def test_what_answers_cost_on_average() -> None:
    costs = np.array([[0.0, 20.0], [1.0, 0.0]])
    truth, said = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = mean_cost(said, truth, costs, np.arange(4))
    assert found.value == pytest.approx(21 / 4)
    assert found.low < found.value < found.high
    assert mean_cost(said, truth, costs, np.zeros(4)).high == found.value  # one group, no spread
