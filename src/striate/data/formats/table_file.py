"""A table -> its columns, as lists of what stands in the cells: CSV, TSV, JSON lines, Parquet."""

import csv
import io
import json
import math
import numbers
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.data.columns import is_image_column_name
from striate.data.formats.read_file import path_to_text, read_file
from striate.data.formats.text_encoding import UTF_8, decode_text
from striate.data.formats.unreadable import Unreadable
from striate.data.layout import looks_like_picture
from striate.errors import SourceError
from striate.values import Sentence, say

Columns = dict[str, Sequence[Any]]

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 200
_PACKED = (b"PK\3\4", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf")
_LONGEST_CELL = 1 << 30
# Lines that have hardly a name in common would make columns of empty cells, by the square of them.
_MOST_EMPTY, _MOST_TIMES = 10_000_000, 20
# Up to this share of lines may be faulty, each set aside: beyond, the table is not understood.
_MOST_FAULTS = 0.1


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that could not be read, how many rows were before it, and why."""

    line: int
    before: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """What a table's file holds: columns of one length by name, in order.

    `faults` are lines that could not be read; `twice` are names that several columns have, of
    which the first is kept; `notes` say how it was read.
    """

    columns: Columns
    faults: tuple[LineFault, ...] = ()
    twice: frozenset[str] = frozenset()
    notes: tuple[Sentence, ...] = ()


def read_table(path: Path, ending: str, encoding: str = "auto") -> TableFile:
    """The columns of a table's file; `ending` says of which kind it is.

    Raises `SourceError` where it cannot be read, or more than a tenth of its lines cannot,
    saying which.
    """
    if ending in _PARQUET:
        return _read_parquet(path)
    text, notes = _read_text(path, encoding)
    with _allow_long_cells():
        found = _JSON_OR_CSV[ending](text, path)
    rows = len(next(iter(found.columns.values()), ()))
    if len(found.faults) > _MOST_FAULTS * (rows + len(found.faults)):
        raise _line_error(path, found.faults[0].line, found.faults[0].why)
    return replace(found, notes=(*notes, *found.notes))


def cell_text(value: Any) -> str:
    """What a cell says, trimmed; nothing where it is empty, NaN or null; 3.0 is 3."""
    if value is None:
        return ""
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        number = float(value)
        if math.isnan(number):
            return ""
        if number.is_integer():
            value = int(number)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    # A lone surrogate, as JSON can spell it, could not be written again.
    text = str(value).strip().encode("utf-8", "backslashreplace").decode("utf-8")
    return "" if text in ("<NA>", "NaT") else text


# Delimited text --------------------------------------------------------------------------------


def _read_csv(text: str, path: Path, own: str = ",") -> TableFile:
    text, before, delimiter = _strip_preamble(text)
    delimiter = delimiter or _guess_delimiter(text, own)
    rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    faults: list[LineFault] = []
    comments: list[int] = []
    try:
        head = [name.strip() for name in next(rows, [])]
        if head:
            head[0] = head[0].removeprefix("#").strip() if before.headed else head[0]
        lines = list(_read_lines(rows, head, before.lines, faults, comments))
        while lines and not any(map(str.strip, lines[-1])):  # as spreadsheets leave them
            lines.pop()
    except csv.Error as error:
        raise _line_error(path, before.lines + rows.line_num, str(error)) from None
    _refuse_headerless(head, path)
    columns: Columns = {}
    for k, name in enumerate(head):
        cells = [line[k] for line in lines]
        if name or any(cells):
            columns.setdefault(name or f"(column {k + 1})", cells)
    counts = Counter(filter(None, head))
    return TableFile(
        columns=columns,
        faults=tuple(faults),
        twice=frozenset(name for name, n in counts.items() if n > 1),
        notes=_comment_notes(before.comments + len(comments)),
    )


@dataclass(frozen=True, slots=True)
class _Preamble:
    """What stands before the header: how many lines, how many of them comments."""

    lines: int
    comments: int
    headed: bool  # The header itself begins with #


def _strip_preamble(text: str) -> tuple[str, _Preamble, str]:
    """The text from its header on, what stood before it, and the delimiter that Excel's `sep=`
    names, if any."""
    delimiter, lines, comments = "", 0, 0
    while text:
        line, _, rest = text.partition("\n")
        said = line.strip()
        commented = said.startswith("#")
        if commented and any(
            _is_image_header(line.replace("#", "", 1), each) for each in DELIMITERS
        ):
            return text, _Preamble(lines, comments, headed=True), delimiter
        if lines == 0 and said.casefold().startswith("sep=") and len(said) <= 5:
            delimiter = line.rstrip("\r")[4:5] or ","
        elif said and not commented:
            break
        lines, comments, text = lines + 1, comments + commented, rest
    return text, _Preamble(lines, comments, headed=False), delimiter


def _is_image_header(line: str, delimiter: str) -> bool:
    cells = line.split(delimiter)
    return len(cells) > 1 and any(is_image_column_name(cell) for cell in cells)


def _guess_delimiter(text: str, own: str) -> str:
    """The delimiter that stands in the header and gives most lines as many cells as it has."""

    def fits(delimiter: str) -> tuple[float, bool, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            some = [row for row, _ in zip(rows, range(_SAMPLE), strict=False) if any(row)]
        except csv.Error:
            some = []
        if not some:  # nothing but empty cells
            return 0.0, False, 0
        same = sum(len(row) == len(some[0]) for row in some) / len(some)
        return round(same, 1), delimiter == own, len(some[0])

    head = text.partition("\n")[0]
    there = [each for each in DELIMITERS if each in head]
    return max(there, key=fits) if there else own


def _read_lines(
    rows: Any, head: list[str], before: int, faults: list[LineFault], comments: list[int]
) -> Iterator[list[str]]:
    """Rows with as many cells as the header has; others join `faults`."""
    good = 0
    for row in rows:
        number = before + rows.line_num
        if not row:
            continue
        while len(row) > len(head) and not row[-1].strip():
            row.pop()
        if len(row) == len(head):
            yield row
            good += 1
        elif row[0].startswith("#"):
            comments.append(number)
        else:
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            told = f"it has {cells} instead of {len(head)}"
            faults.append(LineFault(number, good, told))


def _refuse_headerless(head: list[str], path: Path) -> None:
    for name in head:
        if looks_like_picture(name):
            raise SourceError(
                f"The first line of {path_to_text(path)} must name the columns, but holds "
                f"{name:.60}.",
                "Put a line of column names above it, such as image,label",
            )


def _comment_notes(count: int) -> tuple[Sentence, ...]:
    if not count:
        return ()
    return (say("read.comments", "Lines skipped because they begin with #: {n:,}.", n=count),)


def _read_tsv(text: str, path: Path) -> TableFile:
    return _read_csv(text, path, "\t")


@contextmanager
def _allow_long_cells() -> Iterator[None]:
    """Cells may be long, such as masks: the bound of the csv module holds for a whole process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


# JSON lines ------------------------------------------------------------------------------------


def _read_json_lines(text: str, path: Path) -> TableFile:
    rows: list[dict[str, Any]] = []
    faults: list[LineFault] = []
    twice: set[str] = set()

    def row_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(name for name, _ in pairs)
        twice.update(name for name, n in counts.items() if n > 1)
        return dict(pairs)

    for number, line in enumerate(_iterate_json(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=row_of)
        except (ValueError, RecursionError) as error:
            faults.append(LineFault(number, len(rows), str(error)))
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            faults.append(LineFault(number, len(rows), "every line must hold a JSON object"))
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) * len(rows) > _MOST_EMPTY + _MOST_TIMES * sum(map(len, rows)):
        raise SourceError(
            f"{path_to_text(path)} has {len(rows):,} lines with {len(names):,} different "
            "names, hardly any of them in two lines.",
            "Use the same names in each line: image, label, ...",
        )
    columns: Columns = {name: [row.get(name) for row in rows] for name in names}
    return TableFile(columns=columns, faults=tuple(faults), twice=frozenset(twice))


def _iterate_json(text: str) -> list[str]:
    """The lines; of a file that is one array of objects those objects."""
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            return text.split("\n")
        if isinstance(rows, list):
            return [json.dumps(row) for row in rows]
    return text.split("\n")


# Parquet ---------------------------------------------------------------------------------------


def _read_parquet(path: Path) -> TableFile:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise SourceError(
            f"{path_to_text(path)} is a Parquet file, which needs pyarrow.",
            'Type: pip install "striate[parquet]"',
        ) from None
    try:
        # Not `read_table`: it would take a folder named `label=cat` above for a column.
        table = parquet.ParquetFile(path, page_checksum_verification=True).read()
        columns: Columns = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            columns.setdefault(name, column.to_pylist())
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        text = " ".join(str(error).split())[:120]
        raise SourceError(
            f"{path_to_text(path)} cannot be read as Parquet: {text.rstrip('.')}.",
            "Write the file again.",
        ) from None
    counts = Counter(table.column_names)
    twice = frozenset(name for name, n in counts.items() if n > 1)
    return TableFile(columns=columns, twice=twice)


# Text ------------------------------------------------------------------------------------------


def _read_text(path: Path, asked: str) -> tuple[str, tuple[Sentence, ...]]:
    """The text of a file with `\\n` at the end of lines, and in which encoding it is."""
    try:
        content = read_file(path)
        text, encoding = decode_text(content, asked)
    except UnicodeError as error:
        place = f"at byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else str(error)
        what = "text" if asked == "auto" else f"text in {asked}"
        packed = content.startswith(_PACKED)
        raise SourceError(
            f"{path_to_text(path)} cannot be read as {what} ({place}).",
            "It is a spreadsheet or an archive. Save it as CSV."
            if packed
            else "Save it in UTF-8, or name its encoding: --encoding NAME",
        ) from None
    except Unreadable as error:
        raise SourceError(
            f"{path_to_text(path)} cannot be read: {error.reason}.", "Check the file."
        ) from None
    text = text.replace("\r\n", "\n")
    if "\n" not in text:  # as old Macintoshes and some spreadsheets end lines
        text = text.replace("\r", "\n")
    plain = encoding.casefold() == UTF_8
    return text, () if asked != "auto" or plain else (_encoding_note(path, text, encoding),)


def _encoding_note(path: Path, text: str, encoding: str) -> Sentence:
    if encoding.startswith("UTF"):
        return say(
            "read.encoding",
            "{table} is encoded in {encoding}.",
            table=path_to_text(path.name),
            encoding=encoding,
        )
    word = next(word for word in re.split(r'[,;|\t\n"]', text) if not word.isascii())
    return say(
        "read.encoding_guessed",
        "{table} is not in UTF-8 and was read as {encoding}, such as {sample}. If "
        "that is wrong, name its encoding: --encoding NAME",
        table=path_to_text(path.name),
        encoding=encoding,
        sample=word.strip()[:40],
    )


def _line_error(path: Path, line: int, why: str) -> SourceError:
    quotes = (
        "" if path.suffix.lower() in _JSON else "; put a cell that contains the delimiter in quotes"
    )
    return SourceError(
        f"{path_to_text(path)}, line {line:,}, cannot be read: {why[:200].rstrip('.')}.",
        f"Correct that line{quotes}.",
    )


_JSON_OR_CSV: dict[str, Callable[[str, Path], TableFile]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
_JSON = (".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
ENDINGS = (*_JSON_OR_CSV, *_PARQUET)
