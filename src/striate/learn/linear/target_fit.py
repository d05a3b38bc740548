"""Fit for several labels or a number: the exact head, and gradient training if it may be better.

Legend: `N` images, `K` labels (1 for a number).
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from striate.learn.check_options import check_requested_network, lacks_pretrained_weights
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.finetune.gradient_training import train_by_gradient
from striate.learn.finetune.lr_range_test import apply_lr_range_test
from striate.learn.gather_evidence import measure_training_speeds
from striate.learn.linear.backbone_sources import BackboneSource
from striate.learn.linear.backbones import first_available, sources_for_one
from striate.learn.linear.linear_model import (
    build_tapped_network,
    pretrained_spec,
    read_features,
    weight_notes,
)
from striate.learn.linear.suspect_images import publish_outliers
from striate.learn.linear.target_heads import Floats, solve_targets, target_classifier
from striate.metrics import target_metrics
from striate.metrics.intervals import sample_rows
from striate.predict.classifier import activate_outputs
from striate.probe.features import FeatureTable
from striate.probe.ridge import prepare_ridge
from striate.probe.similarity import measure_layer_shift
from striate.probe.stage_probes import tap_sets
from striate.store.files import json_codec
from striate.store.plan_files import PLAN
from striate.strategy.target_plans import choose_target_plan, exact_plan, strategy_to_train
from striate.train.head import Network
from striate.values import CLOSED_FORM, Choice, Evidence, Interval, Plan, Probe, Rows, Sentence

_DRAWS = 200  # bootstrap draws
_MOST_PROBED = 10_000  # images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Features:
    """A pretrained network and the features of its stages."""

    net: str
    weights: str | None
    input_size: int
    network: Network
    table: FeatureTable
    notes: tuple[Sentence, ...] = ()


def fit_targets(context: FitContext) -> FitResult:
    """The linear model on the stages that leave-one-out prefers, or a trained network if better."""
    port = context.port
    check_requested_network(context)
    given = context.given_plan
    asked = given.strategy.value if given else context.options.strategy
    alone = asked == "scratch" or (given is None and lacks_pretrained_weights(context.options))
    read = None if alone else _read_features(context)
    if read is not None:
        publish_outliers(context, read.table)
    evidence = port.keep(
        "measured.json", lambda: _gather_evidence(context, read), json_codec(Evidence)
    )
    plan = given or port.keep(
        "chosen.json", lambda: _make_plan(context, evidence), PLAN, also=context.budget.minutes
    )
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = apply_lr_range_test(context, plan, read, evidence)
    port.publish("evidence.json", evidence)
    port.publish("plan.json", plan)
    if read is None:
        return train_by_gradient(context, plan, evidence, None, None)
    if plan.strategy.value in CLOSED_FORM:
        return _fit_closed_form(context, read, plan, evidence)
    beside = _exact_plan(context, evidence, plan.strategy)
    first = solve_targets(context.data, read.table, beside.taps.value, context.data.train)
    port.usable(target_classifier(context, read.network, beside, first))
    return train_by_gradient(context, plan, evidence, read, partial(_fit_linear, context, read))


def _read_features(context: FitContext) -> _Features:
    """Features by the requested network, or by the bundled one if it is unavailable."""

    def features(offer: BackboneSource, size: int) -> _Features:
        network = build_tapped_network(context, offer.net, size, offer.weights)
        table = read_features(
            context, offer.net, network, size, context.data.feature_rows, "features.npz"
        )
        return _Features(
            net=offer.net,
            weights=offer.weights,
            input_size=size,
            network=network,
            table=table,
            notes=weight_notes(network),
        )

    found, notes = first_available(context, sources_for_one(context), features)
    return replace(found, notes=(*notes, *found.notes))


def _fit_closed_form(
    context: FitContext, read: _Features, plan: Plan, evidence: Evidence
) -> FitResult:
    """The linear model fitted on training and validation images together.

    Its `val_probabilities` are those of the fit on training images alone.
    """
    data = context.data
    taps = plan.taps.value
    by_train = solve_targets(data, read.table, taps, data.train)
    first = target_classifier(context, read.network, plan, by_train)
    context.port.usable(first)
    final, found = by_train, None
    if len(data.val):
        found = activate_outputs(first.spec, by_train.fit.scores(read.table.of(data.val, taps)))
        rows = np.sort(np.concatenate([data.train, data.val]))
        final = solve_targets(data, read.table, taps, rows)
    return FitResult(
        classifier=target_classifier(context, read.network, plan, final),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=read.table,
    )


def _fit_linear(
    context: FitContext, read: _Features, evidence: Evidence, choice: Choice[str]
) -> FitResult:
    """The linear model that a trained network must beat."""
    return _fit_closed_form(context, read, _exact_plan(context, evidence, choice), evidence)


def _exact_plan(context: FitContext, evidence: Evidence, choice: Choice[str]) -> Plan:
    """The plan of the linear model that a training is compared with."""
    linear = replace(choice, value="linear")
    return exact_plan(evidence, context.options, context.machine, linear, context.data.index.task)


def _make_plan(context: FitContext, evidence: Evidence) -> Plan:
    options, machine = context.options, context.machine
    plan = choose_target_plan(
        evidence, context.budget.seconds_left(), options, machine, context.data.index.task
    )
    return replace(plan, because=(*evidence.notes, *plan.because))


def _gather_evidence(context: FitContext, read: _Features | None) -> Evidence:
    """The probes, and the training speed of the possible strategies."""
    data = context.data
    targets, number = (
        data.index.targets()[data.train],
        data.index.task == "number",
    )
    probes, best = ((), "") if read is None else _probe_taps(context, read)
    counts = [len(data.train)] if number else targets.sum(axis=0)
    evidence = Evidence(
        probes=probes,
        best_probe=best,
        trials=(),
        speeds=_feature_speed(read),
        images_per_class=tuple(int(count) for count in counts),
        majority=0.0 if number else float(targets.mean()),
        image_size=data.cache.size,
        channels=data.cache.channels,
        resize=data.cache.resize,
        square=data.index.square,
        net=read.net if read else "",
        weights=read.weights or "" if read else "",
        notes=read.notes if read else (),
        input_size=read.input_size if read else 0,
        val_images=len(data.val),
        classes=data.index.classes,
        metric="r_squared" if number else "mean_average_precision",
    )
    if context.given_plan is not None:
        return evidence
    if read is not None and context.options.strategy == "auto" and len(data.val):
        spec = pretrained_spec(context, read.net, read.input_size, read.network.taps)
        shift = measure_layer_shift(read.network, data.cache, data.train, spec, data.seed)
        evidence = replace(evidence, shift=shift)
    name = strategy_to_train(evidence, context.options)
    speeds, precisions = measure_training_speeds(context, evidence, (name,) if name else ())
    return replace(evidence, speeds={**evidence.speeds, **speeds}, precisions=precisions)


def _feature_speed(read: _Features | None) -> dict[str, float]:
    if read is None or not read.table.seconds:
        return {}
    return {"features": len(read.table.rows) / read.table.seconds}


def _probe_taps(context: FitContext, read: _Features) -> tuple[tuple[Probe, ...], str]:
    """A linear model on every set of stages, evaluated by leave-one-out; the name of the best."""
    data = context.data
    table, rows = read.table, _sample_rows(data.train, data.seed)
    targets = data.index.targets()[rows]
    path = prepare_ridge(table.of(rows), targets, targets.shape[1], data.groups[rows], table.widths)
    errors, probes = [], []
    for name, taps in tap_sets(table.taps):
        columns = table.columns(taps)
        started = time.perf_counter()
        fit = path.fit(columns)
        errors.append(float(fit.loo_errors.min()))
        probes.append(
            Probe(
                name=name,
                taps=taps,
                dimensions=len(columns),
                alpha=fit.alpha,
                temperature=1.0,
                loo_accuracy=_score_left_out(data, fit.loo_scores, targets, rows),
                loo_log_loss=errors[-1] / max(float(targets.var(axis=0).mean()), 1e-12),
                val_accuracy=None,
                val_log_loss=None,
                seconds=time.perf_counter() - started,
            )
        )
    usable = [k for k, probe in enumerate(probes) if _is_allowed(context, probe)]
    return tuple(probes), probes[min(usable, key=lambda k: errors[k])].name


def _is_allowed(context: FitContext, probe: Probe) -> bool:
    return context.options.strategy != "layers" or probe.name != "top"


def _score_left_out(
    data: FitData, scores_NK: NDArray[np.float32], targets_NK: Floats, rows: Rows
) -> Interval:
    """Mean average precision or R² of left-out images, with its confidence interval."""
    groups, seed = data.groups[rows], data.seed
    if data.index.task == "number":
        found = target_metrics.number_measures(
            scores_NK[:, 0], targets_NK[:, 0], groups, seed, _DRAWS
        )[1]
    else:
        said = np.zeros(scores_NK.shape, np.bool_)
        table = target_metrics.label_measures(scores_NK, said, targets_NK, groups, seed, _DRAWS)
        found = table[-1][0]
    return target_metrics.measure_to_interval(found, len(rows))


def _sample_rows(rows: Rows, seed: int) -> Rows:
    """A sample of rows large enough to rank the stages."""
    if len(rows) <= 1.5 * _MOST_PROBED:
        return rows
    return sample_rows(rows, _MOST_PROBED, seed, "probe")
