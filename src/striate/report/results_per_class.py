"""Results per class: recall with intervals, and what each class is confused with."""

from dataclasses import dataclass

import numpy as np

from striate.metrics import intervals
from striate.report.language import Words
from striate.values import Block, Interval, Section, Values

ALL, WORST, BEST = 25, 20, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassResult:
    """One class: `n` evaluated images, `right` of them correct, `said` predictions of it.

    `taken_for` is the class most often predicted instead, `times` times; -1 if there is none.
    """

    number: int
    name: str
    trained: int
    n: int
    right: int
    said: int
    taken_for: int
    times: int
    recall: Interval | None


def class_results(values: Values) -> list[ClassResult]:
    """The result of every class, in the order of the classes."""
    names = values.predictions.classes
    truth = values.predictions.truth[values.counted]
    predicted = values.predictions.predicted[values.counted]
    labels = values.index.labels()
    trained = np.bincount(labels[values.split.train], minlength=len(names))
    hits = np.bincount(truth[truth == predicted], minlength=len(names))
    met = np.bincount(truth, minlength=len(names))
    said = np.bincount(predicted, minlength=len(names))
    groups, seed, folds = values.counted_groups, values.options.seed, values.folds
    scores = []
    for k, name in enumerate(names):
        mine = truth == k
        right = predicted[mine] == k
        wrong = np.bincount(predicted[mine][~right], minlength=len(names))
        times = int(wrong.max())
        scores.append(
            ClassResult(
                number=k,
                name=name,
                trained=int(trained[k]),
                n=int(met[k]),
                right=int(hits[k]),
                said=int(said[k]),
                taken_for=int(wrong.argmax()) if times else -1,
                times=times,
                recall=intervals.accuracy_interval(right, groups[mine], seed, folds=folds)
                if len(right)
                else None,
            )
        )
    return scores


def classes_section(values: Values, words: Words) -> Section | None:
    """The table of classes: all if they are few, else the worst and the best."""
    scores = [score for score in class_results(values) if score.n]
    if not scores:
        return None
    lead = words("classes.lead")
    if len(scores) <= ALL:
        return Section(
            key="classes",
            title=words("classes.title"),
            lead=lead,
            blocks=(_table(scores, values, words, ""),),
        )
    worst = sorted(scores, key=_worst_first_key)
    best = sorted(scores, key=lambda score: (-recall_interval(score).low, score.number))
    return Section(
        key="classes",
        title=words("classes.title"),
        lead=words("classes.lead_many", n=len(scores)) + " " + lead,
        blocks=(
            _table(worst[:WORST], values, words, words("classes.worst", n=WORST)),
            _table(best[:BEST], values, words, words("classes.best", n=BEST)),
        ),
    )


def _worst_first_key(score: ClassResult) -> tuple[float, float]:
    found = recall_interval(score)
    return found.high, found.value


def recall_interval(score: ClassResult) -> Interval:
    """The interval of a class's recall, over whole groups if they hold several images."""
    assert score.recall is not None  # Only classes with images are told of.
    return score.recall


def _table(scores: list[ClassResult], values: Values, words: Words, title: str) -> Block:
    rows, bars = [], []
    for score in scores:
        found = recall_interval(score)
        rows.append(
            (
                score.name,
                f"{score.trained:,}",
                f"{score.right:,} / {score.n:,}",
                words.percent(found.value),
                words.span(found.low, found.high),
                words.percent(score.right / score.said) if score.said else "–",
                _confused_with(score, values, words),
            )
        )
        bars.append((found.value, found.low, found.high))
    return Block(
        kind="table",
        title=title,
        header=tuple(words(f"classes.{name}") for name in HEADER),
        rows=tuple(rows),
        bars=tuple(bars),
    )


def _confused_with(score: ClassResult, values: Values, words: Words) -> str:
    if score.taken_for < 0:
        return "–"
    return words("classes.times", name=values.predictions.classes[score.taken_for], n=score.times)


HEADER = ("name", "trained", "right", "recall", "interval", "precision", "taken_for")
