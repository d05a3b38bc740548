"""Several labels or a number: ridge regression on the features of a pretrained network.

Legend: `N` images, `K` labels (of a number 1). The targets of several labels are 1 and 0, which
gives the order of the scores that 1 and -1 would give; ridge does not care for the scale of a
number either, since its intercept is not penalised.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from striate import measures
from striate.classifier import Classifier, answers
from striate.learn.doubting import publish_outliers
from striate.learn.job import Job, Learned
from striate.learn.linear import (
    PRETRAINED,
    input_size_for,
    pretrained_spec,
    read_features,
    read_network,
)
from striate.probe.evidence import tap_sets
from striate.probe.features import FeatureTable
from striate.probe.ridge import RidgeFit, prepare
from striate.statistics import some_of
from striate.store.files import of_json
from striate.store.plans import PLAN
from striate.strategy.plans import linear_plan
from striate.train.head import Network
from striate.values import Choice, Evidence, Interval, Plan, Probe, Rows, Sentence, Tap, say

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Solved:
    """A ridge solution whose scores are logits of each label, or the number itself."""

    fit: RidgeFit
    thresholds: tuple[float, ...]


def learn_targets(job: Job) -> Learned:
    """The linear model on the taps that leave-one-out prefers, fitted on all images at hand."""
    given = job.given_plan
    net = PRETRAINED if job.options.net == "auto" else job.options.net
    net = given.net.value if given else net
    size = given.input_size.value if given else input_size_for(job, net)
    network = read_network(job, net, size)
    table = read_features(job, net, network, size, job.feature_rows, "features.npz")
    publish_outliers(job, table)
    evidence = job.keep(
        "measured.json", lambda: _evidence(job, table, net, size), of_json(Evidence)
    )
    plan = given or job.keep("chosen.json", lambda: _plan(job, evidence), PLAN, also=job.minutes)
    job.publish("evidence.json", evidence)
    job.publish("plan.json", plan)
    taps = plan.taps.value
    by_train = _solve(job, table, taps, job.train)
    job.usable(_classifier(job, network, plan, by_train))
    final, found = by_train, None
    if len(job.val):
        spec = _classifier(job, network, plan, by_train).spec
        found = answers(spec, by_train.fit.scores(table.of(job.val, taps)))
        final = _solve(job, table, taps, np.sort(np.concatenate([job.train, job.val])))
    return Learned(
        classifier=_classifier(job, network, plan, final),
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=found,
        table=table,
    )


def _solve(job: Job, table: FeatureTable, taps: tuple[Tap, ...], rows: Rows) -> _Solved:
    width = dict(zip(table.taps, table.widths, strict=True))
    targets = job.index.targets()[rows]
    path = prepare(
        table.of(rows, taps),
        targets,
        targets.shape[1],
        job.groups[rows],
        [width[tap] for tap in taps],
    )
    fit = path.fit()
    if job.index.task == "number":
        return _Solved(fit=fit, thresholds=())
    fit = _calibrated(fit, targets)
    chances = measures.logistic(fit.loo_scores)
    return _Solved(fit=fit, thresholds=measures.best_thresholds(chances, targets))


def _calibrated(fit: RidgeFit, targets_NK: Floats) -> RidgeFit:
    """The fit with scores that are logits: a slope and an offset a label, by left-out images."""
    pairs = [
        measures.fit_logistic(fit.loo_scores[:, k], targets_NK[:, k])
        for k in range(targets_NK.shape[1])
    ]
    slopes, offsets = np.array(pairs, np.float32).T
    return replace(
        fit,
        weights=fit.weights * slopes,
        bias=fit.bias * slopes + offsets,
        loo_scores=fit.loo_scores * slopes + offsets,
    )


def _classifier(job: Job, network: Network, plan: Plan, solved: _Solved) -> Classifier:
    taps, fit = plan.taps.value, solved.fit
    spec = pretrained_spec(job, plan.net.value, plan.input_size.value, taps)
    spec = replace(spec, strategy=plan.strategy.value, thresholds=solved.thresholds)
    own = Network(network.backbone, taps, spec.outputs)
    own.set_head(
        torch.from_numpy(fit.weights),
        torch.from_numpy(fit.bias),
        torch.from_numpy(fit.shift),
        torch.from_numpy(fit.scale),
    )
    return Classifier(spec=spec, network=own.eval())


def _evidence(job: Job, table: FeatureTable, net: str, size: int) -> Evidence:
    rows = _some(job.train, job.options.seed)
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
    number = job.index.task == "number"
    counts = [len(job.train)] if number else job.index.targets()[job.train].sum(axis=0)
    return Evidence(
        probes=tuple(probes),
        best_probe=probes[min(usable, key=lambda k: errors[k])].name,
        trials=(),
        speeds={"features": len(table.rows) / table.seconds} if table.seconds else {},
        images_per_class=tuple(int(count) for count in counts),
        majority=0.0 if number else float(targets.mean()),
        image_size=job.cache.size,
        channels=job.cache.channels,
        resize=job.cache.resize,
        square=job.index.square,
        net=net,
        input_size=size,
        val_images=len(job.val),
        classes=job.index.classes,
        metric="r_squared" if number else "mean_average_precision",
    )


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
    value, low, high = (min(1.0, max(0.0, x)) for x in (found.value, found.low, found.high))
    return Interval(value=value, low=low, high=high, n=len(rows), method="bootstrap")


def _plan(job: Job, evidence: Evidence) -> Plan:
    best = next(probe for probe in evidence.probes if probe.name == evidence.best_probe)
    why = _why(job)
    asked = job.options.strategy != "auto"
    name = job.options.strategy if asked else "linear"
    strategy = Choice(value=name, why=why[0], ground="asked" if asked else "convention")
    plan = linear_plan(evidence, job.options, job.machine, strategy)
    taps = replace(plan.taps, why=_which(job, best, len(evidence.probes)))
    return replace(plan, taps=taps, because=(*why, taps.why))


def _why(job: Job) -> tuple[Sentence, ...]:
    if job.options.strategy != "auto":
        return (say("choose.asked", "You asked for {strategy}.", strategy=job.options.strategy),)
    return (
        say(
            "targets.linear_only",
            "For several labels or a number only the linear model on pretrained features is "
            "there so far; training by steps was not tried.",
        ),
    )


def _which(job: Job, best: Probe, probes: int) -> Sentence:
    if job.index.task == "number":
        return say(
            "targets.taps_number",
            "'{name}' is best of {n} by leave-one-out: it explains {share:.1%} of the variance",
            name=best.name,
            n=probes,
            share=best.loo_accuracy.value,
        )
    return say(
        "targets.taps_labels",
        "'{name}' is best of {n} by leave-one-out: mean average precision {share:.1%}",
        name=best.name,
        n=probes,
        share=best.loo_accuracy.value,
    )


def _some(rows: Rows, seed: int) -> Rows:
    """Enough rows to see which taps read best."""
    if len(rows) <= 1.5 * _MOST_PROBED:
        return rows
    return some_of(rows, _MOST_PROBED, seed, "probe")


_DRAWS = 200
_MOST_PROBED = 10_000
