"""CSV files: `index.csv`, `history.csv`, `predictions.csv`, by RFC 4180 in UTF-8."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from striate.store.files import Codec, Facts, to_json
from striate.values import Doubt, Epoch, Example, History, Index, Outlier, Predictions, names_in

T = TypeVar("T")

MOST_COLUMNS = 100
TOP_CLASSES = 5

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u(005c|d[89a-f][0-9a-f]{2})")


def column_names(kind: type) -> tuple[str, ...]:
    """The columns of a table whose rows are dataclasses of this kind."""
    return tuple(field.name for field in fields(kind))


def csv_line(row: Iterable[object]) -> str:
    """One row of CSV with a line feed; cells with a line end of any kind are quoted."""
    line = io.StringIO(newline="")
    # Of its own line ends alone the writer knows that they must be quoted.
    csv.writer(line, lineterminator="\r\n").writerow([escape_surrogates(str(cell)) for cell in row])
    return f"{line.getvalue().removesuffix(chr(13) + chr(10))}\n"


def escape_surrogates(text: str) -> str:
    """A text that UTF-8 can encode: lone surrogates become `\\udcff`.

    A backslash where such an escape could begin becomes `\\u005c`, so that `unescape_surrogates`
    restores every text.
    """
    if text.isascii() and "\\u" not in text:  # nearly all: a table has many cells
        return text
    text = _ESCAPED.sub(r"\\u005cu\1", text)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def unescape_surrogates(text: str) -> str:
    """The text from which `escape_surrogates` made this."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def prediction_rows(
    predictions: Predictions, *, truth: bool = True, errors: bool = False, top: int | None = None
) -> Iterator[list[str]]:
    """Header and rows of a table of predictions; with `errors` a last column says why not.

    Up to 100 classes have a column `p:CLASS` each; of more, or with `top`, the highest few are
    given, best first, as pairs `class_1, p_1, class_2, p_2, …`. Probabilities have the digits
    that give the same float32 when read.
    """
    rows = (_rows_of_one if predictions.task == "label" else _other_task_rows)(
        predictions, truth, top
    )
    if not errors:
        yield from rows
        return
    yield [*next(rows), "error"]
    for row, error in zip(rows, predictions.errors, strict=True):
        # An image without an answer has its path and, where that is known, its label.
        kept = 2 if truth else 1
        yield [*row, ""] if error is None else [*row[:kept], *[""] * len(row[kept:]), error]


def _rows_of_one(predictions: Predictions, truth: bool, top: int | None) -> Iterator[list[str]]:
    """Rows for one label: the prediction, the decisions, then the probabilities."""
    classes = predictions.classes
    top = _count_top_classes(len(classes), top)
    acts = _decision_columns(predictions)
    head = ["path", *(["label"] if truth else []), "predicted", "probability", *acts]
    if top is None:
        yield [*head, *(f"p:{name}" for name in classes)]
    else:
        yield [*head, *(f"{what}_{rank + 1}" for rank in range(top) for what in ("class", "p"))]
    answers = zip(predictions.texts, predictions.stated, predictions.truth, strict=True)
    for place, (said, stated, true) in enumerate(answers):
        path, row = predictions.paths[place], predictions.probabilities[place]
        label = [classes[true] if true >= 0 else ""] if truth else []
        line = [path, *label, said, str(stated), *(cells[place] for cells in acts.values())]
        if top is None:
            yield line + [str(p) for p in row]
        else:
            yield line + [cell for k in top_classes(row, top) for cell in (classes[k], str(row[k]))]


def _decision_columns(predictions: Predictions) -> dict[str, Sequence[str]]:
    """The columns that tell what to do with an answer, as far as they are known."""
    found: dict[str, Sequence[str]] = {}
    if predictions.familiarity is not None:
        found["familiarity"] = [f"{share:.4g}" for share in predictions.familiarity]
    if predictions.sets is not None:
        found["set"] = predictions.set_names
    if predictions.flagged is not None:
        found["flagged"] = predictions.flagged_names
    if predictions.decided is not None:
        found["expected_cost"] = [f"{cost:.6g}" for cost in predictions.decided[:, 1]]
    return found


def _other_task_rows(predictions: Predictions, truth: bool, top: int | None) -> Iterator[list[str]]:
    """Rows for several labels (those predicted, then probabilities) or for a number."""
    classes = predictions.classes
    top = None if top is None else min(top, len(classes))
    head = ["path", *(["label"] if truth else []), "predicted"]
    if top is None:
        yield [*head, *(f"p:{name}" for name in classes)]
    else:
        yield [*head, *(f"{what}_{rank + 1}" for rank in range(top) for what in ("class", "p"))]
    said = predictions.texts
    for place, path in enumerate(predictions.paths):
        row = predictions.probabilities[place]
        line = [path, *([_truth_text(predictions, place)] if truth else []), said[place]]
        if top is None:
            yield line + [str(p) for p in row]
        else:
            yield line + [cell for k in top_classes(row, top) for cell in (classes[k], str(row[k]))]


def _truth_text(predictions: Predictions, place: int) -> str:
    """The true label as a source writes it: `a|b`, or the number."""
    if predictions.truth[place] < 0:
        return ""
    marks = predictions.targets[place]
    if predictions.task == "number":
        return repr(float(marks[0])).removesuffix(".0")
    return "|".join(n for n, mark in zip(predictions.classes, marks, strict=True) if mark) or "|"


def top_classes(probabilities: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """Numbers of the `top` most probable classes, best first; ties go to the first class."""
    return np.argsort(-probabilities, kind="stable")[:top].astype(np.int64)


def _count_top_classes(classes: int, top: int | None) -> int | None:
    if top is None:
        return TOP_CLASSES if classes > MOST_COLUMNS else None
    return min(top, classes)


def _write_index(index: Index, file: BinaryIO) -> None:
    _put_rows(file, Example, index.examples)


def _index_facts(index: Index) -> Facts:
    about = {name: getattr(index, name) for name in column_names(Index)}
    del about["examples"], about["images"]
    return cast(Facts, json.loads(to_json(about)))


def _read_index(path: Path, facts: Facts) -> Index:
    examples = tuple(_read_rows(path, Example))
    labels = sorted({example.label for example in examples if example.status == "used"})
    known = {"root": "", "name": path.parent.name, "kind": "", "classes": labels, **facts}
    return replace(msgspec.convert({**known, "examples": []}, Index), examples=examples)


def _write_history(history: History, file: BinaryIO) -> None:
    _put_rows(file, Epoch, history.epochs)


def _history_facts(history: History) -> Facts:
    return {
        "kept_epoch": int(history.kept_epoch),
        "train_images": int(history.train_images),
        "val_images": int(history.val_images),
        "planned_epochs": int(history.planned_epochs),
    }


def _read_history(path: Path, facts: Facts) -> History:
    epochs = tuple(_read_rows(path, Epoch))
    known = {"kept_epoch": len(epochs), "train_images": 0, "val_images": 0, **facts}
    return replace(msgspec.convert({**known, "epochs": []}, History), epochs=epochs)


def _write_predictions(predictions: Predictions, file: BinaryIO) -> None:
    with _csv_writer(file) as writer:
        writer.writerows(
            [escape_surrogates(cell) for cell in row] for row in prediction_rows(predictions)
        )


def _predictions_facts(predictions: Predictions) -> Facts:
    facts: Facts = {"classes": list(predictions.classes)}
    if predictions.task != "label":
        facts |= {
            "task": predictions.task,
            "thresholds": [float(t) for t in predictions.thresholds],
        }
    return facts


def _read_predictions(path: Path, facts: Facts) -> Predictions:
    """Exact up to 100 classes; of more, what the highest leave is spread over the others."""
    rows = _table(path)
    head = next(rows)
    task = facts.get("task", "label")
    if task != "label":
        lines = [row for row in rows if len(row) == len(head) or _torn_table_error(path)]
        return _read_others(lines, facts)
    given = [name[2:] for name in head if name.startswith("p:")]
    classes = tuple(facts.get("classes", given))
    number = {name: k for k, name in enumerate(classes)}
    lines = [row for row in rows if len(row) == len(head) or _torn_table_error(path)]
    values = [[row[4::2], row[5::2]] if not given else [given, row[4:]] for row in lines]
    probabilities = np.zeros((len(lines), len(classes)), np.float32)
    for i, (names, numbers) in enumerate(values):
        shares = np.array(numbers, np.float32)
        left = max(0.0, 1.0 - float(shares.sum())) / max(1, len(classes) - len(names))
        probabilities[i] = 0.0 if len(names) == len(classes) else left
        probabilities[i, [number[name] for name in names]] = shares
    return Predictions(
        classes=classes,
        paths=tuple(row[0] for row in lines),
        probabilities=probabilities,
        truth=np.array([number.get(row[1], -1) if row[1] else -1 for row in lines], np.int64),
    )


def _read_others(lines: list[list[str]], facts: Facts) -> Predictions:
    """Predictions of several labels, or of a number."""
    classes = tuple(facts["classes"])
    number = {name: k for k, name in enumerate(classes)}
    one = facts["task"] == "number"
    table = np.zeros((len(lines), len(classes)), np.float32)
    targets = np.zeros((len(lines), 1 if one else len(classes)))
    marked = np.zeros(table.shape, np.bool_)
    for i, row in enumerate(lines):
        table[i] = np.array(row[3:], np.float32)
        if not one:
            marked[i, [number[name] for name in names_in(row[2])]] = True
        if one and row[1]:
            targets[i, 0] = float(row[1])
        elif row[1]:
            targets[i, [number[name] for name in names_in(row[1])]] = 1.0
    answers = [row[2] for row in lines] if one else []
    return Predictions(
        classes=classes,
        paths=tuple(row[0] for row in lines),
        probabilities=table,
        truth=np.array([0 if row[1] else -1 for row in lines], np.int64),
        task="number" if one else "labels",
        thresholds=tuple(facts["thresholds"]),
        numbers=np.array(answers, np.float32),
        targets=targets,
        marked=None if one else marked,
    )


@contextmanager
def _csv_writer(file: BinaryIO) -> Iterator[Any]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    yield csv.writer(text, lineterminator="\r\n")
    text.detach()


def _put_rows(file: BinaryIO, kind: type[T], values: Iterable[T]) -> None:
    names = column_names(kind)
    with _csv_writer(file) as writer:
        writer.writerow(names)
        for value in values:
            writer.writerow(
                [escape_surrogates(_probability_digits(getattr(value, name))) for name in names]
            )


def _read_rows(path: Path, kind: type[T]) -> Iterator[T]:
    rows = _table(path)
    head = next(rows)
    # Columns that came later stand at the end and have defaults: older files do without.
    due = [field.name for field in fields(cast(Any, kind)) if field.default is MISSING]
    if tuple(head) != column_names(kind)[: len(head)] or len(head) < len(due):
        raise ValueError(f"{path} has the columns {', '.join(head)}")
    for row in rows:
        if len(row) != len(head):
            _torn_table_error(path)
        yield msgspec.convert(dict(zip(head, row, strict=True)), kind, strict=False)


def _table(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            for row in rows:
                yield [unescape_surrogates(cell) for cell in row]
        except csv.Error as error:
            raise ValueError(f"{path}: {error}") from error


def _torn_table_error(path: Path) -> bool:
    raise ValueError(f"{path} has an incomplete row")


def _probability_digits(value: Any) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)


def _write_label_errors(doubts: tuple[Doubt, ...], file: BinaryIO) -> None:
    _put_rows(file, Doubt, doubts)


def _read_label_errors(path: Path, facts: Facts) -> tuple[Doubt, ...]:
    return tuple(_read_rows(path, Doubt))


def _write_outliers(outliers: tuple[Outlier, ...], file: BinaryIO) -> None:
    _put_rows(file, Outlier, outliers)


def _read_outliers(path: Path, facts: Facts) -> tuple[Outlier, ...]:
    return tuple(_read_rows(path, Outlier))


OUTLIERS: Codec[tuple[Outlier, ...]] = Codec(write=_write_outliers, read=_read_outliers)
DOUBTS: Codec[tuple[Doubt, ...]] = Codec(write=_write_label_errors, read=_read_label_errors)
INDEX: Codec[Index] = Codec(write=_write_index, read=_read_index, facts=_index_facts)
HISTORY: Codec[History] = Codec(write=_write_history, read=_read_history, facts=_history_facts)
PREDICTIONS: Codec[Predictions] = Codec(
    write=_write_predictions, read=_read_predictions, facts=_predictions_facts
)
