"""Decision rules beyond the most probable class: sets, thresholds, costs, rejection."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from striate.errors import ModelError, UsageError
from striate.predict.conformal import (
    conformal_threshold,
    max_coverage,
    min_false_alarm_rate,
    prediction_sets,
)
from striate.predict.costs import Floats, cheapest_classes, read_costs
from striate.predict.thresholds import Threshold, confident_mask, find_thresholds, flag_classes
from striate.values import UNKNOWN, UNSURE, HeldOut, ModelSpec, Predictions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecisionRules:
    """How probabilities become decisions.

    `least` is the probability from which a class is in a set, `unknown` the p-value at or below
    which an image belongs to no class, `costs` K x K the costs of predictions. Below the thresholds
    of `precise` the decision is `unsure`; every class above its threshold in `found` is named.
    `coverage`, `precision` and `recall` are the shares that were requested.
    """

    least: float | None = None
    unknown: float | None = None
    costs: Floats | None = None
    precise: tuple[Threshold, ...] = ()
    found: tuple[Threshold, ...] = ()
    coverage: float | None = None
    precision: float | None = None
    recall: float | None = None


NO_RULES = DecisionRules()


class ModelWithHeldOut(Protocol):
    """A model with its held-out images."""

    @property
    def spec(self) -> ModelSpec:
        """Its classes and task."""
        ...

    @property
    def held_out(self) -> HeldOut | None:
        """Images that the model was not trained on."""
        ...


def derive_rules(
    model: ModelWithHeldOut,
    *,
    coverage: float | None = None,
    unknown: float | None = None,
    costs: str | os.PathLike[str] | None = None,
    precision: float | None = None,
    recall: float | None = None,
) -> DecisionRules:
    """The requested decision rules, with thresholds from the model's held-out images.

    Raises `UsageError` if a share is out of bounds, above what the held-out images can guarantee,
    or the costs do not match; `ModelError` if no images were kept with the model.
    """
    spec = model.spec
    shares = {"coverage": coverage, "unknown": unknown, "precision": precision, "recall": recall}
    if costs is None and all(share is None for share in shares.values()):
        return NO_RULES
    faults = [
        f"{flag} is {share:g}; it must be above 0 and below 1."
        for flag, share in shares.items()
        if share is not None and not 0 < share < 1
    ]
    if faults:
        raise UsageError("\n".join(faults), "Give a share, such as coverage 0.95 or unknown 0.01.")
    if spec.task != "label":
        raise UsageError(
            "coverage, unknown, precision, recall and costs need a model that gives an "
            "image one class.",
            "Leave them out.",
        )
    if unknown is not None:
        _check_unknown_rate(model, unknown)
    if precision is not None and costs is not None:
        raise UsageError(
            "precision and costs exclude each other: both choose the class.",
            "Leave one of them out.",
        )
    if precision is not None and UNSURE in spec.classes:
        raise UsageError(
            f"A class of this model is called {UNSURE!r}, so uncertain predictions could "
            "not be told from it.",
            "Leave precision out.",
        )
    return DecisionRules(
        least=None if coverage is None else _coverage_threshold(model, coverage),
        unknown=unknown,
        costs=None if costs is None else read_costs(Path(costs), spec.classes),
        precise=() if precision is None else _find_thresholds(model, "precision", precision),
        found=() if recall is None else _find_thresholds(model, "recall", recall),
        coverage=coverage,
        precision=precision,
        recall=recall,
    )


def apply_rules(predictions: Predictions, wanted: DecisionRules) -> Predictions:
    """The predictions with decisions by these rules; error rows are unchanged."""
    if predictions.failed.any():
        found = apply_rules(predictions.answered(), wanted)
        return found.with_errors(predictions.paths, predictions.errors)
    found = predictions
    if wanted.costs is not None:
        found = replace(found, decided=cheapest_classes(found.probabilities, wanted.costs))
    if wanted.least is not None:
        found = replace(found, sets=prediction_sets(found.probabilities, wanted.least))
    if wanted.unknown is not None and found.familiarity is not None:
        # A share of held-out images in float32 may lie a rounding error above the rate.
        found = replace(found, unknown=found.familiarity <= wanted.unknown * (1 + 1e-6))
    if wanted.precise:
        sure = confident_mask(found.probabilities, _threshold_array(wanted.precise))
        found = replace(found, unsure=~sure)
    if wanted.found:
        found = replace(
            found, flagged=flag_classes(found.probabilities, _threshold_array(wanted.found))
        )
    return found


def describe_rules(wanted: DecisionRules) -> Iterator[str]:
    """A heading, then a line per class: its threshold and what that reaches."""
    wishes = (
        ("precision", wanted.precise, wanted.precision, "predicted"),
        ("recall", wanted.found, wanted.recall, "flagged"),
    )
    for kind, rows, wish, done in wishes:
        if rows and wish is not None:
            yield f"Thresholds on the probability for a {kind} of {wish:g} per class:"
        for each in rows:
            what = f"{done} from {each.least:.3f}"
            if math.isinf(each.least):
                what = f"never {done}, because no held-out prediction is confident enough"
            reached = ""
            if each.reached is not None:
                share = each.reached
                reached = (
                    f"; {kind} {share.value:.1%} (95 % CI {share.low:.1%}–{share.high:.1%}, n = "
                    f"{share.n:,}) on other held-out images"
                )
            yield f"{each.name}: {what}{reached}"


def _threshold_array(rows: tuple[Threshold, ...]) -> Floats:
    return np.array([each.least for each in rows])


def _find_thresholds(model: ModelWithHeldOut, kind: str, wanted: float) -> tuple[Threshold, ...]:
    known = _require_held_out(model.held_out)
    names = model.spec.classes
    return find_thresholds(kind, names, known.probabilities, known.truth, known.groups, wanted)


def _coverage_threshold(model: ModelWithHeldOut, coverage: float) -> float:
    known = _require_held_out(model.held_out)
    most = max_coverage(known.card.groups)
    if coverage > most:
        raise UsageError(
            f"coverage is {coverage:g}, but {known.card.groups:,} held-out images allow "
            f"at most {_format_rounded_down(most)}.",
            "Give a lower coverage, or fit with more images.",
        )
    return conformal_threshold(known.probabilities, known.truth, known.groups, coverage)


def _check_unknown_rate(model: ModelWithHeldOut, rate: float) -> None:
    known = _require_held_out(model.held_out)
    if UNKNOWN in model.spec.classes:
        raise UsageError(
            f"A class of this model is called {UNKNOWN!r}, so unknown images could not be "
            "told from it.",
            "Leave unknown out, and read the column familiarity (typicality) instead.",
        )
    if not len(known.distances):
        raise ModelError(
            "This model cannot predict 'unknown': no images were held out when its "
            "network was trained, so there are no distances to compare with.",
            "Fit again with more images, or with --strategy linear.",
        )
    least = min_false_alarm_rate(known.card.groups)
    if rate < least * (1 - 1e-6):
        raise UsageError(
            f"unknown is {rate:g}, but with {known.card.groups:,} held-out images the "
            f"smallest possible rate is {_format_rounded_up(least)}.",
            f"Give {_format_rounded_up(least)} or more, or fit with more images.",
        )


def _require_held_out(held_out: HeldOut | None) -> HeldOut:
    if held_out is None:
        raise ModelError(
            "No held-out images are stored with this model, so coverage and unknown "
            "cannot be used: it was made by an earlier version, or its fit is not "
            "finished.",
            "Fit again with --restart, or leave coverage and unknown out.",
        )
    return held_out


def _format_rounded_down(share: float) -> str:
    return f"{np.floor(share * 1e4) / 1e4:g}"


def _format_rounded_up(share: float) -> str:
    return f"{np.ceil(share * 1e4) / 1e4:g}"
