"""Small validation: whether the candidates differ significantly on so few images."""

import math

from striate.diagnose import Check, make_finding
from striate.metrics import intervals
from striate.values import Figure, Finding, Values


def check_small_validation(values: Values) -> Finding:
    """Compare the lead of the best candidate with the least significant lead."""
    n = len(values.split.val)
    ranks = sorted(_candidates(values), key=lambda rank: -rank[1])
    if not n or len(ranks) < 2:
        return make_finding(
            "small_validation",
            "not_applicable",
            "info",
            title="Enough validation images",
            meaning="The validation split was not used to choose between strategies.",
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
            title="The choice between strategies was close",
            meaning="On {n:,} validation images, {first} was {lead:.1f} percentage points more "
            "accurate than {second}. With so few images, only a difference of "
            "{points:.1f} points or more is significant.",
            advice="Treat the two as equally good. More images would be needed to tell them apart.",
            figures=figures,
        )
    return make_finding(
        "small_validation",
        "passed",
        "info",
        title="Enough validation images",
        meaning="The choice is significant: on {n:,} validation images the accuracy is "
        "{best:.1%} for {first} and {other:.1%} for {second}.",
        figures=figures,
    )


def provable_lead() -> int:
    """The least number of images won, none lost, that makes one of two models better.

    By the one-sided mid-p sign test at 5 %.
    """
    wins = 1
    while intervals.sign_test(wins, 0) >= 0.05 and wins < math.inf:
        wins += 1
    return wins


def _candidates(values: Values) -> list[tuple[str, float]]:
    """Each strategy with its best validation accuracy."""
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
