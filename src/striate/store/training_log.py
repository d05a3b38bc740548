"""Learning curves from a training log of any program, by the names of its columns."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.errors import SourceError, SourceMissingError
from striate.store.log_columns import HINT, LogColumn, column_names_text, read_text_columns
from striate.values import Curves

TRAIN = {"train", "training", "trn", "tr"}
VAL = {"val", "valid", "validation", "eval", "evaluation", "dev", "test", "testing"}
ACCURACY = {"accuracy", "acc", "acc1", "top1"}
# Words that say nothing of which figure it is.
NEUTRAL_WORDS = {
    "epoch",
    "step",
    "metrics",
    "metric",
    "avg",
    "mean",
    "categorical",
    "sparse",
    "binary",
}
NEUTRAL_WORDS |= {
    "cross",
    "entropy",
    "ce",
    "iteration",
    "evaluation",
    "vs",
    "iterations",
    "multiclass",
}
LEARNING_RATE = re.compile(r"(.*[^a-z])?(lr|learning[^a-z]?rate)([^a-z].*)?$")
FIGURES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr")
# Smoothing takes time and memory by the square of the points; more of them tell no more.
MOST_POINTS = 400
# What programs call their logs, where a folder is named: striate, Keras, Lightning, Ultralytics,
# Hugging Face, timm.
USUAL_LOG_NAMES = (
    "history.csv",
    "metrics.csv",
    "results.csv",
    "trainer_state.json",
    "summary.csv",
    "training.log",
    "log.csv",
)


def read_training_log(path: Path, train_images: int = 0, val_images: int = 0) -> Curves:
    """The curves of a log: a table, JSON, event files of TensorBoard, or a folder of one of them.

    Raises `SourceError` where it cannot be read as one or has no loss and no accuracy.
    """
    if not path.exists():
        raise SourceMissingError(f"There is no {path}.", "Give the CSV file of a training.")
    return _make_curves(path, _find_columns(path), train_images, val_images)


def _find_columns(path: Path) -> list[LogColumn]:
    """The columns of event files, of a text, or of the log in a folder by its usual name."""
    if "tfevents" in path.name:
        return _event_columns(path)
    if not path.is_dir():
        return read_text_columns(path)
    if next(path.rglob("*tfevents*"), None) is None:
        named_so = next((path / name for name in USUAL_LOG_NAMES if (path / name).is_file()), None)
        if named_so is None:
            raise SourceError(
                f"{path} is a folder without TensorBoard event files and without "
                f"{', '.join(USUAL_LOG_NAMES)}.",
                "Give the log file of a training.",
            )
        return read_text_columns(named_so)
    return _event_columns(path)


def _event_columns(path: Path) -> list[LogColumn]:
    from striate.store.event_files import read_event_points

    return read_event_points(path)


def classify_column(name: str, every: Sequence[str]) -> str | None:
    """Which figure a column holds by its name, of all that the log has; None for others.

    A bare `loss` is the training's. A bare `accuracy` is too, unless the losses are named
    `train_loss` and `valid_loss` and no other accuracy is there, as fastai writes them.
    """
    if LEARNING_RATE.match(name.lower()):
        return "lr"
    words = _split_words(name)
    kind = "loss" if "loss" in words else "accuracy" if words & ACCURACY else None
    if kind is None or words - NEUTRAL_WORDS - TRAIN - VAL - ACCURACY - {"loss"}:
        return None
    if words & VAL:
        return f"val_{kind}"
    if words & TRAIN or kind == "loss":
        return f"train_{kind}"
    others = [_split_words(other) for other in every if other != name]
    bare_loss = any("loss" in other and not other & (TRAIN | VAL) for other in others)
    other_val = any(other & ACCURACY and other & VAL for other in others)
    return "train_accuracy" if bare_loss or other_val else "val_accuracy"


def _make_curves(
    path: Path, columns: list[LogColumn], train_images: int, val_images: int
) -> Curves:
    every = [column.name for column in columns]
    chosen: dict[str, LogColumn] = {}
    for column in columns:
        figure = classify_column(column.name, every)
        if figure and (figure not in chosen or _is_closer_to_epochs(column, chosen[figure])):
            chosen[figure] = column
    told = [figure for figure in FIGURES if figure in chosen]
    if not [figure for figure in told if figure != "lr"]:
        raise SourceError(
            f"{path} has no column of loss or accuracy with a known name{column_names_text(every)}",
            HINT,
        )
    ends = _epoch_ends(
        [chosen[figure] for figure in ("val_loss", "val_accuracy") if figure in chosen]
    )
    ends = ends or _epoch_ends([chosen[told[0]]])
    # What begins only after the last end, as in a log that was cut, tells of none of the epochs.
    told = [figure for figure in told if min(chosen[figure].places) <= ends[-1]]
    epochs_met = len(ends)
    if epochs_met > MOST_POINTS:
        ends = [float(part[-1]) for part in np.array_split(ends, MOST_POINTS)]
    figures = {figure: _average_between(chosen[figure], ends, figure) for figure in told}
    whole = all(end == int(end) for end in ends)
    return Curves(
        name=path.name,
        epochs=tuple(int(end) if whole else k + 1 for k, end in enumerate(ends)),
        columns={figure: chosen[figure].name for figure in told},
        train_images=train_images,
        val_images=val_images,
        epochs_met=epochs_met,
        classes=0,
        **figures,
    )


def _is_closer_to_epochs(column: LogColumn, other: LogColumn) -> bool:
    """Whether a column tells more of epochs than another that holds the same figure."""
    by_step = [{"step", "iteration"} & _split_words(c.name) != set() for c in (column, other)]
    if by_step[0] != by_step[1]:
        return by_step[1]
    return len(set(column.places)) > len(set(other.places))


def _epoch_ends(columns: list[LogColumn]) -> list[float]:
    return sorted({place for column in columns for place in column.places})


def _average_between(points: LogColumn, ends: list[float], figure: str) -> tuple[float, ...]:
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
    told = "%" in points.name or "percent" in points.name.lower()
    highest = found[np.isfinite(found)].max(initial=0.0)
    # No share is above 1, but for rounding.
    per_cent = figure.endswith("accuracy") and (told or highest > 1.001)
    return tuple(float(value) / (100 if per_cent else 1) for value in found)


def _split_words(name: str) -> set[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return set(re.findall(r"[a-z0-9]+", parted.lower()))
