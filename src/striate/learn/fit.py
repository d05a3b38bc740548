"""The procedure of a fit: gather evidence, choose a plan, train, gate on held-out images."""

from dataclasses import replace
from functools import partial

import numpy as np

from striate.learn.check_options import check_requested_network, lacks_pretrained_weights
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.finetune.gradient_training import train_by_gradient
from striate.learn.finetune.lr_range_test import apply_lr_range_test
from striate.learn.finetune.second_training import try_second_strategy
from striate.learn.finetune.successive_halving import race_settings
from striate.learn.gather_evidence import gather_evidence
from striate.learn.linear.backbones import choose_backbone, probe_first_backbone
from striate.learn.linear.linear_model import (
    LinearProbes,
    fit_ridge_on_taps,
    linear_classifier,
    refit_linear,
)
from striate.learn.linear.suspect_images import find_label_errors, publish_outliers
from striate.learn.linear.target_fit import fit_targets
from striate.learn.override_cost import add_ignored_settings, add_override_cost
from striate.metrics.probability_calibration import calibrate_scores, choose_calibration
from striate.predict.classifier import Classifier, copy_with
from striate.probe.ridge import RidgeFit
from striate.probe.stage_probes import ProbeResults
from striate.store.files import json_codec
from striate.store.plan_files import PLAN
from striate.strategy.choose import choose_plan
from striate.strategy.plans import linear_plan
from striate.values import CLOSED_FORM, Calibration, Choice, Evidence, Plan, Rows


def fit_model(context: FitContext) -> FitResult:
    """The best model that the budget allows, as judged on held-out images."""
    return add_ignored_settings(
        context,
        _fit_label(context) if context.data.index.task == "label" else fit_targets(context),
    )


def _fit_label(context: FitContext) -> FitResult:
    port = context.port
    check_requested_network(context)
    linear = probe_first_backbone(context) if _needs_pretrained(context) else None
    if linear is not None:
        port.usable(_first_classifier(context, linear, linear.probed))
        linear = choose_backbone(context, linear)
        port.publish("doubts.csv", find_label_errors(context.data, linear))
        publish_outliers(context, linear.table)
    evidence = port.keep(
        "measured.json", lambda: gather_evidence(context, linear), json_codec(Evidence)
    )
    plan = port.keep(
        "chosen.json", lambda: _make_plan(context, evidence), PLAN, also=context.budget.minutes
    )
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = apply_lr_range_test(context, plan, linear, evidence)
        plan, evidence = race_settings(context, plan, linear, evidence)
    port.publish("evidence.json", evidence)
    port.publish("plan.json", plan)
    if plan.strategy.value in CLOSED_FORM:
        assert linear is not None
        return add_override_cost(context, linear, _fit_closed_form(context, linear, plan, evidence))
    if linear is None:
        return add_override_cost(
            context, None, train_by_gradient(context, plan, evidence, None, None)
        )
    exact = partial(_fit_exact, context, linear)
    learned = train_by_gradient(context, plan, evidence, linear, exact)
    learned = try_second_strategy(context, learned, plan.strategy.value, linear, exact)
    return add_override_cost(context, linear, learned)


def _fit_exact(
    context: FitContext, linear: LinearProbes, evidence: Evidence, choice: Choice[str]
) -> FitResult:
    plan = linear_plan(evidence, context.options, context.machine, choice)
    return _fit_closed_form(context, linear, plan, evidence)


def _needs_pretrained(context: FitContext) -> bool:
    if context.given_plan:
        return context.given_plan.strategy.value != "scratch"
    strategy = context.options.strategy
    return strategy != "scratch" and not lacks_pretrained_weights(context.options)


def _first_classifier(
    context: FitContext, linear: LinearProbes, probed: ProbeResults
) -> Classifier:
    return linear_classifier(context, linear, probed.best.taps, probed.fit)


def _make_plan(context: FitContext, evidence: Evidence) -> Plan:
    if context.given_plan is not None:
        return context.given_plan
    plan = choose_plan(evidence, context.budget.seconds_left(), context.options, context.machine)
    return replace(plan, because=(*evidence.notes, *plan.because))


def _fit_closed_form(
    context: FitContext, linear: LinearProbes, plan: Plan, evidence: Evidence
) -> FitResult:
    """The linear model fitted on training and validation images together.

    Its `val_probabilities` are those of the fit on training images alone.
    """
    data = context.data
    found = None
    if len(data.val):
        fit = fit_ridge_on_taps(data, linear.table, plan.taps.value, data.train, plan.balance.value)
        scores = fit.scores(linear.table.of(data.val, plan.taps.value))
        found = calibrate_scores(
            scores, fit.temperature, _choose_calibration(data, fit, data.train)
        )
    classifier, plan, fit = refit_linear(context, linear, plan)
    how = _choose_calibration(data, fit, np.sort(np.concatenate([data.train, data.val])))
    return FitResult(
        classifier=copy_with(classifier, calibration=how),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=linear.table,
        left_out=calibrate_scores(fit.loo_scores, fit.temperature, how),
    )


def _choose_calibration(data: FitData, fit: RidgeFit, rows: Rows) -> Calibration:
    """The calibration that leave-one-out scores of the training rows prefer."""
    labels, groups = data.labels[rows], data.groups[rows]
    return choose_calibration(fit.loo_scores, labels, groups, fit.temperature, data.seed)
