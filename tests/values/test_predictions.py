"""Predictions: a row for every input, also for one that has no answer."""

import math

import numpy as np
import pytest

from striate.values import Predictions, Task


def made(task: Task = "label") -> Predictions:
    """Two answers."""
    columns = {"label": 2, "labels": 2, "number": 0}[task]
    return Predictions(
        classes=("cat", "dog")[:columns],
        paths=("a.png", "b.png"),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)[:, :columns],
        truth=np.array([0, 1]) if task == "label" else np.array([0, 0]),
        task=task,
        thresholds=(0.5, 0.5) if task == "labels" else (),
        numbers=np.array([3, 4], np.float32) if task == "number" else np.zeros(0, np.float32),
        targets=np.zeros((0, 0)) if task == "label" else np.ones((2, max(1, columns))),
        familiarity=np.array([0.5, 0.6], np.float32) if task == "label" else None,
    )


ERRORS = (None, "it is text", None)
PATHS = ("a.png", "x.png", "b.png")


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("label", ("cat", None, "dog")),
        ("labels", ("cat", None, "dog")),
        ("number", ("3.0", None, "4.0")),
    ],
)
def test_a_row_in_error_has_no_answer(task: Task, labels: tuple[str | None, ...]) -> None:
    found = made(task).with_errors(PATHS, ERRORS)
    assert (len(found), found.paths, found.errors, found.labels) == (3, PATHS, ERRORS, labels)
    assert np.isnan(found.probabilities[1]).all()
    assert found.truth.tolist()[1] == -1
    if task == "number":
        assert math.isnan(found.numbers[1])
    back = found.answered()
    assert (back.paths, back.labels) == (made(task).paths, made(task).labels)
    assert np.array_equal(back.targets, made(task).targets)


def test_no_class_is_predicted_where_there_is_an_error() -> None:
    found = made().with_errors(PATHS, ERRORS)
    assert found.predicted.tolist() == [0, -1, 1]
    assert math.isnan(found.stated[1])
    assert found.familiarity is not None
    assert math.isnan(found.familiarity[1])


def test_rows_are_what_is_walked_over_and_picked() -> None:
    found = made().with_errors(PATHS, ERRORS)
    first, second, third = found
    assert (first.path, first.label, first.error) == ("a.png", "cat", None)
    assert first.probability == pytest.approx(0.9)
    assert (second.path, second.label, second.error) == ("x.png", None, "it is text")
    assert math.isnan(second.probability)
    assert found[-1] == third
    assert found[1:].paths == ("x.png", "b.png")
    assert found[1:].errors == ("it is text", None)
    assert found[np.array([2, 0])].labels == ("dog", "cat")
    with pytest.raises(IndexError):
        found[3]


def test_without_errors_each_row_says_so() -> None:
    assert made().errors == (None, None)
    assert made()[:0].errors == ()
    assert list(made()[:0]) == []
    assert bool(made()[:0])


def test_a_short_word_of_many_rows() -> None:
    many = made().take(np.zeros(5000, np.int64))
    assert len(repr(many)) < 600
    assert "5,000 images" in repr(many)
    assert "cat, dog" in repr(many)
    told = repr(made().with_errors(PATHS, ERRORS))
    assert "1 that could not be read" in told
    assert "it is text" in told
    assert "array(" not in told
    assert "3.0" in repr(made("number"))


def test_a_frame_has_a_column_of_errors_only_where_there_is_one() -> None:
    assert "error" not in made().to_frame()
    frame = made().with_errors(PATHS, ERRORS).to_frame()
    assert list(frame["error"].dropna()) == ["it is text"]
    assert list(frame["predicted"].isna()) == [False, True, False]
    assert frame.columns[-1] == "error"
