"""Trials of remedies: short trainings from the same start, kept only if they helped."""

from dataclasses import dataclass, replace

from striate.diagnose import (
    CURVE_FAULTS,
    MIN_EPOCHS,
    history_curves,
    history_fit,
    run_curve_checks,
)
from striate.diagnose.underfitting import errors_also_on_training
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.finetune.paired_trial import (
    Truths,
    chance_of_better,
    correct_predictions,
    gain_in_points,
    make_paired_trial_line,
    train_beside,
)
from striate.learn.linear.linear_model import BackboneFeatures
from striate.learn.task import task_spec
from striate.store.files import json_codec
from striate.strategy.expected_gain import GATE_LEVEL
from striate.strategy.remedies import Remedy, remedies_for
from striate.values import Figure, History, Plan, Sentence, Trial, say

# Of the time that is left; the rest is for what trials cost beside their epochs.
SHARE = 0.8
LEAST_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedySchedule:
    """The fault to be remedied and the epochs of each trial; no remedies if there is no time."""

    code: str
    epochs: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _RemedyTrial:
    """A remedy's result: the trial, and which validation images it predicted correctly."""

    remedy: Remedy
    trial: FitResult
    right: Truths


def try_remedies(
    context: FitContext, learned: FitResult, linear: BackboneFeatures | None
) -> FitResult:
    """The trained model, or a better one if a remedy helped on the validation images.

    Every trial has the training's initial weights and sees the same images in the same order. It is
    compared with the training, or, if there is time for fewer epochs only, with a training of the
    same plan and as few epochs. A remedy helps if the paired sign test says so, with the gate's
    level divided among all that were tried. The best is then trained in full and must beat the
    current model. For several labels or a number nothing is tried, since the sign test counts
    correct images.
    """
    data = context.data
    given = context.given_plan is not None and not context.options.remedy
    if learned.history is None or not len(data.val) or context.options.no_remedy or given:
        return learned
    if task_spec(data).correct is None:
        return learned
    # What the clock decided stays decided where the run is gone on with.
    decided = context.port.keep(
        "remedies.json", lambda: _schedule_trials(context, learned), json_codec(RemedySchedule)
    )
    if not decided.epochs:
        return learned
    full = learned.plan.epochs.value
    trials: list[_RemedyTrial] = []
    for remedy in remedies_for(decided.code, learned.plan):
        plan = _trial_plan(remedy.plan, decided.epochs, full)
        trial = _train_remedy(context, plan, remedy.name, learned, linear)
        if trial is not None:
            trials.append(
                _RemedyTrial(remedy=remedy, trial=trial, right=_correct_predictions(data, trial))
            )
    control = learned
    if decided.epochs < full:
        short = _train_remedy(
            context, _trial_plan(learned.plan, decided.epochs, full), "control", learned, linear
        )
        control = short or learned
    return _choose_result(
        context, learned, linear, trials, _correct_predictions(data, control), decided
    )


def gravest_fault(history: History, classes: int = 0) -> str:
    """The most severe fault in a training's learning curves; empty if there is none.

    If a training is too short for curves, its best epoch is tested for underfitting.
    """
    findings = run_curve_checks(history_curves(history, classes=classes))
    found = {finding.code for finding in findings if finding.outcome == "found"}
    code = next((code for code in CURVE_FAULTS if code in found), "")
    if code or len(history.epochs) >= MIN_EPOCHS:
        return code
    fit = history_fit(history)
    return "underfitting" if fit is not None and errors_also_on_training(*fit) else ""


def _schedule_trials(context: FitContext, learned: FitResult) -> RemedySchedule:
    """The fault to be remedied and the epochs per trial: all of them, or what time allows."""
    history, plan = learned.history, learned.plan
    assert history is not None
    code, full = gravest_fault(history, len(plan.classes)), plan.epochs.value
    remedies = remedies_for(code, plan)
    if not remedies or context.options.remedy:
        return RemedySchedule(code=code, epochs=full if remedies else 0)
    left = SHARE * context.training_seconds(learned.evidence, plan.strategy.value)
    seconds = sum(epoch.seconds for epoch in history.epochs) / len(history.epochs)
    costs = sum(remedy.plan.epochs.value / full for remedy in remedies)
    if left >= seconds * full * costs:
        return RemedySchedule(code=code, epochs=full)
    # The control and the last training, in full, have to fit too.
    short = int((left / seconds - full) / (costs + 1))
    return RemedySchedule(code=code, epochs=short if short >= max(3, LEAST_SHARE * full) else 0)


def _choose_result(
    context: FitContext,
    learned: FitResult,
    linear: BackboneFeatures | None,
    trials: list[_RemedyTrial],
    old: Truths,
    decided: RemedySchedule,
) -> FitResult:
    """The training with its trials recorded, or the remedy that beat it."""
    data = context.data
    best, best_why = None, None
    told: list[Sentence] = []
    lines: list[Trial] = []
    for each in sorted(trials, key=lambda each: -int(each.right.sum())):
        helped = chance_of_better(data, each.right, old) < GATE_LEVEL / len(trials)
        why = _describe_trial(data, each, old, helped)
        if helped and best is None:
            best, best_why = each, why
        told.append(why)
        lines.append(_make_trial(data, each, helped, why))
    plan = replace(learned.plan, because=(*learned.plan.because, *told))
    evidence = replace(learned.evidence, trials=(*learned.evidence.trials, *lines))
    learned = replace(learned, plan=plan, evidence=evidence)
    if best is None or best_why is None:
        return learned
    new = _train_remedy(context, best.remedy.plan, best.remedy.name, learned, linear, publish=True)
    if new is None:
        return learned
    chance = chance_of_better(
        data, _correct_predictions(data, new), _correct_predictions(data, learned)
    )
    if chance >= GATE_LEVEL:
        return learned
    why = say(
        "remedy.adopted",
        "To treat {fault}, {what} was adopted: {new} of {n} validation images are predicted "
        "correctly, {old} before.",
        fault=decided.code.replace("_", " "),
        what=best.remedy.what.text,
        new=int(_correct_predictions(data, new).sum()),
        old=int(_correct_predictions(data, learned).sum()),
        n=len(data.val),
    )
    plan = replace(new.plan, because=(*plan.because, why))
    return replace(new, plan=plan, evidence=evidence)


def _train_remedy(
    context: FitContext,
    plan: Plan,
    name: str,
    learned: FitResult,
    linear: BackboneFeatures | None,
    *,
    publish: bool = False,
) -> FitResult | None:
    """A training from the same initial weights; None if it diverged.

    One that was already trained in full is resumed from its checkpoint.
    """
    name = f"remedy-{name}-{plan.epochs.value}"
    trial = train_beside(context, name, plan, linear, learned.evidence, publish=publish)
    if trial is None:
        return None
    return replace(
        learned,
        classifier=trial.classifier,
        history=trial.history,
        plan=trial.plan,
        val_probabilities=trial.val_probabilities,
    )


def _trial_plan(plan: Plan, epochs: int, full: int) -> Plan:
    """The plan of a trial, with its reduced number of epochs."""
    count = max(1, round(plan.epochs.value * epochs / full))
    steps = round(plan.steps.value * count / plan.epochs.value)
    return replace(
        plan,
        epochs=replace(plan.epochs, value=count),
        steps=replace(plan.steps, value=steps),
    )


def _correct_predictions(data: FitData, learned: FitResult) -> Truths:
    assert learned.val_probabilities is not None
    return correct_predictions(data, learned.val_probabilities)


def _describe_trial(data: FitData, each: _RemedyTrial, old: Truths, helped: bool) -> Sentence:
    return say(
        "remedy.helped" if helped else "remedy.no_help",
        "In a trial of {epochs} epochs, {what} changed the validation accuracy by {points:+.1f} "
        "points (95% CI {low:+.1f} to {high:+.1f}): it helps."
        if helped
        else "In a trial of {epochs} epochs, {what} changed the validation accuracy by "
        "{points:+.1f} points (95% CI {low:+.1f} to {high:+.1f}): no significant gain.",
        epochs=each.trial.plan.epochs.value,
        what=each.remedy.what.text,
        **gain_in_points(data, each.right, old),
    )


def _make_trial(data: FitData, each: _RemedyTrial, helped: bool, why: Sentence) -> Trial:
    plan = each.trial.plan
    settings: dict[str, Figure] = {"epochs": plan.epochs.value, "remedy": each.remedy.name}
    return make_paired_trial_line(
        data, plan, each.trial.history, each.right, settings, kept=helped, why=why
    )
