"""Several labels or a number: the exact head, and a training by steps where it may do better.

Legend: `N` images, `K` labels (of a number 1).
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from striate.learn.check_options import refuse_unfit
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.finetune.gradient_training import learn_by_steps
from striate.learn.finetune.lr_range_test import with_found_rate
from striate.learn.gather_evidence import training_speeds
from striate.learn.linear.backbone_sources import Offer
from striate.learn.linear.backbones import first_at_hand, offers_for_one
from striate.learn.linear.linear_model import (
    network_with,
    notes_of,
    pretrained_spec,
    read_features,
)
from striate.learn.linear.suspect_images import publish_outliers
from striate.learn.linear.target_heads import Floats, solve, solved_classifier
from striate.metrics import target_metrics
from striate.metrics.intervals import some_of
from striate.predict.classifier import answers
from striate.probe.features import FeatureTable
from striate.probe.ridge import prepare
from striate.probe.similarity import layer_shift
from striate.probe.stage_probes import tap_sets
from striate.store.files import of_json
from striate.store.plan_files import PLAN
from striate.strategy.target_plans import choose_for_targets, exact_plan, worth_a_training
from striate.train.head import Network
from striate.values import CLOSED_FORM, Choice, Evidence, Interval, Plan, Probe, Rows, Sentence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Features:
    """A pretrained network and what every stage of it says of the images."""

    net: str
    weights: str | None
    input_size: int
    network: Network
    table: FeatureTable
    notes: tuple[Sentence, ...] = ()


def learn_targets(context: FitContext) -> FitResult:
    """The linear model on the taps that leave-one-out prefers, or a network that is better."""
    port = context.port
    refuse_unfit(context)
    given = context.given_plan
    asked = given.strategy.value if given else context.options.strategy
    read = None if asked == "scratch" else _read(context)
    if read is not None:
        publish_outliers(context, read.table)
    evidence = port.keep("measured.json", lambda: _evidence(context, read), of_json(Evidence))
    plan = given or port.keep(
        "chosen.json", lambda: _plan(context, evidence), PLAN, also=context.budget.minutes
    )
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = with_found_rate(context, plan, read, evidence)
    port.publish("evidence.json", evidence)
    port.publish("plan.json", plan)
    if read is None:
        return learn_by_steps(context, plan, evidence, None, None)
    if plan.strategy.value in CLOSED_FORM:
        return _closed_form(context, read, plan, evidence)
    beside = _exact_plan(context, evidence, plan.strategy)
    first = solve(context.data, read.table, beside.taps.value, context.data.train)
    port.usable(solved_classifier(context, read.network, beside, first))
    return learn_by_steps(context, plan, evidence, read, partial(_linear, context, read))


def _read(context: FitContext) -> _Features:
    """The features of the network asked for, or of the one that comes along if it cannot be had."""

    def features(offer: Offer, size: int) -> _Features:
        network = network_with(context, offer.net, size, offer.weights)
        table = read_features(
            context, offer.net, network, size, context.data.feature_rows, "features.npz"
        )
        return _Features(
            net=offer.net,
            weights=offer.weights,
            input_size=size,
            network=network,
            table=table,
            notes=notes_of(network),
        )

    found, notes = first_at_hand(context, offers_for_one(context), features)
    return replace(found, notes=(*notes, *found.notes))


def _closed_form(context: FitContext, read: _Features, plan: Plan, evidence: Evidence) -> FitResult:
    """The linear model fitted on training and validation images; judged on validation without."""
    data = context.data
    taps = plan.taps.value
    by_train = solve(data, read.table, taps, data.train)
    first = solved_classifier(context, read.network, plan, by_train)
    context.port.usable(first)
    final, found = by_train, None
    if len(data.val):
        found = answers(first.spec, by_train.fit.scores(read.table.of(data.val, taps)))
        rows = np.sort(np.concatenate([data.train, data.val]))
        final = solve(data, read.table, taps, rows)
    return FitResult(
        classifier=solved_classifier(context, read.network, plan, final),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=read.table,
    )


def _linear(
    context: FitContext, read: _Features, evidence: Evidence, choice: Choice[str]
) -> FitResult:
    """The linear model that a training is held against."""
    return _closed_form(context, read, _exact_plan(context, evidence, choice), evidence)


def _exact_plan(context: FitContext, evidence: Evidence, choice: Choice[str]) -> Plan:
    """The plan of the linear model beside a training."""
    linear = replace(choice, value="linear")
    return exact_plan(evidence, context.options, context.machine, linear, context.data.index.task)


def _plan(context: FitContext, evidence: Evidence) -> Plan:
    options, machine = context.options, context.machine
    plan = choose_for_targets(
        evidence, context.budget.seconds_left(), options, machine, context.data.index.task
    )
    return replace(plan, because=(*evidence.notes, *plan.because))


def _evidence(context: FitContext, read: _Features | None) -> Evidence:
    """The probes, and the speed of what may be trained by steps."""
    data = context.data
    targets, number = (
        data.index.targets()[data.train],
        data.index.task == "number",
    )
    probes, best = ((), "") if read is None else _probes(context, read)
    counts = [len(data.train)] if number else targets.sum(axis=0)
    evidence = Evidence(
        probes=probes,
        best_probe=best,
        trials=(),
        speeds=_features_speed(read),
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
        shift = layer_shift(read.network, data.cache, data.train, spec, data.seed)
        evidence = replace(evidence, shift=shift)
    name = worth_a_training(evidence, context.options)
    speeds, precisions = training_speeds(context, evidence, (name,) if name else ())
    return replace(evidence, speeds={**evidence.speeds, **speeds}, precisions=precisions)


def _features_speed(read: _Features | None) -> dict[str, float]:
    if read is None or not read.table.seconds:
        return {}
    return {"features": len(read.table.rows) / read.table.seconds}


def _probes(context: FitContext, read: _Features) -> tuple[tuple[Probe, ...], str]:
    """A linear model on every set of taps, judged by leave-one-out; the name of the best."""
    data = context.data
    table, rows = read.table, _some(data.train, data.seed)
    targets = data.index.targets()[rows]
    path = prepare(table.of(rows), targets, targets.shape[1], data.groups[rows], table.widths)
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
                loo_accuracy=_share(data, fit.loo_scores, targets, rows),
                loo_log_loss=errors[-1] / max(float(targets.var(axis=0).mean()), 1e-12),
                val_accuracy=None,
                val_log_loss=None,
                seconds=time.perf_counter() - started,
            )
        )
    usable = [k for k, probe in enumerate(probes) if _allowed(context, probe)]
    return tuple(probes), probes[min(usable, key=lambda k: errors[k])].name


def _allowed(context: FitContext, probe: Probe) -> bool:
    return context.options.strategy != "layers" or probe.name != "top"


def _share(
    data: FitData, scores_NK: NDArray[np.float32], targets_NK: Floats, rows: Rows
) -> Interval:
    """Mean average precision or R² of left-out images, with its interval."""
    groups, seed = data.groups[rows], data.seed
    if data.index.task == "number":
        found = target_metrics.number_measures(
            scores_NK[:, 0], targets_NK[:, 0], groups, seed, _DRAWS
        )[1]
    else:
        said = np.zeros(scores_NK.shape, np.bool_)
        table = target_metrics.label_measures(scores_NK, said, targets_NK, groups, seed, _DRAWS)
        found = table[-1][0]
    return target_metrics.as_share(found, len(rows))


def _some(rows: Rows, seed: int) -> Rows:
    """Enough rows to see which taps read best."""
    if len(rows) <= 1.5 * _MOST_PROBED:
        return rows
    return some_of(rows, _MOST_PROBED, seed, "probe")


_DRAWS = 200
_MOST_PROBED = 10_000
