"""What `striate evaluate` prints: one JSON object, or sentences and plain tables."""

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
    """The evaluation of a run on a source; writes one row per image to the file `rows`, if any.

    `asked` are the arguments of `Run.evaluate`; `how` holds `excel` and `force`. Raises
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
    """An evaluation for people: accuracy, observed rates, results per class, mistakes."""
    score = evaluation.score
    if score is None:
        yield "No images can be evaluated: the model was trained on all of them."
        yield from _unknown_class_lines(evaluation)
        return
    low, high = score.interval
    if score.metric != "accuracy":
        yield from _other_lines(evaluation, score)
        return
    yield (
        f"Accuracy {score.value:.1%} ({score.level:.0%} CI {low:.1%}–{high:.1%}, "
        f"n = {score.n:,} images; {score.method}). Balanced accuracy "
        f"{score.balanced_accuracy:.1%}{_balanced_interval_text(score)}."
    )
    if evaluation.cost and evaluation.cost_of_likeliest:
        cost, other = evaluation.cost, evaluation.cost_of_likeliest
        yield (
            f"Mean cost of a prediction {cost.value:.4g} (95% CI {cost.low:.4g}–{cost.high:.4g}). "
            f"Predicting the most probable class would have cost {other.value:.4g} "
            f"({other.low:.4g}–{other.high:.4g})."
        )
    yield from observed_rate_lines(evaluation.observed)
    if evaluation.seen_in_training:
        beside = ""
        if score.with_leaked:
            beside = f" With them the accuracy is {score.with_leaked.value:.1%}."
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because they are training "
            f"or validation images of the model.{beside}"
        )
    yield from _count_notes(evaluation)
    rows = [("class", "images", "recall (95% CI)", "precision (95% CI)")]
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
    return f" ({low:.1%}–{high:.1%})"


def _other_lines(evaluation: Evaluation, score: Score) -> Iterator[str]:
    """Lines of an evaluation of several labels (with a table of labels) or of a number."""
    say = load_words("en")
    yield f"{plain_spaces(metric_line(score, say))}, n = {score.n:,} images ({score.method})."
    for each in score.beside:
        yield f"{say.named('metric', each.name)}: {plain_spaces(measure_text(each, say))}."
    if evaluation.seen_in_training:
        yield (
            f"{evaluation.seen_in_training:,} images are not counted, because they are training "
            "or validation images of the model."
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
    """Lines on images that are not counted, and on the groups behind the interval."""
    yield from _unknown_class_lines(evaluation)
    if evaluation.set_aside:
        yield f"{len(evaluation.set_aside):,} images could not be read and are not counted."
    if evaluation.copies:
        yield f"{evaluation.copies:,} images are duplicates and are not counted again."
    if evaluation.groups:
        yield f"The interval resamples {evaluation.groups:,} groups, each as a whole."
    else:
        yield (
            "No groups are known, so the images are assumed to be independent. If several show "
            "the same object, person or video, the interval is too narrow."
        )


def _unknown_class_lines(evaluation: Evaluation) -> Iterator[str]:
    strange = evaluation.unknown_classes
    if not strange:
        return
    images = sum(row.counted == "unknown class" for row in evaluation.rows)
    names = ", ".join(f"{name} ({n:,})" for name, n in strange[:MOST_NAMED])
    more = f" and {len(strange) - MOST_NAMED:,} more" if len(strange) > MOST_NAMED else ""
    yield (
        f"{images:,} images are not counted, because their classes are unknown to the model: "
        f"{names}{more}."
    )


def judged_rows(evaluation: Evaluation) -> Iterator[list[str]]:
    """Rows of CSV: a header, then for each image its label, prediction and whether it counts."""
    yield list(Judged._fields)
    for row in evaluation.rows:
        plain = (
            row.predicted or "",
            "" if math.isnan(row.probability) else str(np.float32(row.probability)),
            "" if row.correct is None else str(row.correct).lower(),
        )
        yield [row.path, row.label, *plain, row.counted, row.error or ""]


def observed_rate_lines(found: ObservedRates) -> Iterator[str]:
    """A sentence for each requested rate: the target and what was observed on these images."""
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
        f"Conformal sets, target coverage {found.wanted:.4g}: {_share_text(found.holds)} hold the "
        f"true class{_missed_target_note(found.holds, found.wanted)}. A set has {size.value:.2f} "
        f"classes on average ({size.low:.2f}–{size.high:.2f}); "
        f"{_share_text(found.alone)} have one class."
    )


def _precision_line(found: ObservedPrecision) -> str:
    wish = (
        f"Confident predictions, target precision {found.wanted:.4g}: "
        f"{_share_text(found.answered)} of all images get one"
    )
    if found.right is None:
        return f"{wish}."
    broken = _missed_target_note(found.right, found.wanted)
    return f"{wish}; of these {_share_text(found.right)} are correct{broken}."


def _recall_line(found: ObservedRecall) -> str:
    flags = found.flags
    return (
        f"Flagged classes, target recall {found.wanted:.4g}: {_share_text(found.found)} of images "
        f"are flagged with their own class{_missed_target_note(found.found, found.wanted)}. An "
        f"image has {flags.value:.2f} flags on average ({flags.low:.2f}–{flags.high:.2f})."
    )


def _unknown_line(found: ObservedUnknown) -> str:
    share = found.turned_away
    more = ""
    if share.low > found.wanted:
        more = ". That is significantly more, so these images are unlike the training data"
    return (
        f"Predicted 'unknown', at most {found.wanted:.4g} of images of known classes: "
        f"{_share_text(share)} of these images{more}."
    )


def _missed_target_note(share: Interval, wanted: float) -> str:
    if share.high >= wanted:
        return ""
    return " (significantly below the target: these images are unlike the held-out ones)"


def _share_text(share: Interval) -> str:
    return f"{share.value:.1%} ({share.low:.1%}–{share.high:.1%})"


def _threshold_lines(kind: str, found: ObservedRates) -> Iterator[str]:
    """A table of the threshold of each class, and the rate held out and on these images."""
    asked = found.precision if kind == "precision" else found.recall
    if asked is None:
        return
    said = "predicted from" if kind == "precision" else "flagged from"
    rows = [("class", said, f"{kind}, held-out images", f"{kind}, these images")]
    for each in asked.classes:
        least = "never" if each.least is None else f"{each.least:.3f}"
        rows.append((each.name, least, _share_cell(each.held_out), _share_cell(each.here)))
    yield ""
    yield from table_lines(rows)


def _mistake_lines(evaluation: Evaluation) -> Iterator[str]:
    """Tables of confused classes, of weaker kinds and groups, and of confident mistakes."""
    if evaluation.confused:
        pairs = [("true class", "predicted", "images", "share of the true class")]
        for pair in evaluation.confused:
            pairs.append((pair.label, pair.predicted, f"{pair.images:,}", _share_cell(pair.share)))
        yield ""
        yield from table_lines(pairs, right=(2,))
    say = load_words("en")
    named = [(say.named("slice", kind.name), kind) for kind in evaluation.kinds]
    yield from _kind_lines("kind", named)
    yield from _kind_lines("group", [(kind.name, kind) for kind in evaluation.worst_groups])
    if evaluation.mistakes:
        surest = [("confidence", "true class", "predicted", "image")]
        for wrong in evaluation.mistakes:
            surest.append((f"{wrong.probability:.1%}", wrong.label, wrong.predicted, wrong.path))
        yield ""
        yield "Most confident mistakes:"
        yield from table_lines(surest)


def _kind_lines(what: str, named: list[tuple[str, ImageKind]]) -> Iterator[str]:
    if not named:
        return
    rows = [(what, "images", "accuracy", "accuracy on the others", "")]
    for name, kind in named:
        mark = "significantly lower" if kind.weaker else ""
        shares = (_share_cell(kind.accuracy), _share_cell(kind.others))
        rows.append((name, f"{kind.accuracy.n:,}", *shares, mark))
    yield ""
    yield from table_lines(rows, right=(1,))


def _share_cell(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:6.1%}  ({interval.low:.1%}–{interval.high:.1%})"
