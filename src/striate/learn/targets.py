"""Several labels or a number: the exact head, and a training by steps where it may do better.

Legend: `N` images, `K` labels (of a number 1).
"""

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from striate import measures
from striate.classifier import answers
from striate.learn.asked import refuse_unfit
from striate.learn.doubting import publish_outliers
from striate.learn.finding import with_found_rate
from striate.learn.job import Job, Learned
from striate.learn.linear import network_with, notes_of, pretrained_spec, read_features
from striate.learn.measure import training_speeds
from striate.learn.networks import first_at_hand, offers_for_one
from striate.learn.offers import Offer
from striate.learn.stepping import learn_by_steps
from striate.learn.target_heads import Floats, solve, solved_classifier
from striate.probe.evidence import tap_sets
from striate.probe.features import FeatureTable
from striate.probe.ridge import prepare
from striate.probe.shift import layer_shift
from striate.statistics import some_of
from striate.store.files import of_json
from striate.store.plans import PLAN
from striate.strategy.targets import choose_for_targets, exact_plan, worth_a_training
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


def learn_targets(job: Job) -> Learned:
    """The linear model on the taps that leave-one-out prefers, or a network that is better."""
    refuse_unfit(job)
    given = job.given_plan
    asked = given.strategy.value if given else job.options.strategy
    read = None if asked == "scratch" else _read(job)
    if read is not None:
        publish_outliers(job, read.table)
    evidence = job.keep("measured.json", lambda: _evidence(job, read), of_json(Evidence))
    plan = given or job.keep("chosen.json", lambda: _plan(job, evidence), PLAN, also=job.minutes)
    if plan.strategy.value not in CLOSED_FORM:
        plan, evidence = with_found_rate(job, plan, read, evidence)
    job.publish("evidence.json", evidence)
    job.publish("plan.json", plan)
    if read is None:
        return learn_by_steps(job, plan, evidence, None, None)
    if plan.strategy.value in CLOSED_FORM:
        return _closed_form(job, read, plan, evidence)
    beside = _exact_plan(job, evidence, plan.strategy)
    first = solve(job, read.table, beside.taps.value, job.train)
    job.usable(solved_classifier(job, read.network, beside, first))
    return learn_by_steps(job, plan, evidence, read, partial(_linear, job, read))


def _read(job: Job) -> _Features:
    """The features of the network asked for, or of the one that comes along if it cannot be had."""

    def features(offer: Offer, size: int) -> _Features:
        network = network_with(job, offer.net, size, offer.weights)
        table = read_features(job, offer.net, network, size, job.feature_rows, "features.npz")
        return _Features(
            net=offer.net,
            weights=offer.weights,
            input_size=size,
            network=network,
            table=table,
            notes=notes_of(network),
        )

    found, notes = first_at_hand(job, offers_for_one(job), features)
    return replace(found, notes=(*notes, *found.notes))


def _closed_form(job: Job, read: _Features, plan: Plan, evidence: Evidence) -> Learned:
    """The linear model fitted on training and validation images; judged on validation without."""
    taps = plan.taps.value
    by_train = solve(job, read.table, taps, job.train)
    first = solved_classifier(job, read.network, plan, by_train)
    job.usable(first)
    final, found = by_train, None
    if len(job.val):
        found = answers(first.spec, by_train.fit.scores(read.table.of(job.val, taps)))
        rows = np.sort(np.concatenate([job.train, job.val]))
        final = solve(job, read.table, taps, rows)
    return Learned(
        classifier=solved_classifier(job, read.network, plan, final),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=read.table,
    )


def _linear(job: Job, read: _Features, evidence: Evidence, choice: Choice[str]) -> Learned:
    """The linear model that a training is held against."""
    return _closed_form(job, read, _exact_plan(job, evidence, choice), evidence)


def _exact_plan(job: Job, evidence: Evidence, choice: Choice[str]) -> Plan:
    """The plan of the linear model beside a training."""
    linear = replace(choice, value="linear")
    return exact_plan(evidence, job.options, job.machine, linear, job.index.task)


def _plan(job: Job, evidence: Evidence) -> Plan:
    options, machine = job.options, job.machine
    plan = choose_for_targets(evidence, job.seconds_left(), options, machine, job.index.task)
    return replace(plan, because=(*evidence.notes, *plan.because))


def _evidence(job: Job, read: _Features | None) -> Evidence:
    """The probes, and the speed of what may be trained by steps."""
    targets, number = job.index.targets()[job.train], job.index.task == "number"
    probes, best = ((), "") if read is None else _probes(job, read)
    counts = [len(job.train)] if number else targets.sum(axis=0)
    evidence = Evidence(
        probes=probes,
        best_probe=best,
        trials=(),
        speeds=_features_speed(read),
        images_per_class=tuple(int(count) for count in counts),
        majority=0.0 if number else float(targets.mean()),
        image_size=job.cache.size,
        channels=job.cache.channels,
        resize=job.cache.resize,
        square=job.index.square,
        net=read.net if read else "",
        weights=read.weights or "" if read else "",
        notes=read.notes if read else (),
        input_size=read.input_size if read else 0,
        val_images=len(job.val),
        classes=job.index.classes,
        metric="r_squared" if number else "mean_average_precision",
    )
    if job.given_plan is not None:
        return evidence
    if read is not None and job.options.strategy == "auto" and len(job.val):
        spec = pretrained_spec(job, read.net, read.input_size, read.network.taps)
        shift = layer_shift(read.network, job.cache, job.train, spec, job.options.seed)
        evidence = replace(evidence, shift=shift)
    name = worth_a_training(evidence, job.options)
    speeds, precisions = training_speeds(job, evidence, (name,) if name else ())
    return replace(evidence, speeds={**evidence.speeds, **speeds}, precisions=precisions)


def _features_speed(read: _Features | None) -> dict[str, float]:
    if read is None or not read.table.seconds:
        return {}
    return {"features": len(read.table.rows) / read.table.seconds}


def _probes(job: Job, read: _Features) -> tuple[tuple[Probe, ...], str]:
    """A linear model on every set of taps, judged by leave-one-out; the name of the best."""
    table, rows = read.table, _some(job.train, job.options.seed)
    targets = job.index.targets()[rows]
    path = prepare(table.of(rows), targets, targets.shape[1], job.groups[rows], table.widths)
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
                loo_accuracy=_share(job, fit.loo_scores, targets, rows),
                loo_log_loss=errors[-1] / max(float(targets.var(axis=0).mean()), 1e-12),
                val_accuracy=None,
                val_log_loss=None,
                seconds=time.perf_counter() - started,
            )
        )
    usable = [k for k, probe in enumerate(probes) if _allowed(job, probe)]
    return tuple(probes), probes[min(usable, key=lambda k: errors[k])].name


def _allowed(job: Job, probe: Probe) -> bool:
    return job.options.strategy != "layers" or probe.name != "top"


def _share(job: Job, scores_NK: NDArray[np.float32], targets_NK: Floats, rows: Rows) -> Interval:
    """Mean average precision or R² of left-out images, with its interval."""
    groups, seed = job.groups[rows], job.options.seed
    if job.index.task == "number":
        found = measures.number_measures(scores_NK[:, 0], targets_NK[:, 0], groups, seed, _DRAWS)[1]
    else:
        said = np.zeros(scores_NK.shape, np.bool_)
        table = measures.label_measures(scores_NK, said, targets_NK, groups, seed, _DRAWS)
        found = table[-1][0]
    return measures.as_share(found, len(rows))


def _some(rows: Rows, seed: int) -> Rows:
    """Enough rows to see which taps read best."""
    if len(rows) <= 1.5 * _MOST_PROBED:
        return rows
    return some_of(rows, _MOST_PROBED, seed, "probe")


_DRAWS = 200
_MOST_PROBED = 10_000
