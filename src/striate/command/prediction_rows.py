"""From predictions to CSV and JSON lines, and plain tables."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from striate.config.suggestions import did_you_mean
from striate.errors import SourceMissingError, UsageError
from striate.store.files import to_json
from striate.store.tables import csv_line, prediction_rows, top_classes
from striate.values import Example, Predictions, names_in

# What makes a spreadsheet take a cell for a formula; the wide ones count in East Asian locales.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def prediction_lines(
    blocks: Iterable[tuple[Predictions, tuple[Example, ...]]],
    as_json: bool,
    top: int | None,
    aside: list[Example],
    *,
    excel: bool = False,
) -> Iterator[str]:
    """Lines for blocks of predictions; images that could not be read are added to `aside`."""
    first = True
    for predictions, examples in blocks:
        aside += [example for example in examples if example.status != "used"]
        if as_json:
            yield from json_lines(predictions, top)
        else:
            rows = prediction_rows(predictions, truth=False, errors=True, top=top)
            yield from csv_lines(rows, header=first, excel=excel)
        first = False


def csv_lines(
    rows: Iterator[Sequence[str]], *, header: bool = True, excel: bool = False
) -> Iterator[str]:
    """Lines of CSV; with `excel` a byte order mark, and no cell that is a formula."""
    head = next(rows)
    if header:
        yield ("\ufeff" if excel else "") + csv_line(map(no_formula, head) if excel else head)
    for row in rows:
        yield csv_line(map(no_formula, row) if excel else row)


def no_formula(cell: str) -> str:
    """The cell, with an apostrophe if a spreadsheet would read it as a formula."""
    if not cell.startswith(FORMULA):
        return cell
    with suppress(ValueError):
        float(cell)
        return cell
    return f"'{cell}"


def json_lines(predictions: Predictions, top: int | None) -> Iterator[str]:
    """A JSON object a line: path, predicted, probability, and `probabilities` by class."""
    if predictions.task != "label":
        yield from _other_json_lines(predictions, top)
        return
    classes = predictions.classes
    said, stated = predictions.texts, predictions.stated
    for place, (path, row) in enumerate(
        zip(predictions.paths, predictions.probabilities, strict=True)
    ):
        error = predictions.errors[place]
        if error is not None:
            yield _error_line(path, error, "probability", "probabilities")
            continue
        order = top_classes(row, top) if top else range(len(classes))
        answer: dict[str, Any] = {
            "path": path,
            "predicted": said[place],
            "probability": float(str(stated[place])),
        }
        if predictions.familiarity is not None:
            answer["familiarity"] = float(f"{predictions.familiarity[place]:.4g}")
        if predictions.sets is not None:
            held = predictions.sets[place]
            answer["set"] = [classes[k] for k in top_classes(row, len(classes)) if held[k]]
        if predictions.flagged is not None:
            above = predictions.flagged[place]
            answer["flagged"] = [classes[k] for k in top_classes(row, len(classes)) if above[k]]
        if predictions.decided is not None:
            answer["expected_cost"] = float(f"{predictions.decided[place, 1]:.6g}")
        answer["probabilities"] = {classes[k]: float(str(row[k])) for k in order}
        answer["error"] = None
        yield to_json(answer, indent=None).decode()


def _error_line(path: str, error: str, *answers: str) -> str:
    """The line of an image without a prediction."""
    nothing: dict[str, Any] = dict.fromkeys(("predicted", *answers))
    return to_json({"path": path, **nothing, "error": error}, indent=None).decode()


def _other_json_lines(predictions: Predictions, top: int | None) -> Iterator[str]:
    """JSON lines for several labels (with a probability each) or a number."""
    classes, said = predictions.classes, predictions.texts
    several = predictions.task == "labels"
    for place, (path, error) in enumerate(zip(predictions.paths, predictions.errors, strict=True)):
        if error is not None:
            yield _error_line(path, error, *(["probabilities"] if several else []))
            continue
        answer: dict[str, Any] = {"path": path}
        if predictions.task == "number":
            answer["predicted"] = float(said[place])
        else:
            row = predictions.probabilities[place]
            order = top_classes(row, top) if top else range(len(classes))
            answer["predicted"] = list(names_in(said[place]))
            answer["probabilities"] = {classes[k]: float(str(row[k])) for k in order}
        answer["error"] = None
        yield to_json(answer, indent=None).decode()


def expand_patterns(words: Sequence[str], listed: bytes | None = None) -> list[str]:
    """The paths that the arguments mean: globs that no shell expanded, and `-`.

    `listed` is the standard input for `-`: one path per line, or paths ended by NUL bytes. Missing
    paths are included; raises `SourceMissingError` if all are missing.
    """
    paths: list[str] = []
    for word in words:
        if word == "-":
            paths += _split_path_list(listed or b"")
        elif Path(word).exists() or not any(sign in word for sign in "*?["):
            paths.append(word)
        else:
            paths += _match_glob(word) or [word]
    missing = [path for path in paths if not os.path.lexists(Path(path).expanduser())]
    if missing and len(missing) == len(paths):
        raise SourceMissingError(_missing_paths_text(missing), "Check the path.")
    if not paths:
        raise UsageError("The list on standard input is empty.", "Give a path on each line.")
    return paths


def table_lines(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> Iterator[str]:
    """Rows as aligned columns; wide characters count two."""
    from rich.cells import cell_len

    widths = [max(cell_len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = []
        for k, cell in enumerate(row):
            space = " " * (widths[k] - cell_len(cell))
            cells.append(space + cell if k in right else cell + space)
        yield "  ".join(cells).rstrip()


def _split_path_list(content: bytes) -> list[str]:
    end = b"\0" if b"\0" in content else b"\n"
    lines = [line.removesuffix(b"\r") if end == b"\n" else line for line in content.split(end)]
    return [os.fsdecode(line) for line in lines if line.strip()]


def _match_glob(pattern: str) -> list[str]:
    # Path.glob knows no pattern that begins at the root of the disk.
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _missing_paths_text(paths: list[str], most: int = 3) -> str:
    shown = ", ".join(paths[:most])
    near = "."
    if len(paths) == 1:
        parent = Path(paths[0]).parent
        siblings = [path.name for path in parent.iterdir()] if parent.is_dir() else []
        near = did_you_mean(Path(paths[0]).name, siblings)
    if len(paths) > most:
        shown += f" and {len(paths) - most:,} more"
    verb = "does" if len(paths) == 1 else "do"
    return f"{shown} {verb} not exist{near}"


def format_cell(value: Any) -> str:
    """A value of a table: numbers with separators, nothing as a dash."""
    if value in (None, ""):
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
