"""Cost-sensitive predictions: the class with the least expected cost (Elkan 2001, eq. 1)."""

import csv
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.errors import SourceMissingError, UsageError
from striate.metrics.target_metrics import grouped_mean
from striate.values import Measure, Rows

Floats = NDArray[np.float64]


_HINT = (
    "Give a header row with the predicted classes, and one row per true class "
    "that begins with its name."
)


def read_costs(path: Path, classes: tuple[str, ...]) -> Floats:
    """Costs K x K in the order of `classes`: true class down, predicted class across.

    The file is CSV: a header with a corner and the predicted classes, then a row per true class,
    its name first. Raises `SourceMissingError` if it does not exist, `UsageError` if its classes
    are not those of the model, or a cost is not a finite number.
    """
    header, rows = _read_table(path)
    for named, what in ((header[1:], "header"), ([row[0] for row in rows], "first column")):
        _check_classes(path, what, named, classes)
    place = {name: column for column, name in enumerate(header[1:])}
    by_truth = {row[0]: row[1:] for row in rows}
    return np.array(
        [
            [_parse_cost(path, name, by_truth[name][place[said]]) for said in classes]
            for name in classes
        ]
    )


def cheapest_classes(probabilities_NK: NDArray[np.float32], costs_KK: Floats) -> Floats:
    """The class with the least expected cost for each image, and that cost: N x 2.

    Ties go to the more probable class.
    """
    table = np.asarray(probabilities_NK, np.float64)
    expected_NK = table @ costs_KK
    least = expected_NK.min(axis=1)
    near = expected_NK <= least[:, None] + 1e-12
    best = np.where(near, table, -1).argmax(axis=1)
    return np.stack([best.astype(np.float64), least], axis=1)


def mean_cost(
    said: Rows, truth: Rows, costs_KK: Floats, groups: Rows, seed: int = 0, draws: int = 2000
) -> Measure:
    """Mean cost of the predictions, with the percentile interval of a group bootstrap."""
    return grouped_mean("mean_cost", costs_KK[truth, said], groups, seed, draws)


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    except FileNotFoundError:
        raise SourceMissingError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}.", _HINT) from error
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise UsageError(f"{path} is not a table of costs: its rows differ in length.", _HINT)
    return rows[0], rows[1:]


def _check_classes(path: Path, what: str, named: list[str], classes: tuple[str, ...]) -> None:
    twice = sorted({name for name in named if named.count(name) > 1})
    missing, strange = sorted(set(classes) - set(named)), sorted(set(named) - set(classes))
    if not (missing or strange or twice):
        return
    said = [
        f"{words} {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
        for words, names in (("lacks", missing), ("has too many", strange), ("repeats", twice))
        if names
    ]
    raise UsageError(
        f"The classes in the {what} of {path} are not those of the model: it {'; '.join(said)}.",
        _HINT,
    )


def _parse_cost(path: Path, name: str, cell: str) -> float:
    try:
        cost = float(cell)
    except ValueError:
        cost = math.nan
    if not math.isfinite(cost):
        raise UsageError(f"{path}: {cell!r} in the row of {name} is not a number.", _HINT)
    return cost
