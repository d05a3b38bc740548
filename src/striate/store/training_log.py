"""A training log of any program -> Curves: CSV by its column names, or TensorBoard event files."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.errors import SourceError, SourceMissingError
from striate.values import Curves

TRAIN = {"train", "training", "trn", "tr"}
VAL = {"val", "valid", "validation", "eval", "evaluation", "dev", "test", "testing"}
ACCURACY = {"accuracy", "acc", "acc1", "top1"}
# Words that say nothing of which figure it is.
NEUTRAL = {"epoch", "step", "metrics", "metric", "avg", "mean", "categorical", "sparse", "binary"}
NEUTRAL |= {"cross", "entropy", "ce", "iteration", "evaluation", "vs", "iterations", "multiclass"}
LEARNING_RATE = re.compile(r"(.*[^a-z])?(lr|learning[^a-z]?rate)([^a-z].*)?$")
FIGURES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr")
MOST_NAMED = 12
HINT = (
    "Its columns should be epoch, train_loss, val_loss and, where known, train_accuracy, "
    "val_accuracy, lr; loss and val_loss of Keras and the metrics.csv of Lightning do too."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """One column of a log: where along the training each value stands, in order."""

    name: str
    places: tuple[float, ...]
    values: tuple[float, ...]


def read_log(path: Path, train_images: int = 0, val_images: int = 0) -> Curves:
    """The curves of a log: a CSV file, or event files of TensorBoard or a folder of such.

    Raises `SourceError` where it cannot be read as one or has no loss and no accuracy.
    """
    if not path.exists():
        raise SourceMissingError(f"There is no {path}.", "Name the CSV file of a training.")
    if path.is_dir() or "tfevents" in path.name:
        from striate.store.event_files import event_points

        columns = event_points(path)
    else:
        columns = csv_points(path)
    return _curves(path, columns, train_images, val_images)


def csv_points(path: Path) -> list[Points]:
    """The columns of a CSV file that hold numbers, each at the epoch of its row.

    Rows of one epoch may be interleaved, as Lightning writes them: an empty cell is no value.
    Rows count as epochs where no column `epoch` (or else `step`) says otherwise.
    """
    head, rows = _rows(path)
    names = [name.strip().lower() for name in head]
    along = next((names.index(n) for n in ("epoch", "epochs", "step") if n in names), None)
    places = [_number(row[along]) if along is not None else math.nan for row in rows]
    places = [place if math.isfinite(place) else float(i) for i, place in enumerate(places)]
    found = []
    for k, name in enumerate(head):
        cells = [(places[i], _number(row[k])) for i, row in enumerate(rows) if row[k].strip()]
        numeric = [(p, v) for p, v in cells if v == v or _says_nan(rows, k)]
        if k != along and numeric:
            order = sorted(numeric, key=lambda pair: pair[0])
            found.append(
                Points(
                    name=name.strip(),
                    places=tuple(p for p, _ in order),
                    values=tuple(v for _, v in order),
                )
            )
    if not found:
        raise SourceError(f"{path} holds no column of numbers{_named(head)}", HINT)
    return found


def figure_of(name: str, every: Sequence[str]) -> str | None:
    """Which figure a column holds by its name, of all that the log has; None for others.

    A bare `loss` is the training's. A bare `accuracy` is too, unless the losses are named
    `train_loss` and `valid_loss` and no other accuracy is there, as fastai writes them.
    """
    if LEARNING_RATE.match(name.lower()):
        return "lr"
    words = _words(name)
    kind = "loss" if "loss" in words else "accuracy" if words & ACCURACY else None
    if kind is None or words - NEUTRAL - TRAIN - VAL - ACCURACY - {"loss"}:
        return None
    if words & VAL:
        return f"val_{kind}"
    if words & TRAIN or kind == "loss":
        return f"train_{kind}"
    others = [_words(other) for other in every if other != name]
    bare_loss = any("loss" in other and not other & (TRAIN | VAL) for other in others)
    other_val = any(other & ACCURACY and other & VAL for other in others)
    return "train_accuracy" if bare_loss or other_val else "val_accuracy"


def _curves(path: Path, columns: list[Points], train_images: int, val_images: int) -> Curves:
    every = [column.name for column in columns]
    chosen: dict[str, Points] = {}
    for column in columns:
        figure = figure_of(column.name, every)
        if figure and (figure not in chosen or _nearer(column, chosen[figure])):
            chosen[figure] = column
    told = [figure for figure in FIGURES if figure in chosen]
    if not [figure for figure in told if figure != "lr"]:
        raise SourceError(
            f"{path} has no loss and no accuracy that I know{_named(every)}",
            HINT,
        )
    ends = _ends([chosen[figure] for figure in ("val_loss", "val_accuracy") if figure in chosen])
    ends = ends or _ends([chosen[told[0]]])
    figures = {figure: _at(chosen[figure], ends, figure) for figure in told}
    whole = all(end == int(end) for end in ends)
    return Curves(
        name=path.name,
        epochs=tuple(int(end) if whole else k + 1 for k, end in enumerate(ends)),
        columns={figure: chosen[figure].name for figure in told},
        train_images=train_images,
        val_images=val_images,
        **figures,
    )


def _nearer(column: Points, other: Points) -> bool:
    """Whether a column tells more of epochs than another that holds the same figure."""
    by_step = [{"step", "iteration"} & _words(c.name) != set() for c in (column, other)]
    if by_step[0] != by_step[1]:
        return by_step[1]
    return len(set(column.places)) > len(set(other.places))


def _ends(columns: list[Points]) -> list[float]:
    return sorted({place for column in columns for place in column.places})


def _at(points: Points, ends: list[float], figure: str) -> tuple[float, ...]:
    """A value for each end: the mean of what stands after the end before it.

    A rate is the last one of its epoch. What is missing is put between its neighbours; what the
    log says is no number stays so. Accuracies in per cent become shares.
    """
    places, values = np.array(points.places), np.array(points.values)
    found, missing, start = np.zeros(len(ends)), np.zeros(len(ends), np.bool_), -math.inf
    for k, end in enumerate(ends):
        some = values[(places > start) & (places <= end)]
        missing[k] = not len(some)
        if len(some):
            found[k] = some[-1] if figure == "lr" else some.mean()
        start = end
    steps = np.arange(len(ends))
    found[missing] = np.interp(steps[missing], steps[~missing], found[~missing])
    per_cent = figure.endswith("accuracy") and np.nanmax(found, initial=0.0) > 1.5
    return tuple(float(value) / (100 if per_cent else 1) for value in found)


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        reason = "no text" if isinstance(error, ValueError) else str(error.strerror).lower()
        raise SourceError(f"{path} cannot be read as CSV: {reason}.", HINT) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise SourceError(f"{path} is empty.", HINT)
    separator = max(",;\t", key=lines[0].count)
    head, *rows = csv.reader(lines, delimiter=separator)
    rows = [(row + [""] * len(head))[: len(head)] for row in rows]
    if not rows:
        raise SourceError(f"{path} has a header and no epoch{_named(head)}", HINT)
    return head, rows


def _says_nan(rows: list[list[str]], column: int) -> bool:
    """Whether all cells that are no finite numbers say so, as a loss that diverged does."""
    cells = [row[column].strip().lower() for row in rows]
    return all(c in ("", "nan", "inf", "-inf") or _number(c) == _number(c) for c in cells)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _words(name: str) -> set[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return set(re.findall(r"[a-z0-9]+", parted.lower()))


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(name.strip() or "(no name)" for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"; it has {shown}{more}."
