"""A training log in JSON -> one record a row: lists of records, columns, lines, nested or not."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.errors import SourceError

# Where programs put the rows: the Trainer's state, a pickled history written as JSON, others.
ROWS = ("log_history", "history", "logs", "log", "epochs", "metrics")
# Rows that have hardly a name in common would make a table of empty cells.
MOST_EMPTY_CELLS, MOST_TIMES = 1_000_000, 20
HINT = (
    "Give a list of records with epoch, loss and val_loss, a record of such lists, one record a "
    "line, or the trainer_state.json of Hugging Face's Trainer."
)


def records(path: Path, text: str) -> list[dict[str, Any]]:
    """The records of a log, in order. Raises `SourceError` where there are none to be read."""
    try:
        found = _rows(json.loads(text))
    except json.JSONDecodeError:
        found = _lines(text)
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets
        found = None
    if found is None:
        raise SourceError(f"{path} holds no records of a training that I know.", HINT)
    return found


def too_sparse(rows: int, names: int, filled: int) -> bool:
    """Whether a table of so many rows and columns would be far larger than what is in it."""
    return rows * names > MOST_EMPTY_CELLS + MOST_TIMES * filled


def _rows(document: Any) -> list[dict[str, Any]] | None:
    """The records in a document; None where it holds none."""
    if isinstance(document, list):
        return document if all(isinstance(row, dict) for row in document) else None
    if not isinstance(document, dict):
        return None
    for name in ROWS:
        inner = document.get(name)
        if isinstance(inner, list | dict) and (found := _rows(inner)) is not None:
            return found
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    if lists and all(_plain(value) for value in lists.values()):
        return _turned(lists)
    by_row = {n: v for n, v in document.items() if isinstance(v, dict) and n.isdecimal()}
    if by_row and len(by_row) == len(document):
        return [{"epoch": float(name), **row} for name, row in by_row.items()]
    columns = [v for v in document.values() if isinstance(v, dict)]
    if columns and len(columns) == len(document):
        # As a data frame is written: a record of columns, each a record of rows.
        order = list(dict.fromkeys(row for column in columns for row in column))
        if too_sparse(len(order), len(columns), sum(map(len, columns))):
            return None
        return [{name: col.get(row) for name, col in document.items()} for row in order]
    return [document] if any(isinstance(v, int | float) for v in document.values()) else None


def _plain(column: list[Any]) -> bool:
    return all(value is None or isinstance(value, int | float | str) for value in column)


def _turned(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    longest = max(len(column) for column in columns.values())
    return [
        {name: column[row] for name, column in columns.items() if row < len(column)}
        for row in range(longest)
    ]


def _lines(text: str) -> list[dict[str, Any]] | None:
    """One record a line, in JSON or as Python prints it; other lines are passed over."""
    found = [record for line in text.splitlines() if (record := _record(line.strip())) is not None]
    return found or None


def _record(line: str) -> dict[str, Any] | None:
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        record = json.loads(line)
    except RecursionError:
        return None
    except ValueError:
        try:
            record = ast.literal_eval(line)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return None
    return record if isinstance(record, dict) else None
