"""The procedure: measure, choose, train, and keep what held-out images prefer."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate import statistics
from striate.classifier import Classifier
from striate.learn.asked import refuse_unfit
from striate.learn.doubting import doubts_of, publish_outliers
from striate.learn.finding import with_found_rate
from striate.learn.job import Job, Learned
from striate.learn.linear import Linear, fit_on, linear_classifier, probe_pretrained, refit
from striate.learn.measure import gather_evidence
from striate.learn.mending import train_or_mend
from striate.learn.refitting import refitted
from striate.learn.remedying import remedied
from striate.learn.targets import learn_targets
from striate.learn.tuned import probabilities
from striate.probe.evidence import Probed
from striate.store.files import of_json
from striate.store.plans import PLAN
from striate.strategy.choose import choose
from striate.strategy.plans import linear_plan
from striate.strategy.promise import GATE_LEVEL
from striate.train.diverging import DivergedError
from striate.values import Choice, Evidence, Interval, Plan, Sentence, Trial, say

CLOSED_FORM = ("linear", "layers")


def learn(job: Job) -> Learned:
    """The best model that the budget and the held-out images allow."""
    if job.index.task != "label":
        return learn_targets(job)
    refuse_unfit(job)
    linear = probe_pretrained(job) if _needs_pretrained(job) else None
    if linear is not None:
        job.usable(_first(job, linear, linear.probed))
        job.publish("doubts.csv", doubts_of(job, linear))
        publish_outliers(job, linear.table)
    evidence = job.keep("measured.json", lambda: gather_evidence(job, linear), of_json(Evidence))
    plan = job.keep("chosen.json", lambda: _plan(job, evidence), PLAN, also=job.minutes)
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = with_found_rate(job, plan, linear, evidence)
    job.publish("evidence.json", evidence)
    job.publish("plan.json", plan)
    if plan.strategy.value in CLOSED_FORM:
        assert linear is not None
        return _closed_form(job, linear, plan, evidence)
    try:
        trained, history, plan = train_or_mend(job, plan, linear, evidence)
    except DivergedError as fault:
        if linear is None or plan.strategy.ground == "asked":
            raise
        return _instead(job, linear, plan, evidence, fault)
    found = probabilities(job, trained, job.val) if len(job.val) else None
    learned = Learned(
        classifier=trained,
        plan=plan,
        evidence=evidence,
        history=history,
        val_probabilities=found,
    )
    learned = refitted(job, remedied(job, learned, linear))
    found = learned.val_probabilities
    if linear is None or found is None or plan.strategy.ground == "asked":
        return learned
    return _gate(job, linear, learned)


def _needs_pretrained(job: Job) -> bool:
    strategy = job.given_plan.strategy.value if job.given_plan else job.options.strategy
    return strategy != "scratch"


def _first(job: Job, linear: Linear, probed: Probed) -> Classifier:
    return linear_classifier(job, linear, probed.best.taps, probed.fit)


def _plan(job: Job, evidence: Evidence) -> Plan:
    if job.given_plan is not None:
        return job.given_plan
    return choose(evidence, job.seconds_left(), job.options, job.machine)


def _closed_form(job: Job, linear: Linear, plan: Plan, evidence: Evidence) -> Learned:
    """The linear model fitted on training and validation images; judged on validation without."""
    found = None
    if len(job.val):
        fit = fit_on(job, linear.table, plan.taps.value, job.train, plan.balance.value)
        found = fit.probabilities(linear.table.of(job.val, plan.taps.value))
    classifier, plan, fit = refit(job, linear, plan)
    return Learned(
        classifier=classifier,
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=linear.table,
        left_out=statistics.softmax(fit.loo_scores, fit.temperature),
    )


def _instead(
    job: Job, linear: Linear, plan: Plan, evidence: Evidence, fault: DivergedError
) -> Learned:
    """The linear model, where the training diverged twice before its first epoch was done."""
    why = say(
        "gate.diverged",
        "The training diverged at step {step} of its second try too: the linear model is "
        "delivered.",
        step=fault.step,
    )
    choice = Choice(value="linear", why=why, ground="measured")
    learned = _closed_form(
        job, linear, linear_plan(evidence, job.options, job.machine, choice), evidence
    )
    return replace(learned, plan=replace(learned.plan, because=(*plan.because, why)))


def _gate(job: Job, linear: Linear, learned: Learned) -> Learned:
    """The trained model if it is better on the validation images, else the exact linear one.

    Better means a one-sided paired sign test with mid-p below 0.1: on so few images a smaller
    difference is chance, and then the model with the cheaper and exact head is kept.
    """
    fallback = linear_plan(
        learned.evidence,
        job.options,
        job.machine,
        Choice(value="linear", why=say("gate.linear", "the exact head won"), ground="measured"),
    )
    exact = _closed_form(job, linear, fallback, learned.evidence)
    truth = job.labels[job.val]
    assert learned.val_probabilities is not None
    assert exact.val_probabilities is not None
    new = learned.val_probabilities.argmax(axis=1) == truth
    old = exact.val_probabilities.argmax(axis=1) == truth
    chance = statistics.better(new, old, job.groups[job.val])
    kept = chance < GATE_LEVEL
    why = _verdict(learned.plan, new, old, chance, kept)
    found = statistics.accuracy_interval(new, job.groups[job.val], job.options.seed)
    trial = _as_trial(learned, found, kept, why)
    evidence = replace(learned.evidence, trials=(*learned.evidence.trials, trial))
    if kept:
        plan = replace(learned.plan, because=(*learned.plan.because, why))
        return replace(learned, plan=plan, evidence=evidence)
    plan = replace(exact.plan, because=(*learned.plan.because, why))
    return replace(exact, plan=plan, evidence=evidence)


def _verdict(
    plan: Plan, new: NDArray[np.bool_], old: NDArray[np.bool_], chance: float, kept: bool
) -> Sentence:
    template = (
        "Trained, {strategy} got {new} of {n} validation images right and the linear model "
        "{old}: it is kept (chance of that by luck: {chance:.3f})."
        if kept
        else "Trained, {strategy} got {new} of {n} validation images right and the linear model "
        "{old}: not enough to tell from luck ({chance:.2f}), so the linear model is delivered."
    )
    return say(
        "gate.kept" if kept else "gate.not_kept",
        template,
        strategy=plan.strategy.value,
        new=int(new.sum()),
        old=int(old.sum()),
        n=len(new),
        chance=float(chance),
    )


def _as_trial(learned: Learned, found: Interval, kept: bool, why: Sentence) -> Trial:
    history = learned.history
    seconds = sum(epoch.seconds for epoch in history.epochs) if history else 0.0
    best = history.epochs[history.kept_epoch - 1] if history and history.kept_epoch else None
    return Trial(
        strategy=learned.plan.strategy.value,
        net=learned.plan.net.value,
        settings={"epochs": learned.plan.epochs.value, "lr": learned.plan.learning_rate.value},
        accuracy=found,
        log_loss=best.val_loss if best else 0.0,
        epochs=len(history.epochs) if history else 0,
        seconds=seconds,
        kept=kept,
        why=why,
    )
