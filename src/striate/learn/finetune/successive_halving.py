"""Successive halving of a few settings against the recipe, all from the same initial weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.learn.context import FitContext, FitData
from striate.learn.finetune.paired_trial import (
    Truths,
    chance_of_better,
    gain_in_points,
    make_paired_trial_line,
    train_beside,
)
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.task import task_spec
from striate.strategy.choose import training_reason
from striate.strategy.expected_gain import GATE_LEVEL
from striate.values import Choice, Evidence, Figure, History, Plan, Sentence, Trial, say

RECIPE = "recipe"
SHARE = 0.25  # of the planned epochs
LEAST_EPOCHS = 2  # epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class HalvingArm:
    """A plan that competes; `what` says in which one choice it differs from the recipe."""

    name: str
    plan: Plan
    what: Sentence


def make_arms(plan: Plan) -> tuple[HalvingArm, ...]:
    """The recipe first, then plans that differ from it in one choice that was not requested."""
    recipe = HalvingArm(name=RECIPE, plan=plan, what=say("arm.recipe", "the default recipe"))
    return (recipe, *(arm for make in ARM_MAKERS for arm in make(plan)))


def plan_heats(starters: int, epochs: int) -> tuple[int, ...]:
    """Epochs that each arm trains in each heat; empty if there are too few to compare.

    Successive halving (Jamieson and Talwalkar 2016): every heat halves the arms and doubles their
    epochs. All heats together take at most `SHARE` of `epochs`, so that the final training keeps
    the rest; with fewer than `LEAST_EPOCHS` in the first heat, results say little about full
    trainings.
    """
    fields = arms_per_heat(starters)
    cost = sum(size * 2**heat for heat, size in enumerate(fields))
    first = int(SHARE * epochs / cost) if fields else 0
    return tuple(first * 2**heat for heat in range(len(fields))) if first >= LEAST_EPOCHS else ()


def arms_per_heat(starters: int) -> tuple[int, ...]:
    """Arms at the start of each heat: all, then half of them while at least two are left."""
    found = []
    while starters >= 2:
        found.append(starters)
        starters = starters // 2
    return tuple(found)


def select_survivors(right: Sequence[int], places: int) -> tuple[int, ...]:
    """The arms of the next heat by their number of correct validation images, in their old order.

    The first, which is the recipe, always survives, so that the last heat compares with it; of tied
    arms the earlier survives.
    """
    others = sorted(range(1, len(right)), key=lambda arm: (-right[arm], arm))
    return (0, *sorted(others[: places - 1]))


def _halve_rate(plan: Plan) -> tuple[HalvingArm, ...]:
    return _scale_rate(plan, "half_rate", 0.5)


def _double_rate(plan: Plan) -> tuple[HalvingArm, ...]:
    return _scale_rate(plan, "double_rate", 2.0)


def _scale_rate(plan: Plan, name: str, times: float) -> tuple[HalvingArm, ...]:
    value = times * plan.learning_rate.value
    what = say("arm.learning_rate", "learning rate {value:.2g}", value=value)
    return _make_arm(name, plan, what, learning_rate=value)


def _add_erasing(plan: Plan) -> tuple[HalvingArm, ...]:
    if plan.augment.value.get("erase"):
        return ()
    what = say("arm.erase", "random erasing in addition to the other augmentations")
    return _make_arm("erase", plan, what, augment={**plan.augment.value, "erase": 1.0})


def _make_arm(name: str, plan: Plan, what: Sentence, **changes: Any) -> tuple[HalvingArm, ...]:
    if any(getattr(plan, field).ground == "asked" for field in changes):
        return ()
    choices: dict[str, Any] = {
        field: Choice(value=value, why=what, ground="measured") for field, value in changes.items()
    }
    return (HalvingArm(name=name, plan=replace(plan, **choices), what=what),)


# Erased patches keep every label; rates are what a recipe is most often wrong in.
ARM_MAKERS: tuple[Callable[[Plan], tuple[HalvingArm, ...]], ...] = (
    _halve_rate,
    _double_rate,
    _add_erasing,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ArmRun:
    """An arm's result in one heat, and which validation images it predicted correctly."""

    arm: HalvingArm
    epochs: int
    history: History | None
    right: Truths


def race_settings(
    context: FitContext, plan: Plan, linear: BackboneFeatures | None, evidence: Evidence
) -> tuple[Plan, Evidence]:
    """The plan, or the arm that beat it, and the evidence with a trial for each arm.

    Runs if `--race` is given: every arm has the training's initial weights and sees the same images
    in the same order, with its schedule shortened to the heat. The best arm of the last heat is
    taken only if the paired sign test on the validation images prefers it to the recipe. The epochs
    used are subtracted from the training's, unless their number was requested.
    """
    data = context.data
    if not context.options.race or context.given_plan is not None or not len(data.val):
        return plan, evidence
    if task_spec(data).correct is None:
        return plan, evidence
    starters = make_arms(plan)
    each = plan_heats(len(starters), plan.epochs.value)
    if not each:
        why = (
            _too_short_reason(plan, len(starters))
            if len(starters) > 1
            else _nothing_to_race_reason()
        )
        return _with_race_reason(plan, why), evidence
    ran = _run_heats(context, starters, each, linear, evidence)
    spent = sum(one.epochs for one in ran)
    last = [one for one in ran if one.epochs == each[-1]]
    recipe, rival = last[0], max(last[1:], key=lambda one: int(one.right.sum()))
    wins = chance_of_better(data, rival.right, recipe.right) < GATE_LEVEL
    verdict = _verdict(data, rival, recipe, wins)
    chosen = _with_measured_reason(rival.arm.plan, plan, verdict) if wins else plan
    judged = (recipe, rival)
    lines = tuple(
        _make_trial(
            data, one, wins and one is rival, verdict if one in judged else _describe_run(one)
        )
        for one in ran
    )
    return (
        _with_race_reason(_shorten_plan(chosen, spent), verdict),
        replace(evidence, trials=(*evidence.trials, *lines)),
    )


def _run_heats(
    context: FitContext,
    starters: tuple[HalvingArm, ...],
    each: tuple[int, ...],
    linear: BackboneFeatures | None,
    evidence: Evidence,
) -> list[_ArmRun]:
    """All trainings of all heats, in order."""
    ran: list[_ArmRun] = []
    sizes = (*arms_per_heat(len(starters))[1:], 0)
    field = starters
    for epochs, places in zip(each, sizes, strict=True):
        heat = [_train_arm(context, arm, epochs, linear, evidence) for arm in field]
        ran += heat
        if places:
            counts = [int(one.right.sum()) for one in heat]
            field = tuple(field[arm] for arm in select_survivors(counts, places))
    return ran


def _train_arm(
    context: FitContext,
    arm: HalvingArm,
    epochs: int,
    linear: BackboneFeatures | None,
    evidence: Evidence,
) -> _ArmRun:
    """One arm's training; one that diverges counts as having no image correct."""
    plan = replace(arm.plan, epochs=replace(arm.plan.epochs, value=epochs))
    trial = train_beside(context, f"race-{arm.name}-{epochs}", plan, linear, evidence)
    if trial is None:
        nothing = np.zeros(len(context.data.val), np.bool_)
        return _ArmRun(arm=arm, epochs=epochs, history=None, right=nothing)
    return _ArmRun(arm=arm, epochs=epochs, history=trial.history, right=trial.right)


def _with_race_reason(plan: Plan, said: Sentence) -> Plan:
    """The plan with a sentence on the result before its last reason, which says what to do."""
    before, last = plan.because[:-1], plan.because[-1:]
    if last and last[0].code == "choose.train":
        last = (training_reason(plan.strategy.value, plan.epochs.value),)
    return replace(plan, because=(*before, said, *last))


def _shorten_plan(plan: Plan, spent: int) -> Plan:
    """The plan with the epochs that successive halving left."""
    if plan.epochs.ground == "asked":
        return plan
    full = plan.epochs.value
    why = say(
        "race.epochs",
        "{full} epochs fit in the time; successive halving took {spent} of them",
        full=full,
        spent=spent,
    )
    return replace(plan, epochs=Choice(value=full - spent, why=why, ground="measured"))


def _with_measured_reason(new: Plan, old: Plan, verdict: Sentence) -> Plan:
    """The arm's plan; the reason of the choice that it changed states the measurement."""
    if new.learning_rate != old.learning_rate:
        return replace(new, learning_rate=replace(new.learning_rate, why=verdict))
    return replace(new, augment=replace(new.augment, why=verdict))


def _nothing_to_race_reason() -> Sentence:
    return say(
        "race.nothing",
        "Successive halving was skipped: you have set everything that it would choose.",
    )


def _too_short_reason(plan: Plan, starters: int) -> Sentence:
    return say(
        "race.too_short",
        "Successive halving was skipped: {epochs} epochs are too few to compare {arms} "
        "settings, since all rounds must fit in a quarter of them.",
        epochs=plan.epochs.value,
        arms=starters,
    )


def _verdict(data: FitData, rival: _ArmRun, recipe: _ArmRun, wins: bool) -> Sentence:
    return say(
        "race.won" if wins else "race.lost",
        "Successive halving, {epochs} epochs: {what} differs from the default recipe by "
        "{points:+.1f} points (95% CI {low:+.1f} to {high:+.1f}), so it is used."
        if wins
        else "Successive halving, {epochs} epochs: {what} differs from the default recipe by "
        "{points:+.1f} points (95% CI {low:+.1f} to {high:+.1f}), which is not significant, so "
        "the default recipe is kept.",
        epochs=rival.epochs,
        what=rival.arm.what.text,
        **gain_in_points(data, rival.right, recipe.right),
    )


def _describe_run(one: _ArmRun) -> Sentence:
    return say(
        "race.met",
        "Successive halving, {epochs} epochs: {what} predicts {right} of {n} validation images "
        "correctly.",
        epochs=one.epochs,
        what=one.arm.what.text,
        right=int(one.right.sum()),
        n=len(one.right),
    )


def _make_trial(data: FitData, one: _ArmRun, kept: bool, why: Sentence) -> Trial:
    plan = one.arm.plan
    settings: dict[str, Figure] = {
        "epochs": one.epochs,
        "arm": one.arm.name,
        "learning_rate": plan.learning_rate.value,
    }
    return make_paired_trial_line(data, plan, one.history, one.right, settings, kept=kept, why=why)
