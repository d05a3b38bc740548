"""The procedure: measure, choose, train, and keep what held-out images prefer."""

from dataclasses import replace
from functools import partial

import numpy as np

from striate.calibration import calibrated, choose_calibration
from striate.classifier import Classifier, copy_with
from striate.learn.asked import refuse_unfit
from striate.learn.doubting import doubts_of, publish_outliers
from striate.learn.finding import with_found_rate
from striate.learn.forcing import with_cost, with_idle
from striate.learn.job import Job, Learned
from striate.learn.linear import Linear, fit_on, linear_classifier, refit
from striate.learn.measure import gather_evidence
from striate.learn.networks import best_network, probe_first
from striate.learn.next_best import or_next_best
from striate.learn.racing import raced
from striate.learn.stepping import learn_by_steps
from striate.learn.targets import learn_targets
from striate.probe.evidence import Probed
from striate.probe.ridge import RidgeFit
from striate.store.files import of_json
from striate.store.plans import PLAN
from striate.strategy.choose import choose
from striate.strategy.plans import linear_plan
from striate.values import CLOSED_FORM, Calibration, Choice, Evidence, Plan, Rows


def learn(job: Job) -> Learned:
    """The best model that the budget and the held-out images allow."""
    return with_idle(job, _learn_label(job) if job.index.task == "label" else learn_targets(job))


def _learn_label(job: Job) -> Learned:
    refuse_unfit(job)
    linear = probe_first(job) if _needs_pretrained(job) else None
    if linear is not None:
        job.usable(_first(job, linear, linear.probed))
        linear = best_network(job, linear)
        job.publish("doubts.csv", doubts_of(job, linear))
        publish_outliers(job, linear.table)
    evidence = job.keep("measured.json", lambda: gather_evidence(job, linear), of_json(Evidence))
    plan = job.keep("chosen.json", lambda: _plan(job, evidence), PLAN, also=job.minutes)
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = with_found_rate(job, plan, linear, evidence)
        plan, evidence = raced(job, plan, linear, evidence)
    job.publish("evidence.json", evidence)
    job.publish("plan.json", plan)
    if plan.strategy.value in CLOSED_FORM:
        assert linear is not None
        return with_cost(job, linear, _closed_form(job, linear, plan, evidence))
    if linear is None:
        return with_cost(job, None, learn_by_steps(job, plan, evidence, None, None))
    exact = partial(_exact, job, linear)
    learned = learn_by_steps(job, plan, evidence, linear, exact)
    learned = or_next_best(job, learned, plan.strategy.value, linear, exact)
    return with_cost(job, linear, learned)


def _exact(job: Job, linear: Linear, evidence: Evidence, choice: Choice[str]) -> Learned:
    plan = linear_plan(evidence, job.options, job.machine, choice)
    return _closed_form(job, linear, plan, evidence)


def _needs_pretrained(job: Job) -> bool:
    strategy = job.given_plan.strategy.value if job.given_plan else job.options.strategy
    return strategy != "scratch"


def _first(job: Job, linear: Linear, probed: Probed) -> Classifier:
    return linear_classifier(job, linear, probed.best.taps, probed.fit)


def _plan(job: Job, evidence: Evidence) -> Plan:
    if job.given_plan is not None:
        return job.given_plan
    plan = choose(evidence, job.seconds_left(), job.options, job.machine)
    return replace(plan, because=(*evidence.notes, *plan.because))


def _closed_form(job: Job, linear: Linear, plan: Plan, evidence: Evidence) -> Learned:
    """The linear model fitted on training and validation images; judged on validation without."""
    found = None
    if len(job.val):
        fit = fit_on(job, linear.table, plan.taps.value, job.train, plan.balance.value)
        scores = fit.scores(linear.table.of(job.val, plan.taps.value))
        found = calibrated(scores, fit.temperature, _calibration(job, fit, job.train))
    classifier, plan, fit = refit(job, linear, plan)
    how = _calibration(job, fit, np.sort(np.concatenate([job.train, job.val])))
    return Learned(
        classifier=copy_with(classifier, calibration=how),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=linear.table,
        left_out=calibrated(fit.loo_scores, fit.temperature, how),
    )


def _calibration(job: Job, fit: RidgeFit, rows: Rows) -> Calibration:
    """What the left-out scores of the rows that a model learnt from prefer."""
    labels, groups = job.labels[rows], job.groups[rows]
    return choose_calibration(fit.loo_scores, labels, groups, fit.temperature, job.options.seed)
