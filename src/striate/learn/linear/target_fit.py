"""Fit for several labels or a number: the exact head, and gradient training if it may be better.

Legend: `N` images, `K` labels (1 for a number).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.gather_evidence import measure_training_speeds
from striate.learn.linear.backbone_sources import BackboneSource
from striate.learn.linear.backbones import first_available, sources_for_one
from striate.learn.linear.linear_model import (
    build_tapped_network,
    pretrained_spec,
    read_features,
    weight_notes,
)
from striate.learn.linear.target_heads import (
    Floats,
    TargetSolution,
    solve_labels,
    solve_number,
    target_classifier,
)
from striate.metrics import target_metrics
from striate.predict.classifier import Classifier, activate_outputs
from striate.probe.features import FeatureTable
from striate.probe.ridge import prepare_ridge
from striate.probe.similarity import measure_layer_shift
from striate.probe.stage_probes import tap_sets
from striate.strategy.target_plans import choose_target_plan, exact_plan, strategy_to_train
from striate.train.head import Network
from striate.values import Choice, Evidence, Interval, Plan, Probe, Rows, Sentence, Tap
from striate.values.seeds import sample_rows

_DRAWS = 200  # bootstrap draws
_MOST_PROBED = 10_000  # images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetFeatures:
    """A pretrained network and what every stage of it says of the images."""

    net: str
    weights: str | None
    input_size: int
    network: Network
    table: FeatureTable
    notes: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKind:
    """What several labels and a number differ in before a training.

    `solve` is the exact head on some taps and rows, `score_left_out` what it is worth on images
    left out of its fit: mean average precision or R², by `metric`. `counts` are images of each
    label, of a number all; `majority` is the share of labels that are said.
    """

    solve: Callable[[FitData, FeatureTable, tuple[Tap, ...], Rows], TargetSolution]
    score_left_out: Callable[[FitData, NDArray[np.float32], Floats, Rows], Interval]
    counts: Callable[[Floats], tuple[int, ...]]
    majority: Callable[[Floats], float]
    metric: str


def read_backbone(context: FitContext) -> TargetFeatures:
    """The features of the network asked for, or of the one that comes along if it cannot be had."""

    def features(offer: BackboneSource, size: int) -> TargetFeatures:
        network = build_tapped_network(context, offer.net, size, offer.weights)
        table = read_features(
            context, offer.net, network, size, context.data.feature_rows, "features.npz"
        )
        return TargetFeatures(
            net=offer.net,
            weights=offer.weights,
            input_size=size,
            network=network,
            table=table,
            notes=weight_notes(network),
        )

    found, notes = first_available(context, sources_for_one(context), features)
    return replace(found, notes=(*notes, *found.notes))


def fit_targets_closed_form(
    kind: TargetKind, context: FitContext, read: TargetFeatures, plan: Plan, evidence: Evidence
) -> FitResult:
    """The linear model fitted on training and validation images together.

    Its `val_probabilities` are those of the fit on training images alone.
    """
    data = context.data
    taps = plan.taps.value
    by_train = kind.solve(data, read.table, taps, data.train)
    first = target_classifier(context, read.network, plan, by_train)
    context.port.usable(first)
    final, found = by_train, None
    if len(data.val):
        found = activate_outputs(first.spec, by_train.fit.scores(read.table.of(data.val, taps)))
        rows = np.sort(np.concatenate([data.train, data.val]))
        final = kind.solve(data, read.table, taps, rows)
    return FitResult(
        classifier=target_classifier(context, read.network, plan, final),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=read.table,
    )


def first_target_model(
    kind: TargetKind, context: FitContext, read: TargetFeatures, plan: Plan
) -> Classifier:
    """The linear model of the training images alone, by the plan of the exact head."""
    solved = kind.solve(context.data, read.table, plan.taps.value, context.data.train)
    return target_classifier(context, read.network, plan, solved)


def plan_exact_targets(context: FitContext, evidence: Evidence, choice: Choice[str]) -> Plan:
    """The plan of the linear model beside a training."""
    return exact_plan(evidence, context.options, context.machine, choice, context.data.index.task)


def choose_plan_of_targets(context: FitContext, evidence: Evidence) -> Plan:
    """The plan that the evidence is for, in the time that is left."""
    options, machine = context.options, context.machine
    return choose_target_plan(
        evidence, context.budget.seconds_left(), options, machine, context.data.index.task
    )


def gather_target_evidence(
    kind: TargetKind, context: FitContext, read: TargetFeatures | None
) -> Evidence:
    """The probes, and the speed of what may be trained by steps."""
    data = context.data
    targets = data.index.targets()[data.train]
    probes, best = ((), "") if read is None else _probe_taps(kind, context, read)
    evidence = Evidence(
        probes=probes,
        best_probe=best,
        trials=(),
        speeds=_feature_speed(read),
        images_per_class=kind.counts(targets),
        majority=kind.majority(targets),
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
        metric=kind.metric,
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


def _feature_speed(read: TargetFeatures | None) -> dict[str, float]:
    if read is None or not read.table.seconds:
        return {}
    return {"features": len(read.table.rows) / read.table.seconds}


def _probe_taps(
    kind: TargetKind, context: FitContext, read: TargetFeatures
) -> tuple[tuple[Probe, ...], str]:
    """A linear model on every set of taps, judged by leave-one-out; the name of the best."""
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
                loo_accuracy=kind.score_left_out(data, fit.loo_scores, targets, rows),
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


def _score_labels_left_out(
    data: FitData, scores_NK: NDArray[np.float32], targets_NK: Floats, rows: Rows
) -> Interval:
    """Mean average precision of left-out images, with its interval."""
    said = np.zeros(scores_NK.shape, np.bool_)
    groups = data.groups[rows]
    table = target_metrics.label_measures(scores_NK, said, targets_NK, groups, data.seed, _DRAWS)
    return target_metrics.measure_to_interval(table[-1][0], len(rows))


def _score_number_left_out(
    data: FitData, scores_N1: NDArray[np.float32], targets_N1: Floats, rows: Rows
) -> Interval:
    """R² of left-out images, with its interval."""
    found = target_metrics.number_measures(
        scores_N1[:, 0], targets_N1[:, 0], data.groups[rows], data.seed, _DRAWS
    )[1]
    return target_metrics.measure_to_interval(found, len(rows))


def _sample_rows(rows: Rows, seed: int) -> Rows:
    """A sample of rows large enough to rank the stages."""
    if len(rows) <= 1.5 * _MOST_PROBED:
        return rows
    return sample_rows(rows, _MOST_PROBED, seed, "probe")


LABELS = TargetKind(
    solve=solve_labels,
    score_left_out=_score_labels_left_out,
    counts=lambda targets_NK: tuple(int(count) for count in targets_NK.sum(axis=0)),
    majority=lambda targets_NK: float(targets_NK.mean()),
    metric="mean_average_precision",
)
NUMBER = TargetKind(
    solve=solve_number,
    score_left_out=_score_number_left_out,
    counts=lambda targets_N1: (len(targets_N1),),
    majority=lambda targets_N1: 0.0,
    metric="r_squared",
)
