"""Values -> what `evaluate` answers: one JSON object, or sentences and plain tables."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.command.prediction_rows import csv_lines, table_lines
from striate.predict.evaluation import ClassMetrics, Evaluation, Judged, LabelMetrics
from striate.predict.mistakes import ConfusedPair, ImageKind, Mistake
from striate.predict.observed_rates import (
    NOTHING_OBSERVED,
    ObservedCoverage,
    ObservedPrecision,
    ObservedRates,
    ObservedRecall,
    ObservedUnknown,
)
from striate.report.headline import measure_text, metric_line
from striate.report.language import load_words, plain_spaces
from striate.run import Run
from striate.store.output_kinds import csv_kind
from striate.store.outputs import open_output, resolve_output
from striate.values import Interval, Measure, Score

MOST_NAMED = 8
# What `evaluate --out` writes.
JUDGED = csv_kind(*Judged._fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFile:
    """What `striate evaluate --json` prints.

    Its fields are spelled out although most are those of `Evaluation`: other programs rely on
    them, so a change of the value must not change the file unseen.
    """

    schema: str = "striate/evaluation/1"
    run: str
    source: str
    score: Score | None
    seen_in_training: int
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    set_aside: tuple[tuple[str, str], ...]
    labels: tuple[LabelMetrics, ...] = ()
    copies: int = 0
    groups: int = 0
    cost: Measure | None = None
    cost_of_likeliest: Measure | None = None
    observed: ObservedRates = NOTHING_OBSERVED
    confused: tuple[ConfusedPair, ...] = ()
    kinds: tuple[ImageKind, ...] = ()
    worst_groups: tuple[ImageKind, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    unknown_classes: tuple[tuple[str, int], ...] = ()


def evaluated(
    run: str, source: str, asked: dict[str, Any], rows: str | None, how: dict[str, Any]
) -> Evaluation:
    """The evaluation of a run on a source; a row an image goes to the file `rows`, if any.

    `asked` are the arguments of `Run.evaluate`; `how` tells of `excel` and `force`. Raises
    `UsageError` before anything is read where that file may not be written.
    """
    read = [source, *filter(None, [asked["costs"]])]
    place = resolve_output(rows, JUDGED, flag="--out", inputs=read, force=how["force"])
    found = Run.load(run).evaluate(source, **asked)
    if place is not None:
        with open_output(place) as file:
            for line in csv_lines(judged_rows(found), excel=how["excel"]):
                file.write(line.encode("utf-8", "backslashreplace"))
    return found


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
        observed=evaluation.observed,
        confused=evaluation.confused,
        kinds=evaluation.kinds,
        worst_groups=evaluation.worst_groups,
        mistakes=evaluation.mistakes,
        unknown_classes=evaluation.unknown_classes,
    )


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """An evaluation for people: accuracy, what wishes came to, classes, where it goes wrong."""
    score = evaluation.score
    if score is None:
        yield "No image is left to judge by: all that could be were trained on."
        yield from _unknown_class_lines(evaluation)
        return
    low, high = score.interval
    if score.metric != "accuracy":
        yield from _other_lines(evaluation, score)
        return
    yield (
        f"Accuracy {score.value:.1%}, {score.level:.0%} interval {low:.1%} to {high:.1%} "
        f"({score.method}), {score.n:,} images. Balanced accuracy {score.balanced_accuracy:.1%}"
        f"{_balanced_interval_text(score)}."
    )
    if evaluation.cost and evaluation.cost_of_likeliest:
        cost, other = evaluation.cost, evaluation.cost_of_likeliest
        yield (
            f"An answer cost {cost.value:.4g} on average, 95% interval {cost.low:.4g} to "
            f"{cost.high:.4g}; always the most probable class would have cost {other.value:.4g} "
            f"({other.low:.4g} to {other.high:.4g})."
        )
    yield from observed_rate_lines(evaluation.observed)
    if evaluation.seen_in_training:
        beside = ""
        if score.with_leaked:
            beside = f"; with them the accuracy is {score.with_leaked.value:.1%}"
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because the model was "
            f"trained or chosen on them{beside}."
        )
    yield from _count_notes(evaluation)
    rows = [("class", "images", "found (recall)", "right when said (precision)")]
    for each in evaluation.classes:
        rows.append(
            (each.name, f"{each.images:,}", _share_cell(each.recall), _share_cell(each.precision))
        )
    yield ""
    yield from table_lines(rows, right=(1,))
    for kind in ("precision", "recall"):
        yield from _threshold_lines(kind, evaluation.observed)
    yield from _mistake_lines(evaluation)


def _balanced_interval_text(score: Score) -> str:
    if score.balanced_interval is None:
        return ""
    low, high = score.balanced_interval
    return f" ({low:.1%} to {high:.1%})"


def _other_lines(evaluation: Evaluation, score: Score) -> Iterator[str]:
    """An evaluation of several labels, with a line a label, or of a number."""
    say = load_words("en")
    yield f"{plain_spaces(metric_line(score, say))} ({score.method}), {score.n:,} images."
    for each in score.beside:
        yield f"{say.named('metric', each.name)}: {plain_spaces(measure_text(each, say))}."
    if evaluation.seen_in_training:
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because the model was "
            "trained or chosen on them."
        )
    yield from _count_notes(evaluation)
    if evaluation.labels:
        rows = [("label", "images", "average precision", "F1")]
        for label in evaluation.labels:
            precise, f1 = (
                plain_spaces(measure_text(m, say)) if label.images else "–"
                for m in (label.precise, label.f1)
            )
            rows.append((label.name, f"{label.images:,}", precise, f1))
        yield ""
        yield from table_lines(rows, right=(1,))


def _count_notes(evaluation: Evaluation) -> Iterator[str]:
    """What does not count, and what the interval takes for independent."""
    yield from _unknown_class_lines(evaluation)
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


def _unknown_class_lines(evaluation: Evaluation) -> Iterator[str]:
    strange = evaluation.unknown_classes
    if not strange:
        return
    images = sum(row.counted == "unknown class" for row in evaluation.rows)
    names = ", ".join(f"{name} ({n:,})" for name, n in strange[:MOST_NAMED])
    more = f" and {len(strange) - MOST_NAMED:,} more" if len(strange) > MOST_NAMED else ""
    yield (
        f"{images:,} images are of classes that the model does not know and are not counted: "
        f"{names}{more}."
    )


def judged_rows(evaluation: Evaluation) -> Iterator[list[str]]:
    """Header and a row an image: what it is, what was said of it, and whether it counts."""
    yield list(Judged._fields)
    for row in evaluation.rows:
        plain = (
            row.predicted or "",
            "" if math.isnan(row.probability) else str(np.float32(row.probability)),
            "" if row.correct is None else str(row.correct).lower(),
        )
        yield [row.path, row.label, *plain, row.counted, row.error or ""]


def observed_rate_lines(found: ObservedRates) -> Iterator[str]:
    """A sentence a wish: what was asked for and what it came to on these images."""
    if found.coverage:
        yield _coverage_line(found.coverage)
    if found.precision:
        yield _precision_line(found.precision)
    if found.recall:
        yield _recall_line(found.recall)
    if found.unknown:
        yield _unknown_line(found.unknown)


def _coverage_line(found: ObservedCoverage) -> str:
    size = found.size
    return (
        f"Sets that hold the true class in {found.wanted:.4g} of cases: they held it in "
        f"{_share_text(found.holds)}{_missed_target_note(found.holds, found.wanted)}. A "
        f"set is of {size.value:.2f} "
        f"classes on average ({size.low:.2f} to {size.high:.2f}); "
        f"{_share_text(found.alone)} are of one."
    )


def _precision_line(found: ObservedPrecision) -> str:
    wish = (
        f"Answers that are right in {found.wanted:.4g} of cases: "
        f"{_share_text(found.answered)} are sure"
    )
    if found.right is None:
        return f"{wish} enough."
    broken = _missed_target_note(found.right, found.wanted)
    return f"{wish} enough, and of these {_share_text(found.right)} right{broken}."


def _recall_line(found: ObservedRecall) -> str:
    flags = found.flags
    return (
        f"Flags that find {found.wanted:.4g} of each class: {_share_text(found.found)} "
        "are flagged with "
        f"their own class{_missed_target_note(found.found, found.wanted)}; an image has "
        f"{flags.value:.2f} "
        f"flags on average ({flags.low:.2f} to {flags.high:.2f})."
    )


def _unknown_line(found: ObservedUnknown) -> str:
    share = found.turned_away
    more = ""
    if share.low > found.wanted:
        more = ": more than promised, beyond chance, so these images are strange to the model"
    return (
        f"Unknown, of known images to {found.wanted:.4g}: {_share_text(share)} are "
        "turned away, though "
        f"their class is known{more}."
    )


def _missed_target_note(share: Interval, wanted: float) -> str:
    if share.high >= wanted:
        return ""
    return " (less than asked for, beyond chance: these images are unlike the held-out ones)"


def _share_text(share: Interval) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _threshold_lines(kind: str, found: ObservedRates) -> Iterator[str]:
    """From where on each class is said or flagged, and what that gave."""
    asked = found.precision if kind == "precision" else found.recall
    if asked is None:
        return
    said = "said from" if kind == "precision" else "flagged from"
    rows = [("class", said, f"{kind}, held out", f"{kind}, here")]
    for each in asked.classes:
        least = "never" if each.least is None else f"{each.least:.3f}"
        rows.append((each.name, least, _share_cell(each.held_out), _share_cell(each.here)))
    yield ""
    yield from table_lines(rows)


def _mistake_lines(evaluation: Evaluation) -> Iterator[str]:
    """What is confused, which kinds and groups are harder, and the surest mistakes."""
    if evaluation.confused:
        pairs = [("is", "taken for", "images", "of its class")]
        for pair in evaluation.confused:
            pairs.append((pair.label, pair.predicted, f"{pair.images:,}", _share_cell(pair.share)))
        yield ""
        yield from table_lines(pairs, right=(2,))
    say = load_words("en")
    named = [(say.named("slice", kind.name), kind) for kind in evaluation.kinds]
    yield from _kind_lines("kind", named)
    yield from _kind_lines("group", [(kind.name, kind) for kind in evaluation.worst_groups])
    if evaluation.mistakes:
        surest = [("sure", "is", "taken for", "image")]
        for wrong in evaluation.mistakes:
            surest.append((f"{wrong.probability:.1%}", wrong.label, wrong.predicted, wrong.path))
        yield ""
        yield "The surest mistakes:"
        yield from table_lines(surest)


def _kind_lines(what: str, named: list[tuple[str, ImageKind]]) -> Iterator[str]:
    if not named:
        return
    rows = [(what, "images", "right", "others", "")]
    for name, kind in named:
        mark = "harder, beyond chance" if kind.weaker else ""
        shares = (_share_cell(kind.accuracy), _share_cell(kind.others))
        rows.append((name, f"{kind.accuracy.n:,}", *shares, mark))
    yield ""
    yield from table_lines(rows, right=(1,))


def _share_cell(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:6.1%}  ({interval.low:.1%} to {interval.high:.1%})"
