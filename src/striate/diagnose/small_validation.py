"""Small validation: whether the candidates could be told apart by so few images."""

import math

from striate.diagnose import Check, make_finding
from striate.metrics import intervals
from striate.values import Figure, Finding, Values


def check_small_validation(values: Values) -> Finding:
    """Holds the lead of the best candidate against the smallest lead that could be proved."""
    n = len(values.split.val)
    ranks = sorted(_candidates(values), key=lambda rank: -rank[1])
    if not n or len(ranks) < 2:
        return make_finding(
            "small_validation",
            "not_applicable",
            "info",
            title="Enough validation images",
            meaning="Nothing was chosen by a validation split.",
        )
    (first, best), (second, other) = ranks[:2]
    needed = provable_lead()
    figures: dict[str, Figure] = {
        "n": n,
        "first": first,
        "second": second,
        "best": best,
        "other": other,
        "lead": 100 * (best - other),
        "points": 100 * needed / n,
    }
    # Whichever of the two was taken: the one behind too, where its head is cheaper or exact.
    if best - other < needed / n and values.plan.strategy.value in (first, second):
        return make_finding(
            "small_validation",
            "found",
            "info",
            title="The choice of strategy was close",
            meaning="On {n:,} validation images {first} came out {lead:.1f} points ahead of "
            "{second}; with so few images only a lead of {points:.1f} points or more proves "
            "anything.",
            advice="Read the two as equally good. More images would tell them apart.",
            figures=figures,
        )
    return make_finding(
        "small_validation",
        "passed",
        "info",
        title="Enough validation images",
        meaning="The choice does not hang on chance: {first} got {best:.1%} of {n:,} validation "
        "images right, {second} {other:.1%}.",
        figures=figures,
    )


def provable_lead() -> int:
    """The least number of images that one of two models must win, none lost, to be proved better.

    By the one-sided mid-p sign test at 5 %.
    """
    wins = 1
    while intervals.sign_test(wins, 0) >= 0.05 and wins < math.inf:
        wins += 1
    return wins


def _candidates(values: Values) -> list[tuple[str, float]]:
    """Each strategy with its best accuracy on validation images."""
    if values.evidence is None:
        return []
    best: dict[str, float] = {}
    for probe in values.evidence.probes:
        if probe.name == values.evidence.best_probe and probe.val_accuracy is not None:
            best["linear"] = probe.val_accuracy.value
    for trial in values.evidence.trials:
        best[trial.strategy] = max(best.get(trial.strategy, 0.0), trial.accuracy.value)
    if values.summary.val is not None:
        best[values.plan.strategy.value] = values.summary.val.value
    return list(best.items())


CHECK = Check(code="small_validation", run=check_small_validation)
