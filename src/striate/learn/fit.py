"""The procedure: measure, choose, train, and keep what held-out images prefer."""

from dataclasses import replace
from functools import partial

import numpy as np

from striate.learn.check_options import refuse_unfit
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.finetune.gradient_training import learn_by_steps
from striate.learn.finetune.lr_range_test import with_found_rate
from striate.learn.finetune.second_training import or_next_best
from striate.learn.finetune.successive_halving import raced
from striate.learn.gather_evidence import gather_evidence
from striate.learn.linear.backbones import best_network, probe_first
from striate.learn.linear.linear_model import Linear, fit_on, linear_classifier, refit
from striate.learn.linear.suspect_images import doubts_of, publish_outliers
from striate.learn.linear.target_fit import learn_targets
from striate.learn.override_cost import with_cost, with_idle
from striate.metrics.calibration import calibrated, choose_calibration
from striate.predict.classifier import Classifier, copy_with
from striate.probe.ridge import RidgeFit
from striate.probe.stage_probes import Probed
from striate.store.files import of_json
from striate.store.plan_files import PLAN
from striate.strategy.choose import choose
from striate.strategy.plans import linear_plan
from striate.values import CLOSED_FORM, Calibration, Choice, Evidence, Plan, Rows


def learn(context: FitContext) -> FitResult:
    """The best model that the budget and the held-out images allow."""
    return with_idle(
        context,
        _learn_label(context) if context.data.index.task == "label" else learn_targets(context),
    )


def _learn_label(context: FitContext) -> FitResult:
    port = context.port
    refuse_unfit(context)
    linear = probe_first(context) if _needs_pretrained(context) else None
    if linear is not None:
        port.usable(_first(context, linear, linear.probed))
        linear = best_network(context, linear)
        port.publish("doubts.csv", doubts_of(context.data, linear))
        publish_outliers(context, linear.table)
    evidence = port.keep(
        "measured.json", lambda: gather_evidence(context, linear), of_json(Evidence)
    )
    plan = port.keep(
        "chosen.json", lambda: _plan(context, evidence), PLAN, also=context.budget.minutes
    )
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = with_found_rate(context, plan, linear, evidence)
        plan, evidence = raced(context, plan, linear, evidence)
    port.publish("evidence.json", evidence)
    port.publish("plan.json", plan)
    if plan.strategy.value in CLOSED_FORM:
        assert linear is not None
        return with_cost(context, linear, _closed_form(context, linear, plan, evidence))
    if linear is None:
        return with_cost(context, None, learn_by_steps(context, plan, evidence, None, None))
    exact = partial(_exact, context, linear)
    learned = learn_by_steps(context, plan, evidence, linear, exact)
    learned = or_next_best(context, learned, plan.strategy.value, linear, exact)
    return with_cost(context, linear, learned)


def _exact(
    context: FitContext, linear: Linear, evidence: Evidence, choice: Choice[str]
) -> FitResult:
    plan = linear_plan(evidence, context.options, context.machine, choice)
    return _closed_form(context, linear, plan, evidence)


def _needs_pretrained(context: FitContext) -> bool:
    strategy = context.given_plan.strategy.value if context.given_plan else context.options.strategy
    return strategy != "scratch"


def _first(context: FitContext, linear: Linear, probed: Probed) -> Classifier:
    return linear_classifier(context, linear, probed.best.taps, probed.fit)


def _plan(context: FitContext, evidence: Evidence) -> Plan:
    if context.given_plan is not None:
        return context.given_plan
    plan = choose(evidence, context.budget.seconds_left(), context.options, context.machine)
    return replace(plan, because=(*evidence.notes, *plan.because))


def _closed_form(context: FitContext, linear: Linear, plan: Plan, evidence: Evidence) -> FitResult:
    """The linear model fitted on training and validation images; judged on validation without."""
    data = context.data
    found = None
    if len(data.val):
        fit = fit_on(data, linear.table, plan.taps.value, data.train, plan.balance.value)
        scores = fit.scores(linear.table.of(data.val, plan.taps.value))
        found = calibrated(scores, fit.temperature, _calibration(data, fit, data.train))
    classifier, plan, fit = refit(context, linear, plan)
    how = _calibration(data, fit, np.sort(np.concatenate([data.train, data.val])))
    return FitResult(
        classifier=copy_with(classifier, calibration=how),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=linear.table,
        left_out=calibrated(fit.loo_scores, fit.temperature, how),
    )


def _calibration(data: FitData, fit: RidgeFit, rows: Rows) -> Calibration:
    """What the left-out scores of the rows that a model learnt from prefer."""
    labels, groups = data.labels[rows], data.groups[rows]
    return choose_calibration(fit.loo_scores, labels, groups, fit.temperature, data.seed)
