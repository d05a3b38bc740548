"""Requested decision rules compared with what they reached on images of known class."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics import intervals
from striate.metrics.target_metrics import grouped_mean
from striate.predict.decision_rules import DecisionRules
from striate.predict.thresholds import Threshold
from striate.values import Interval, Measure, Predictions, Rows

Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedCoverage:
    """How often sets of classes held the true one, and how large they were.

    `alone` is the share of images whose set is one class. Coverage is significantly below the
    request if `holds.high` lies below `wanted`.
    """

    wanted: float
    holds: Interval
    size: Measure
    alone: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedThreshold:
    """A class's threshold and what it reached: on held-out images, and on these.

    `least` is None if the class is never predicted; a share is None if no image tells.
    """

    name: str
    least: float | None
    held_out: Interval | None
    here: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPrecision:
    """How many predictions were confident enough, how many of them correct, and by class."""

    wanted: float
    answered: Interval
    right: Interval | None
    classes: tuple[ObservedThreshold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRecall:
    """How many images were flagged with their own class, and with how many on average."""

    wanted: float
    found: Interval
    flags: Measure
    classes: tuple[ObservedThreshold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedUnknown:
    """How many images of known classes were rejected as none of them."""

    wanted: float
    turned_away: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRates:
    """What each requested rule reached; None if it was not requested."""

    coverage: ObservedCoverage | None = None
    precision: ObservedPrecision | None = None
    recall: ObservedRecall | None = None
    unknown: ObservedUnknown | None = None


NOTHING_OBSERVED = ObservedRates()


def observe_rates(
    wanted: DecisionRules, predictions: Predictions, counted: Truths, groups: Rows
) -> ObservedRates:
    """What the rules reached on the counted images; `groups` N are the images' groups.

    Intervals are at 95 %: Wilson's, or a group bootstrap if groups hold several images.
    """
    if not counted.any():
        return NOTHING_OBSERVED
    table = _CountedPredictions(predictions=predictions, counted=counted, groups=groups[counted])
    return ObservedRates(
        coverage=_observe_coverage(wanted, table),
        precision=_observe_precision(wanted, table),
        recall=_observe_recall(wanted, table),
        unknown=_observe_unknown(wanted, table),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _CountedPredictions:
    """Predictions of which some count, and the groups of these."""

    predictions: Predictions
    counted: Truths
    groups: Rows

    @property
    def truth(self) -> Rows:
        return self.predictions.truth[self.counted]

    def share(self, right: Truths, among: Truths | None = None) -> Interval | None:
        """The share of some that is right, with its interval; None where there are none."""
        among = np.ones(len(right), np.bool_) if among is None else among
        if not among.any():
            return None
        return intervals.accuracy_interval(right[among], self.groups[among])

    def of_all(self, right: Truths) -> Interval:
        """The share of all that count."""
        return intervals.accuracy_interval(right, self.groups)


def _observe_coverage(
    wanted: DecisionRules, judged: _CountedPredictions
) -> ObservedCoverage | None:
    sets = judged.predictions.sets
    if sets is None or wanted.coverage is None:
        return None
    counted_NK = sets[judged.counted]
    sizes = counted_NK.sum(axis=1)
    return ObservedCoverage(
        wanted=wanted.coverage,
        holds=judged.of_all(_marked_own_class(counted_NK, judged.truth)),
        size=grouped_mean("classes_in_a_set", sizes, judged.groups),
        alone=judged.of_all(sizes == 1),
    )


def _observe_precision(
    wanted: DecisionRules, judged: _CountedPredictions
) -> ObservedPrecision | None:
    unsure = judged.predictions.unsure
    if unsure is None or wanted.precision is None:
        return None
    sure, truth = ~unsure[judged.counted], judged.truth
    said = judged.predictions.probabilities[judged.counted].argmax(axis=1)
    right = said == truth
    shares = (judged.share(right, sure & (said == k)) for k in range(len(wanted.precise)))
    return ObservedPrecision(
        wanted=wanted.precision,
        answered=judged.of_all(sure),
        right=judged.share(right, sure),
        classes=_thresholds_by_class(wanted.precise, shares),
    )


def _observe_recall(wanted: DecisionRules, judged: _CountedPredictions) -> ObservedRecall | None:
    flagged = judged.predictions.flagged
    if flagged is None or wanted.recall is None:
        return None
    counted_NK, truth = flagged[judged.counted], judged.truth
    found = _marked_own_class(counted_NK, truth)
    shares = (judged.share(found, truth == k) for k in range(len(wanted.found)))
    return ObservedRecall(
        wanted=wanted.recall,
        found=judged.of_all(found),
        flags=grouped_mean("classes_flagged", counted_NK.sum(axis=1), judged.groups),
        classes=_thresholds_by_class(wanted.found, shares),
    )


def _observe_unknown(wanted: DecisionRules, judged: _CountedPredictions) -> ObservedUnknown | None:
    unknown = judged.predictions.unknown
    if unknown is None or wanted.unknown is None:
        return None
    turned_away = judged.of_all(unknown[judged.counted])
    return ObservedUnknown(wanted=wanted.unknown, turned_away=turned_away)


def _marked_own_class(marks_NK: Truths, truth: Rows) -> Truths:
    """Whether each image is marked with its own class, N."""
    found: Truths = marks_NK[np.arange(len(truth)), truth]
    return found


def _thresholds_by_class(
    rows: tuple[Threshold, ...], shares: Iterable[Interval | None]
) -> tuple[ObservedThreshold, ...]:
    return tuple(
        ObservedThreshold(
            name=row.name,
            least=None if math.isinf(row.least) else row.least,
            held_out=row.reached,
            here=here,
        )
        for row, here in zip(rows, shares, strict=True)
    )
