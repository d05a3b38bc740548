"""Why more minutes did not change a run's accuracy, and how many might: a sentence."""

import math
from dataclasses import replace

from striate.strategy.expected_gain import TUNING_COSTS, full_epochs
from striate.strategy.plans import recipe_for
from striate.values import CLOSED_FORM, STRATEGIES, Evidence, Options, Plan, Sentence, say

_TOO_SHORT = ("out.no_time", "out.deep_slow", "out.shallow_slow", "out.used_up")
_MOST_SECONDS = 7 * 24 * 3600.0
_STEP = 1.05


def no_change_reason(
    evidence: Evidence, plan: Plan, options: Options, spent_seconds: float, parts: int = 1
) -> Sentence:
    """Why the accuracy is what it was before, and what would change that.

    `spent_seconds` go before any training; `parts` share the rest, as folds do.
    """
    codes = {sentence.code for sentence in plan.because}
    if options.plan is not None:
        return say(
            "improve.plan",
            "More minutes changed no figure: --plan fixes everything that is done. Without "
            "--plan, more is tried.",
        )
    if options.strategy in CLOSED_FORM:
        return say(
            "improve.solved",
            "More minutes changed no figure: you asked for {strategy}, which is solved in "
            "closed form. --strategy auto also tries gradient training.",
            strategy=options.strategy,
        )
    if "choose.nothing_to_win" in codes:
        return say(
            "improve.nothing_to_win",
            "More minutes changed no figure, and even more would not: the linear model is "
            "wrong on almost none of the images it was not trained on, so no training is tried.",
        )
    if "choose.no_validation" in codes or not evidence.val_images:
        return say(
            "improve.no_validation",
            "More minutes changed no figure, and even more would not: there are too few images "
            "to set any aside for validation, so no training could be shown to be better. More "
            "images would help.",
        )
    if codes & set(_TOO_SHORT):
        needed = _minutes_needed(evidence, spent_seconds, parts)
        if needed is not None:
            strategy, minutes = needed
            return say(
                "improve.needs_minutes",
                "More minutes changed no figure: training with the strategy {strategy} is "
                "tried only from about {minutes:,} minutes on this machine.",
                strategy=strategy,
                minutes=minutes,
            )
    return say(
        "improve.no_better",
        "More minutes changed no figure: everything that fits in the time either was tried or "
        "is not expected to beat this model. More images would help more than more minutes.",
    )


def _minutes_needed(evidence: Evidence, spent_seconds: float, parts: int) -> tuple[str, int] | None:
    """The strategy whose fewest epochs need the least time, and the whole minutes for them."""
    features = evidence.speeds.get("features", 0.0)
    guessed = {name: features / cost for name, cost in TUNING_COSTS.items() if features}
    fast = replace(evidence, speeds={**guessed, **evidence.speeds})
    found = []
    for strategy in STRATEGIES:
        if strategy in CLOSED_FORM or not fast.speeds.get(strategy):
            continue
        seconds, least = 30.0, recipe_for(strategy).least_epochs
        while seconds < _MOST_SECONDS and full_epochs(fast, strategy, seconds) < least:
            seconds *= _STEP
        if seconds < _MOST_SECONDS:
            found.append((math.ceil((spent_seconds + parts * seconds) / 60), strategy))
    if not found:
        return None
    minutes, strategy = min(found)
    return strategy, minutes
