"""What was asked of an answer, and the answer that follows from it."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from striate.errors import ModelError, UsageError
from striate.predict.conformal import least_rate, most_coverage, prediction_sets, threshold
from striate.predict.costs import Floats, cheapest, read_costs
from striate.predict.thresholds import Threshold, flagged, said_surely, thresholds
from striate.values import UNKNOWN, UNSURE, HeldOut, ModelSpec, Predictions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What to make of probabilities, beyond the most probable class.

    `least` is the probability that a class needs to be in a set, `unknown` the familiarity at
    or below which an image is none of the classes, `costs` K x K what answers cost. Below the
    thresholds of `precise` the answer is `unsure`; every class above its one of `found` is named.
    `coverage`, `precision` and `recall` are the shares that were wished for.
    """

    least: float | None = None
    unknown: float | None = None
    costs: Floats | None = None
    precise: tuple[Threshold, ...] = ()
    found: tuple[Threshold, ...] = ()
    coverage: float | None = None
    precision: float | None = None
    recall: float | None = None


NOTHING = Asked()


class Model(Protocol):
    """A model with what is kept beside it."""

    @property
    def spec(self) -> ModelSpec:
        """Its classes and task."""
        ...

    @property
    def held_out(self) -> HeldOut | None:
        """Images that it did not learn from."""
        ...


def asked(
    model: Model,
    *,
    coverage: float | None = None,
    unknown: float | None = None,
    costs: str | os.PathLike[str] | None = None,
    precision: float | None = None,
    recall: float | None = None,
) -> Asked:
    """What is asked of a model's answers, with all that follows from its held-out images.

    Raises `UsageError` where a share is out of bounds, more than the held-out images can
    promise, or the costs do not match; `ModelError` where no images were kept with the model.
    """
    spec = model.spec
    shares = {"coverage": coverage, "unknown": unknown, "precision": precision, "recall": recall}
    if costs is None and all(share is None for share in shares.values()):
        return NOTHING
    faults = [
        f"{flag} is {share:g}; it must lie between 0 and 1, both excluded."
        for flag, share in shares.items()
        if share is not None and not 0 < share < 1
    ]
    if faults:
        raise UsageError("\n".join(faults), "Such as coverage 0.95, unknown 0.01.")
    if spec.task != "label":
        raise UsageError(
            "coverage, unknown, precision, recall and costs are for models that give an image "
            "one class.",
            "Leave them out.",
        )
    if unknown is not None:
        _must_be_told_apart(model, unknown)
    if precision is not None and costs is not None:
        raise UsageError(
            "precision and costs both decide what is said; only one of them can.",
            "Leave one out.",
        )
    if precision is not None and UNSURE in spec.classes:
        raise UsageError(
            f"A class of this model is called {UNSURE!r}, so unsure answers could not be told "
            "from it.",
            "Leave precision out.",
        )
    return Asked(
        least=None if coverage is None else _least(model, coverage),
        unknown=unknown,
        costs=None if costs is None else read_costs(Path(costs), spec.classes),
        precise=() if precision is None else _thresholds(model, "precision", precision),
        found=() if recall is None else _thresholds(model, "recall", recall),
        coverage=coverage,
        precision=precision,
        recall=recall,
    )


def act(predictions: Predictions, wanted: Asked) -> Predictions:
    """The predictions with what was asked for; rows in error stay as they are."""
    if predictions.failed.any():
        found = act(predictions.answered(), wanted)
        return found.with_errors(predictions.paths, predictions.errors)
    found = predictions
    if wanted.costs is not None:
        found = replace(found, decided=cheapest(found.probabilities, wanted.costs))
    if wanted.least is not None:
        found = replace(found, sets=prediction_sets(found.probabilities, wanted.least))
    if wanted.unknown is not None and found.familiarity is not None:
        # A share of held-out images in float32 may lie a rounding error above the rate.
        found = replace(found, unknown=found.familiarity <= wanted.unknown * (1 + 1e-6))
    if wanted.precise:
        sure = said_surely(found.probabilities, _least_of(wanted.precise))
        found = replace(found, unsure=~sure)
    if wanted.found:
        found = replace(found, flagged=flagged(found.probabilities, _least_of(wanted.found)))
    return found


def told(wanted: Asked) -> Iterator[str]:
    """A heading, then a line a class: from which probability on it is said, what that reaches."""
    wishes = (
        ("precision", wanted.precise, wanted.precision, "said"),
        ("recall", wanted.found, wanted.recall, "flagged"),
    )
    for kind, rows, wish, done in wishes:
        if rows and wish is not None:
            yield f"For a {kind} of {wish:g} a class is {done} from a probability on:"
        for each in rows:
            what = f"said from {each.least:.3f} on"
            if math.isinf(each.least):
                what = "never said, since no held-out answer is sure enough"
            reached = ""
            if each.reached is not None:
                share = each.reached
                reached = (
                    f"; {kind} {share.value:.1%} ({share.low:.1%} to {share.high:.1%}) on "
                    f"{share.n:,} held-out images that did not choose it"
                )
            yield f"{each.name}: {what}{reached}"


def _least_of(rows: tuple[Threshold, ...]) -> Floats:
    return np.array([each.least for each in rows])


def _thresholds(model: Model, kind: str, wanted: float) -> tuple[Threshold, ...]:
    known = _kept(model.held_out)
    names = model.spec.classes
    return thresholds(kind, names, known.probabilities, known.truth, known.groups, wanted)


def _least(model: Model, coverage: float) -> float:
    known = _kept(model.held_out)
    most = most_coverage(known.card.groups)
    if coverage > most:
        raise UsageError(
            f"coverage is {coverage:g}, and {known.card.groups:,} held-out images can back at "
            f"most {_down(most)}.",
            "Ask for less, or fit with more images.",
        )
    return threshold(known.probabilities, known.truth, known.groups, coverage)


def _must_be_told_apart(model: Model, rate: float) -> None:
    known = _kept(model.held_out)
    if UNKNOWN in model.spec.classes:
        raise UsageError(
            f"A class of this model is called {UNKNOWN!r}, so unknown images could not be told "
            "from it.",
            "Leave unknown out, and read the column familiarity instead.",
        )
    if not len(known.distances):
        raise ModelError(
            "This model does not know how far its images lie apart, so it cannot say 'unknown': "
            "no image was held out when its network was trained.",
            "Fit again with more images, or with --strategy linear.",
        )
    least = least_rate(known.card.groups)
    if rate < least * (1 - 1e-6):
        raise UsageError(
            f"unknown is {rate:g}, and with {known.card.groups:,} held-out images a known one is "
            f"turned away in at least {_up(least)} of cases.",
            f"Ask for {_up(least)} or more, or fit with more images.",
        )


def _kept(held_out: HeldOut | None) -> HeldOut:
    if held_out is None:
        raise ModelError(
            "No held-out images are kept with this model, so nothing can be promised: an earlier "
            "striate made it, or its fit is not finished.",
            "Fit again with --restart; without coverage and unknown it predicts as it is.",
        )
    return held_out


def _down(share: float) -> str:
    return f"{np.floor(share * 1e4) / 1e4:g}"


def _up(share: float) -> str:
    return f"{np.ceil(share * 1e4) / 1e4:g}"
