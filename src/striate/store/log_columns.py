"""The text of a training log -> columns of numbers, each value at its place along the training.

Tables of any separator, JSON and JSON lines: what the text looks like decides, not its name.
"""

import ast
import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import SourceError

STEP_COLUMNS = ("epoch", "epochs", "step", "global_step", "iteration")
BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
MISSING = {"", "none", "null", "na", "n/a", "-", "--"}
NO_NUMBER = {"nan", "inf", "-inf", "+inf", "infinity", "-infinity"}
DECIMAL_COMMA = re.compile(r"-?\d+,\d+(e[+-]?\d+)?%?$", re.IGNORECASE)
LEADING_NUMBER = re.compile(r"\D*(\d+(?:\.\d+)?)")
MOST_NAMED, LONGEST_NAME = 12, 40
HINT = (
    "Give a table with the columns epoch, train_loss, val_loss and, if known, "
    "train_accuracy, val_accuracy, lr. Logs of Keras, Lightning, Ultralytics and "
    "Hugging Face's Trainer work too."
)
EMPTY_LOG_HINT = (
    "Only gradient training adds a row per epoch. A linear model is solved in "
    "closed form and has no curves; see its report."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumn:
    """One column of a log: where along the training each value stands, in order."""

    name: str
    places: tuple[float, ...]
    values: tuple[float, ...]


def read_text_columns(path: Path) -> list[LogColumn]:
    """The columns of a log that hold numbers, each at the epoch of its row.

    Rows of one epoch may be interleaved, as Lightning writes them: an empty cell is no value.
    Rows count as epochs where no column `epoch` (or else `step`) says otherwise. Where a
    training was gone on with from an earlier epoch, what it did before is forgotten.
    """
    text = _read_text(path)
    if not text.strip():
        raise SourceError(f"{path} is empty.", HINT)
    if text.lstrip()[0] in "{[":
        rows = read_records(path, text)
        if not rows:
            raise SourceError(f"{path} has no row with an epoch.", EMPTY_LOG_HINT)
        head = list(dict.fromkeys(name for row in rows for name in row))
        _refuse_ragged_rows(path, len(rows), head, sum(map(len, rows)))
        return _column_points(
            path, head, [[_cell_text(row, name) for name in head] for row in rows]
        )
    return _column_points(path, *_read_table(path, text))


def column_names_text(names: Sequence[str]) -> str:
    """The end of a sentence: which columns there are."""
    short = [_shorten_name(name.strip()) for name in names[:MOST_NAMED]]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"; it has {', '.join(short)}{more}."


def _shorten_name(name: str) -> str:
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return shown or "(no name)"


def _column_points(path: Path, head: list[str], rows: list[list[str]]) -> list[LogColumn]:
    names = [name.strip().lower() for name in head]
    along = next((names.index(name) for name in STEP_COLUMNS if name in names), None)
    places = _fill_missing_epochs(
        [math.nan if along is None else _parse_epoch(row[along]) for row in rows]
    )
    found = []
    for k, name in enumerate(head):
        if k == along:
            continue
        says_nan = all(_is_number_or_missing(row[k]) for row in rows)
        cells = [
            (places[i], _parse_number(row[k]))
            for i, row in enumerate(rows)
            if not _is_missing(row[k])
        ]
        cells = drop_replaced_epochs([(p, v) for p, v in cells if v == v or says_nan])
        if cells:
            column, values = zip(*sorted(cells, key=lambda pair: pair[0]), strict=True)
            found.append(LogColumn(name=name.strip(), places=column, values=values))
    if not found:
        raise SourceError(f"{path} has no column of numbers{column_names_text(head)}", HINT)
    return found


def _fill_missing_epochs(places: Sequence[float]) -> list[float]:
    """A row that names no epoch, as of Lightning's rates, belongs to the next that does.

    After the last that does it belongs to that; where none does, rows count as epochs.
    """
    known = [i for i, place in enumerate(places) if math.isfinite(place)]
    if not known:
        return [float(i) for i in range(len(places))]
    nexts = np.searchsorted(known, np.arange(len(places))).clip(max=len(known) - 1)
    return [places[known[k]] for k in nexts]


def drop_replaced_epochs(cells: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What stands after a training went back to an epoch counts, not what it replaces."""
    kept: list[tuple[float, float]] = []
    seen: set[float] = set()
    for place, value in cells:
        if kept and place < kept[-1][0] and place in seen:
            kept = [pair for pair in kept if pair[0] < place]
            seen = {pair[0] for pair in kept}
        kept.append((place, value))
        seen.add(place)
    return kept


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        coding = next((name for mark, name in BYTE_ORDER_MARKS if raw.startswith(mark)), "")
        text = raw.decode(coding or "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} cannot be read as CSV: it is not a text file.", HINT) from error
    except OSError as error:
        reason = str(error.strerror).lower()
        raise SourceError(f"{path} cannot be read as CSV: {reason}.", HINT) from error
    if "\0" in text:
        raise SourceError(f"{path} cannot be read as CSV: it is not a text file.", HINT)
    return text


def _read_table(path: Path, text: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows; comments before the header and its repetitions are left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if not line.lstrip().startswith("#")), None)
    if start is None:
        raise SourceError(f"{path} holds only comments.", HINT)
    head, *rows = _split_cells(path, lines[start:])
    if all(_parse_number(cell) == _parse_number(cell) for cell in head if cell.strip()):
        first = ", ".join(cell.strip() for cell in head[:MOST_NAMED])
        raise SourceError(f"{path} has no header row; its first line is {first}.", HINT)
    _refuse_ragged_rows(path, len(rows), head, sum(map(len, rows)))
    rows = [(row + [""] * len(head))[: len(head)] for row in rows if row != head]
    if not rows:
        raise SourceError(
            f"{path} has a header row but no rows of epochs{column_names_text(head)}",
            EMPTY_LOG_HINT,
        )
    return head, rows


def _refuse_ragged_rows(path: Path, rows: int, head: list[str], filled: int) -> None:
    if is_too_sparse(rows, len(head), filled):
        raise SourceError(
            f"{path} has {rows:,} rows and {len(head):,} columns, but almost all cells "
            f"are empty{column_names_text(head)}",
            HINT,
        )


def _split_cells(path: Path, lines: list[str]) -> list[list[str]]:
    separator = max(",;\t|", key=lines[0].count)
    if separator not in lines[0]:
        return [line.split() for line in lines]
    if separator == "|":
        lines = [line.strip().strip("|") for line in lines if set(line) - set("|-+: ")]
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}.", HINT) from error
    if separator == ",":
        return rows
    # Where the comma does not part cells it may be the decimal sign.
    return [rows[0], *([_decimal_point(cell) for cell in row] for row in rows[1:])]


def _decimal_point(cell: str) -> str:
    return cell.replace(",", ".") if DECIMAL_COMMA.match(cell.strip()) else cell


def _cell_text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return ""
    return str(value)


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def _is_number_or_missing(cell: str) -> bool:
    """A number, nothing, or said to be no number, as a loss that diverged is."""
    return (
        _is_missing(cell)
        or cell.strip().lower() in NO_NUMBER
        or _parse_number(cell) == _parse_number(cell)
    )


def _parse_epoch(cell: str) -> float:
    """Which epoch a cell names: `3`, and `3/30` or `Epoch 3` too."""
    number = _parse_number(cell)
    leading = LEADING_NUMBER.match(cell)
    return number if number == number or leading is None else float(leading[1])


def _parse_number(cell: str) -> float:
    try:
        return float(cell.strip().removesuffix("%"))
    except ValueError:
        return math.nan


# Where programs put the rows: the Trainer's state, a pickled history written as JSON, others.
RECORD_KEYS = ("log_history", "history", "logs", "log", "epochs", "metrics")
# Rows that have hardly a name in common would make a table of empty cells.
MOST_EMPTY_CELLS, MOST_TIMES = 1_000_000, 20
RECORDS_HINT = (
    "Give a list of records with epoch, loss and val_loss, a record of such "
    "lists, one record per line, or the trainer_state.json of Hugging Face's "
    "Trainer."
)


def read_records(path: Path, text: str) -> list[dict[str, Any]]:
    """The records of a log, in order. Raises `SourceError` where there are none to be read."""
    try:
        found = _find_records(json.loads(text))
    except json.JSONDecodeError:
        found = _read_record_lines(text)
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets
        found = None
    if found is None:
        raise SourceError(f"{path} is not a training log in a known format.", RECORDS_HINT)
    return found


def is_too_sparse(rows: int, names: int, filled: int) -> bool:
    """Whether a table of so many rows and columns would be far larger than what is in it."""
    return rows * names > MOST_EMPTY_CELLS + MOST_TIMES * filled


def _find_records(document: Any) -> list[dict[str, Any]] | None:
    """The records in a document; None where it holds none."""
    if isinstance(document, list):
        return document if all(isinstance(row, dict) for row in document) else None
    if not isinstance(document, dict):
        return None
    for name in RECORD_KEYS:
        inner = document.get(name)
        if isinstance(inner, list | dict) and (found := _find_records(inner)) is not None:
            return found
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    if lists and all(_is_plain_column(value) for value in lists.values()):
        return _columns_to_rows(lists)
    by_row = {n: v for n, v in document.items() if isinstance(v, dict) and n.isdecimal()}
    if by_row and len(by_row) == len(document):
        return [{"epoch": float(name), **row} for name, row in by_row.items()]
    columns = [v for v in document.values() if isinstance(v, dict)]
    if columns and len(columns) == len(document):
        # As a data frame is written: a record of columns, each a record of rows.
        order = list(dict.fromkeys(row for column in columns for row in column))
        if is_too_sparse(len(order), len(columns), sum(map(len, columns))):
            return None
        return [{name: col.get(row) for name, col in document.items()} for row in order]
    return [document] if any(isinstance(v, int | float) for v in document.values()) else None


def _is_plain_column(column: list[Any]) -> bool:
    return all(value is None or isinstance(value, int | float | str) for value in column)


def _columns_to_rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    longest = max(len(column) for column in columns.values())
    return [
        {name: column[row] for name, column in columns.items() if row < len(column)}
        for row in range(longest)
    ]


def _read_record_lines(text: str) -> list[dict[str, Any]] | None:
    """One record a line, in JSON or as Python prints it; other lines are passed over."""
    found = [
        record for line in text.splitlines() if (record := _parse_record(line.strip())) is not None
    ]
    return found or None


def _parse_record(line: str) -> dict[str, Any] | None:
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
