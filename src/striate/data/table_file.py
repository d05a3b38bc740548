"""A table -> its columns, as lists of what stands in the cells: CSV, TSV, JSON lines, Parquet."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from striate.data.read_file import read_file, shown
from striate.data.unreadable import Unreadable
from striate.errors import SourceError

Columns = dict[str, Sequence[Any]]


def read_table(path: Path, ending: str) -> Columns:
    """The columns of a table's file by name, in order; `ending` says of which kind it is.

    Raises `SourceError` where it cannot be read, saying in which line.
    """
    return READERS[ending](path)


def cell_text(value: Any) -> str:
    """What a cell says, trimmed; nothing where it is empty, NaN or null; 3.0 is 3."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if text in ("<NA>", "NaT") else text


def _csv(path: Path, delimiter: str = ",") -> Columns:
    text = _text(path)
    first = text.partition("\n")[0]
    if not first.count(delimiter):  # Spreadsheets in some countries write semicolons
        delimiter = max((delimiter, ",", ";", "\t"), key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        lines = list(_lines(rows, head, path))
    except csv.Error as error:
        raise _broken(path, rows.line_num, str(error)) from None
    twice = {name for name in head if head.count(name) > 1}
    if twice:
        raise SourceError(
            f"{shown(path)} has several columns named {sorted(twice)[0]}.",
            "Give each column a name of its own.",
        )
    return {name: [line[k] for line in lines] for k, name in enumerate(head)}


def _lines(rows: Any, head: list[str], path: Path) -> Iterator[list[str]]:
    for row in rows:
        if not row:
            continue
        if len(row) != len(head):
            raise _broken(path, rows.line_num, f"it has {len(row)} cells where {len(head)} are due")
        yield row


def _tsv(path: Path) -> Columns:
    return _csv(path, "\t")


def _json_lines(path: Path) -> Columns:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _broken(path, number, str(error)) from None
        if not isinstance(row, dict):
            raise _broken(path, number, "an object is due on every line")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise SourceError(
            f"{shown(path)} is a Parquet file, which needs pyarrow.",
            'Type: pip install "striate[parquet]"',
        ) from None
    try:
        columns: Columns = parquet.read_table(path).to_pydict()
    except (ArrowException, OSError, ValueError) as error:
        text = " ".join(str(error).split())[:120]
        raise SourceError(
            f"{shown(path)} cannot be read as Parquet: {text.rstrip('.')}.", "Write it again."
        ) from None
    return columns


def _text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{shown(path)} is not UTF-8 text (byte {error.start:,}).", "Save it as UTF-8."
        ) from None
    except Unreadable as error:
        raise SourceError(
            f"{shown(path)} cannot be read: {error.reason}.", "Check the file."
        ) from None


def _broken(path: Path, line: int, why: str) -> SourceError:
    return SourceError(f"{shown(path)}, line {line:,}, cannot be read: {why}.", "Mend that line.")


READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".pq": _parquet,
}
