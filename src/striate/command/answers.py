"""Values -> what `predict` and `evaluate` answer: CSV, JSON lines, plain tables."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.errors import SourceMissingError, UsageError
from striate.evaluation import ClassScore, Evaluation, LabelScore
from striate.report.language import plain, words
from striate.report.task_answer import measure_text, metric_line
from striate.spelling import did_you_mean
from striate.store.files import to_json
from striate.store.tables import csv_line, highest, predictions_rows
from striate.values import Example, Interval, Measure, Predictions, Score, names_in

MOST_CONFUSED = 12


def block_lines(
    blocks: Iterable[tuple[Predictions, tuple[Example, ...]]],
    as_json: bool,
    top: int | None,
    aside: list[Example],
) -> Iterator[str]:
    """Lines for predictions that come block by block; what could not be read joins `aside`."""
    first = True
    for predictions, unreadable in blocks:
        aside += unreadable
        if as_json:
            yield from json_lines(predictions, top)
        else:
            yield from csv_lines(predictions, top, header=first)
        first = False


def csv_lines(predictions: Predictions, top: int | None, *, header: bool) -> Iterator[str]:
    """Lines of CSV: path, predicted, probability, then the classes' probabilities."""
    rows = predictions_rows(predictions, truth=False, top=top)
    head = next(rows)
    if header:
        yield csv_line(head)
    yield from map(csv_line, rows)


def json_lines(predictions: Predictions, top: int | None) -> Iterator[str]:
    """A JSON object a line: path, predicted, probability, and `probabilities` by class."""
    if predictions.task != "label":
        yield from _other_json_lines(predictions, top)
        return
    classes = predictions.classes
    said, stated = predictions.labels, predictions.stated
    for place, (path, row) in enumerate(
        zip(predictions.paths, predictions.probabilities, strict=True)
    ):
        order = highest(row, top) if top else range(len(classes))
        answer: dict[str, Any] = {
            "path": path,
            "predicted": said[place],
            "probability": float(str(stated[place])),
        }
        if predictions.familiarity is not None:
            answer["familiarity"] = float(f"{predictions.familiarity[place]:.4g}")
        if predictions.sets is not None:
            held = predictions.sets[place]
            answer["set"] = [classes[k] for k in highest(row, len(classes)) if held[k]]
        if predictions.flagged is not None:
            above = predictions.flagged[place]
            answer["flagged"] = [classes[k] for k in highest(row, len(classes)) if above[k]]
        if predictions.decided is not None:
            answer["expected_cost"] = float(f"{predictions.decided[place, 1]:.6g}")
        answer["probabilities"] = {classes[k]: float(str(row[k])) for k in order}
        yield to_json(answer, indent=None).decode()


def _other_json_lines(predictions: Predictions, top: int | None) -> Iterator[str]:
    """Of several labels those said and each probability; of a number the number."""
    classes, said = predictions.classes, predictions.labels
    for place, path in enumerate(predictions.paths):
        answer: dict[str, Any] = {"path": path}
        if predictions.task == "number":
            answer["predicted"] = float(said[place])
        else:
            row = predictions.probabilities[place]
            order = highest(row, top) if top else range(len(classes))
            answer["predicted"] = list(names_in(said[place]))
            answer["probabilities"] = {classes[k]: float(str(row[k])) for k in order}
        yield to_json(answer, indent=None).decode()


def patterns_to_paths(words: Sequence[str], listed: bytes | None = None) -> list[str]:
    """The paths that some words of a command line mean: globs that no shell expanded, `-`.

    `listed` is what came on standard input for `-`: a path a line, or ended by NUL bytes.
    Raises `SourceMissingError` naming all that is not there.
    """
    paths: list[str] = []
    missing: list[str] = []
    for word in words:
        if word == "-":
            paths += _listed(listed or b"")
        elif Path(word).exists() or not any(sign in word for sign in "*?["):
            paths.append(word)
        else:
            found = _matching(word)
            paths += found
            missing += [] if found else [word]
    missing += [path for path in paths if not Path(path).exists() and not Path(path).is_symlink()]
    if missing:
        raise SourceMissingError(_missing(missing), "Check the path.")
    if not paths:
        raise UsageError("The list on standard input is empty.", "Give a path on each line.")
    return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFile:
    """What `striate evaluate --json` prints."""

    schema: str = "striate/evaluation/1"
    run: str
    source: str
    score: Score | None
    seen_in_training: int
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    set_aside: tuple[tuple[str, str], ...]
    labels: tuple[LabelScore, ...] = ()
    copies: int = 0
    groups: int = 0
    cost: Measure | None = None
    cost_of_likeliest: Measure | None = None


def evaluation_file(run: str, source: str, evaluation: Evaluation) -> EvaluationFile:
    """An evaluation as it is printed by `--json`; `confusion` has true classes down."""
    return EvaluationFile(
        run=run,
        source=source,
        score=evaluation.score,
        seen_in_training=evaluation.seen_in_training,
        classes=evaluation.classes,
        confusion=tuple(tuple(map(int, row)) for row in evaluation.confusion),
        set_aside=evaluation.set_aside,
        labels=evaluation.labels,
        copies=evaluation.copies,
        groups=evaluation.groups,
        cost=evaluation.cost,
        cost_of_likeliest=evaluation.cost_of_likeliest,
    )


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """An evaluation for people: accuracy, what was left out, classes, what is confused."""
    score = evaluation.score
    if score is None:
        yield "No image is left to judge by: all of them were trained on."
        return
    low, high = score.interval
    if score.metric != "accuracy":
        yield from _other_lines(evaluation, score)
        return
    yield (
        f"Accuracy {score.value:.1%}, {score.level:.0%} interval {low:.1%} to {high:.1%} "
        f"({score.method}), {score.n:,} images. Balanced accuracy {score.balanced_accuracy:.1%}"
        f"{_balanced(score)}."
    )
    if evaluation.cost and evaluation.cost_of_likeliest:
        cost, other = evaluation.cost, evaluation.cost_of_likeliest
        yield (
            f"An answer cost {cost.value:.4g} on average, 95% interval {cost.low:.4g} to "
            f"{cost.high:.4g}; always the most probable class would have cost {other.value:.4g} "
            f"({other.low:.4g} to {other.high:.4g})."
        )
    if evaluation.seen_in_training:
        beside = ""
        if score.with_leaked:
            beside = f"; with them the accuracy is {score.with_leaked.value:.1%}"
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because the model was "
            f"trained or chosen on them{beside}."
        )
    yield from _witnesses(evaluation)
    yield ""
    rows = [("class", "images", "found (recall)", "right when said (precision)")]
    for each in evaluation.classes:
        rows.append((each.name, f"{each.images:,}", _share(each.recall), _share(each.precision)))
    yield from table_lines(rows, right=(1,))
    confused = _most_confused(evaluation)
    if confused:
        yield ""
        yield from table_lines([("is", "taken for", "images"), *confused], right=(2,))


def _balanced(score: Score) -> str:
    if score.balanced_interval is None:
        return ""
    low, high = score.balanced_interval
    return f" ({low:.1%} to {high:.1%})"


def _other_lines(evaluation: Evaluation, score: Score) -> Iterator[str]:
    """An evaluation of several labels, with a line a label, or of a number."""
    say = words("en")
    yield f"{plain(metric_line(score, say))} ({score.method}), {score.n:,} images."
    for each in score.beside:
        yield f"{say.named('metric', each.name)}: {plain(measure_text(each, say))}."
    if evaluation.seen_in_training:
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because the model was "
            "trained or chosen on them."
        )
    yield from _witnesses(evaluation)
    if evaluation.labels:
        rows = [("label", "images", "average precision", "F1")]
        for label in evaluation.labels:
            precise, f1 = (
                plain(measure_text(m, say)) if label.images else "–"
                for m in (label.precise, label.f1)
            )
            rows.append((label.name, f"{label.images:,}", precise, f1))
        yield ""
        yield from table_lines(rows, right=(1,))


def _witnesses(evaluation: Evaluation) -> Iterator[str]:
    """What does not count, and what the interval takes for independent."""
    if evaluation.set_aside:
        yield f"{len(evaluation.set_aside):,} images could not be read and are not counted."
    if evaluation.copies:
        yield f"{evaluation.copies:,} images are copies of others; of several copies one counts."
    if evaluation.groups:
        yield f"The images are of {evaluation.groups:,} groups; a group is one witness."
    else:
        yield (
            "No groups are known here, so each image counts as independent: where several show "
            "one object, person or film, the interval is too narrow."
        )


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


def _share(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:6.1%}  ({interval.low:.1%} to {interval.high:.1%})"


def _most_confused(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    names = [each.name for each in evaluation.classes]
    counts = evaluation.confusion
    pairs = [(int(counts[i, j]), i, j) for i, j in zip(*counts.nonzero(), strict=True) if i != j]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [(names[i], names[j], f"{n:,}") for n, i, j in pairs[:MOST_CONFUSED]]


def _listed(content: bytes) -> list[str]:
    end = b"\0" if b"\0" in content else b"\n"
    lines = [line.removesuffix(b"\r") if end == b"\n" else line for line in content.split(end)]
    return [os.fsdecode(line) for line in lines if line.strip()]


def _matching(pattern: str) -> list[str]:
    # Path.glob knows no pattern that begins at the root of the disk.
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _missing(paths: list[str], most: int = 3) -> str:
    shown = ", ".join(paths[:most])
    near = "."
    if len(paths) == 1:
        parent = Path(paths[0]).parent
        siblings = [path.name for path in parent.iterdir()] if parent.is_dir() else []
        near = did_you_mean(Path(paths[0]).name, siblings)
    if len(paths) > most:
        shown += f" and {len(paths) - most:,} more"
    verb = "is" if len(paths) == 1 else "are"
    return f"{shown} {verb} not there{near}"


def as_plain(value: Any) -> str:
    """A value of a table: numbers with separators, nothing as a dash."""
    if value in (None, ""):
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
