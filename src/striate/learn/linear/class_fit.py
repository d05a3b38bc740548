"""One label: what is read and probed, chosen, solved in closed form, and which images look odd."""

import numpy as np

from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.linear.backbones import choose_backbone, probe_first_backbone
from striate.learn.linear.linear_model import (
    LinearProbes,
    fit_ridge_on_taps,
    linear_classifier,
    refit_linear,
)
from striate.metrics.intervals import softmax
from striate.metrics.probability_calibration import calibrate_scores, choose_calibration
from striate.predict.classifier import Classifier, copy_with
from striate.probe.features import FeatureTable
from striate.probe.outlier_scores import find_outliers, rank_label_errors
from striate.probe.ridge import RidgeFit
from striate.strategy.choose import choose_plan
from striate.strategy.plans import linear_plan
from striate.values import Calibration, Choice, Doubt, Evidence, Plan, Rows
from striate.values.seeds import sample_rows


def read_and_probe(context: FitContext) -> LinearProbes:
    """The pretrained network that reads the images best; a usable model stands after the first."""
    first = probe_first_backbone(context)
    context.port.usable(probed_classifier(context, first))
    linear = choose_backbone(context, first)
    context.port.publish("doubts.csv", find_label_errors(context.data, linear))
    return linear


def probed_classifier(context: FitContext, linear: LinearProbes) -> Classifier:
    """The linear model that the best probe is, of training images alone."""
    return linear_classifier(context, linear, linear.probed.best.taps, linear.probed.fit)


def choose_class_plan(context: FitContext, evidence: Evidence) -> Plan:
    """The plan that the evidence is for, in the time that is left."""
    return choose_plan(evidence, context.budget.seconds_left(), context.options, context.machine)


def plan_exact(context: FitContext, evidence: Evidence, choice: Choice[str]) -> Plan:
    """The plan of the linear model that a training is held against."""
    return linear_plan(evidence, context.options, context.machine, choice)


def fit_closed_form(
    context: FitContext, linear: LinearProbes, plan: Plan, evidence: Evidence
) -> FitResult:
    """The linear model fitted on training and validation images; judged on validation without."""
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
    """What the left-out scores of the rows that a model learnt from prefer."""
    labels, groups = data.labels[rows], data.groups[rows]
    return choose_calibration(fit.loo_scores, labels, groups, fit.temperature, data.seed)


MAX_LISTED = 1_000  # images
MAX_COMPARED = 5_000  # images


def find_label_errors(data: FitData, linear: LinearProbes) -> tuple[Doubt, ...]:
    """The most suspect training and validation labels, at most `MAX_LISTED`.

    Training images are predicted by the leave-one-(group-)out fit, validation images by the fit on
    training images alone. Test images are not used.
    """
    probed = linear.probed
    scores = np.concatenate([probed.fit.loo_scores, probed.val_scores])
    rows = np.concatenate([data.train, data.val])
    probabilities = softmax(scores, probed.fit.temperature)
    return rank_label_errors(probabilities, data.index, rows)[:MAX_LISTED]


def publish_outliers(context: FitContext, table: FeatureTable) -> None:
    """Publish the outliers among the training and validation images.

    A random sample if there are many images. Skipped within a fold, since all images together tell
    more.
    """
    data = context.data
    rows = np.sort(np.concatenate([data.train, data.val]))
    if len(rows) < len(data.feature_rows):
        return
    rows = sample_rows(rows, MAX_COMPARED, data.seed, "outliers")
    found = find_outliers(table.stages(rows), data.index, rows, data.groups[rows])
    context.port.publish("outliers.csv", found[:MAX_LISTED])
