"""Successive halving of a few settings against the recipe, all from the same initial weights."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.errors import StriateError
from striate.learn.context import FitContext, FitData
from striate.learn.finetune.train_plan import predict_rows, train_plan
from striate.learn.linear.linear_model import LinearProbes
from striate.learn.side_run import side_run
from striate.metrics import intervals
from striate.strategy.choose import training_reason
from striate.strategy.expected_gain import GATE_LEVEL
from striate.strategy.halving_schedule import (
    HalvingArm,
    arms_per_heat,
    make_arms,
    plan_heats,
    select_survivors,
)
from striate.values import Choice, Evidence, History, Plan, Sentence, Trial, say

Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ArmRun:
    """An arm's result in one heat, and which validation images it predicted correctly."""

    arm: HalvingArm
    epochs: int
    history: History | None
    right: Truths


def race_settings(
    context: FitContext, plan: Plan, linear: LinearProbes | None, evidence: Evidence
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
    groups = data.groups[data.val]
    wins = intervals.sign_test_better(rival.right, recipe.right, groups) < GATE_LEVEL
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
    linear: LinearProbes | None,
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
    linear: LinearProbes | None,
    evidence: Evidence,
) -> _ArmRun:
    """One arm's training; one that diverges counts as having no image correct."""
    data = context.data
    plan = replace(arm.plan, epochs=replace(arm.plan.epochs, value=epochs))
    beside = side_run(context, f"race-{arm.name}-{epochs}")
    history, right = None, np.zeros(len(data.val), np.bool_)
    try:
        classifier, history, plan = train_plan(beside, plan, linear, evidence)
        right = predict_rows(data, classifier, data.val).argmax(axis=1) == data.labels[data.val]
    except StriateError:
        pass
    return _ArmRun(arm=arm, epochs=epochs, history=history, right=right)


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
        "race.epochs", "{full} fit the time, of which the race took {spent}", full=full, spent=spent
    )
    return replace(plan, epochs=Choice(value=full - spent, why=why, ground="measured"))


def _with_measured_reason(new: Plan, old: Plan, verdict: Sentence) -> Plan:
    """The arm's plan; the reason of the choice that it changed states the measurement."""
    if new.learning_rate != old.learning_rate:
        return replace(new, learning_rate=replace(new.learning_rate, why=verdict))
    return replace(new, augment=replace(new.augment, why=verdict))


def _nothing_to_race_reason() -> Sentence:
    return say("race.nothing", "You asked for everything that a race would choose.")


def _too_short_reason(plan: Plan, starters: int) -> Sentence:
    return say(
        "race.too_short",
        "{epochs} epochs are too few to race {arms} settings: a quarter of them must hold all "
        "heats.",
        epochs=plan.epochs.value,
        arms=starters,
    )


def _verdict(data: FitData, rival: _ArmRun, recipe: _ArmRun, wins: bool) -> Sentence:
    groups = data.groups[data.val]
    gain = intervals.paired_difference(rival.right, recipe.right, groups, seed=data.seed)
    return say(
        "race.won" if wins else "race.lost",
        "Raced over {epochs} epochs, {what} is {points:+.1f} points from the recipe (95% interval "
        "{low:+.1f} to {high:+.1f}): it is taken."
        if wins
        else "Raced over {epochs} epochs, {what} is {points:+.1f} points from the recipe (95% "
        "interval {low:+.1f} to {high:+.1f}), which may be chance: the recipe is kept.",
        epochs=rival.epochs,
        what=rival.arm.what.text,
        points=100 * gain.value,
        low=100 * gain.low,
        high=100 * gain.high,
    )


def _describe_run(one: _ArmRun) -> Sentence:
    return say(
        "race.met",
        "Raced over {epochs} epochs, {what} got {right} of {n} validation images right.",
        epochs=one.epochs,
        what=one.arm.what.text,
        right=int(one.right.sum()),
        n=len(one.right),
    )


def _make_trial(data: FitData, one: _ArmRun, kept: bool, why: Sentence) -> Trial:
    plan, epochs = one.arm.plan, one.history.epochs if one.history else ()
    return Trial(
        strategy=plan.strategy.value,
        net=plan.net.value,
        settings={
            "epochs": one.epochs,
            "arm": one.arm.name,
            "learning_rate": plan.learning_rate.value,
        },
        accuracy=intervals.accuracy_interval(one.right, data.groups[data.val], data.seed),
        log_loss=min((epoch.val_loss for epoch in epochs), default=0.0),
        epochs=len(epochs),
        seconds=sum(epoch.seconds for epoch in epochs),
        kept=kept,
        why=why,
    )
