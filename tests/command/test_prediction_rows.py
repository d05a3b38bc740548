"""Answers as text: a row for every input, and cells that a spreadsheet cannot carry out."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from striate.command.prediction_rows import csv_lines, json_lines, no_formula
from striate.store.tables import csv_line, prediction_rows
from striate.values import Predictions, Task


def answers(task: Task = "label") -> Predictions:
    """An answer, a row in error, an answer."""
    columns = 0 if task == "number" else 2
    found = Predictions(
        classes=("=cat", "dog")[:columns],
        paths=("-a.png", "b.png"),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)[:, :columns],
        truth=np.array([-1, -1]),
        task=task,
        thresholds=(0.5, 0.5) if task == "labels" else (),
        numbers=np.array([-3, 4], np.float32) if task == "number" else np.zeros(0, np.float32),
        targets=np.zeros((0, 0)) if task == "label" else np.zeros((2, max(1, columns))),
    )
    return found.with_errors(("-a.png", "x.png", "b.png"), (None, "it is text", None))


def table(task: Task = "label", **how: Any) -> list[dict[str, str]]:
    rows = prediction_rows(answers(task), truth=False, errors=True, top=how.pop("top", None))
    text = "".join(csv_lines(rows, **how))
    assert "\r" not in text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("task", ["label", "labels", "number"])
@pytest.mark.parametrize("top", [None, 1])
def test_a_row_in_error_has_its_path_and_its_error_alone(task: Task, top: int | None) -> None:
    rows = table(task, top=top)
    assert [row["path"] for row in rows] == ["-a.png", "x.png", "b.png"]
    assert [row["error"] for row in rows] == ["", "it is text", ""]
    assert set(rows[1].values()) == {"x.png", "it is text", ""}
    assert list(rows[0])[-1] == "error"


@pytest.mark.parametrize("task", ["label", "labels", "number"])
def test_a_json_line_says_its_error_or_null(task: Task) -> None:
    lines = [json.loads(line) for line in json_lines(answers(task), None)]
    assert [line["error"] for line in lines] == [None, "it is text", None]
    assert lines[1]["predicted"] is None
    assert set(lines[1]) == set(lines[0])


def test_predictions_of_a_run_have_no_column_of_errors() -> None:
    head = next(prediction_rows(answers()))
    assert head == ["path", "label", "predicted", "probability", "p:=cat", "p:dog"]


def test_a_spreadsheet_carries_nothing_out() -> None:
    (first, _, last) = table(excel=True)
    assert first["path"] == "'-a.png"
    assert first["predicted"] == "'=cat"
    assert float(first["p:=cat"]) == pytest.approx(0.9)
    assert last["predicted"] == "dog"
    rows = prediction_rows(answers(), truth=False, errors=True)
    assert next(csv_lines(rows, excel=True)).startswith("\ufeffpath,")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "\na", "＝a", "-1+1", "+"]
)
def test_a_formula_becomes_text(cell: str) -> None:
    assert no_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=1", "-1", "-0.5", "+3", "-1e-05", "1", "a.png", "'=1"])
def test_text_and_numbers_stay(cell: str) -> None:
    assert no_formula(cell) == cell


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "", " a "])
def test_every_line_of_csv_ends_with_a_line_feed_and_reads_back(cell: str) -> None:
    line = csv_line([cell, "x"])
    assert line.endswith("x\n")
    assert not line.endswith("\r\n")
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[cell, "x"]]
