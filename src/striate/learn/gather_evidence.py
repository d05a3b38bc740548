"""Evidence before a plan is chosen: linear probes, training speed, short trials."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.learn.context import FitContext, FitData
from striate.learn.finetune.train_plan import initial_network, model_spec_of, run_training
from striate.learn.flip_rotation_test import measure_augmentation
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps, pretrained_spec
from striate.learn.task import task_spec
from striate.metrics.intervals import balanced_accuracy, balanced_weights, softmax, wilson
from striate.predict.classifier import Classifier
from striate.probe.growth import measure_growth
from striate.probe.ridge import RidgeFit
from striate.probe.similarity import class_mean_hits, measure_layer_shift, nearest_neighbour_hits
from striate.probe.stage_probes import gather_probes
from striate.probe.trials import make_trial, measure_training_speed
from striate.strategy.budget import training_seconds
from striate.strategy.choose import choose_trials
from striate.strategy.corners import find_corner
from striate.strategy.expected_gain import strategies_to_measure
from striate.strategy.plans import training_plan
from striate.train.divergence import DivergedError
from striate.train.head import build_network
from striate.values import (
    RANDOM,
    BalanceGain,
    Candidate,
    Choice,
    Evidence,
    Growth,
    Machine,
    Rows,
    Trial,
    say,
)
from striate.values.seeds import make_rng

# Of the time that is left, for mirrored and turned copies together.
COPIES_SHARE = 0.08
MOST_LOOKED_AT = 2000  # images
MOST_GROWN = 5000  # images
FITS_OF_GROWTH = 4
# One-sided 5 %.
SURE = 1.645


def gather_evidence(
    context: FitContext, linear: LinearProbes | None, *, trials: bool = True
) -> Evidence:
    """Everything measured on these rows; short trials unless `trials` is false."""
    options = context.options
    data = context.data
    evidence = gather_probes(
        linear.probed if linear else None,
        labels=data.labels,
        train_rows=data.train,
        val_rows=data.val,
        classes=data.index.classes,
        net=linear.net if linear else "",
        input_size=linear.input_size if linear else 0,
        image_size=data.cache.size,
        channels=data.cache.channels,
        speeds=_feature_speed(linear),
    )
    evidence = replace(evidence, resize=data.cache.resize, square=data.index.square)
    if linear is not None:
        evidence = replace(
            evidence,
            weights=linear.weights or "",
            networks=linear.networks,
            notes=linear.notes,
            features=linear.features,
        )
    if context.given_plan is not None:
        return evidence
    evidence = _with_data_position(context, linear, evidence)
    if linear is not None and not options.overrides.touches("balance"):
        evidence = replace(evidence, balance=measure_class_weights(data, linear))
    wanted = strategies_to_measure(evidence, context.budget.seconds_left(), options)
    speeds, precisions = measure_training_speeds(context, evidence, wanted)
    copies = None
    if wanted and not options.overrides.touches("augment"):
        copies = measure_augmentation(context, linear, COPIES_SHARE * context.budget.seconds_left())
    evidence = replace(
        evidence,
        speeds={**evidence.speeds, **speeds},
        precisions=precisions,
        flips=copies.flips if copies else None,
        rotations=copies.rotations if copies else None,
    )
    if not trials:
        return evidence
    candidates = choose_trials(evidence, context.budget.seconds_left(), options, context.machine)
    tried = (_run_trial(context, candidate, linear) for candidate in candidates)
    return replace(evidence, trials=tuple(trial for trial in tried if trial is not None))


def _with_data_position(
    context: FitContext, linear: LinearProbes | None, evidence: Evidence
) -> Evidence:
    """The evidence with neighbour and class-mean accuracy, and the set's corner."""
    data = context.data
    if linear is None:
        return evidence
    some = np.sort(make_rng(data.seed, "look").permutation(data.train)[:MOST_LOOKED_AT])
    top = linear.table.of(some, linear.table.taps[-1:])
    labels, groups = data.labels[some], data.groups[some]
    near = nearest_neighbour_hits(top, labels, groups, data.seed)
    means = class_mean_hits(top, labels, len(data.index.classes), groups)
    evidence = replace(
        evidence,
        neighbour=wilson(int(near.sum()), len(near)),
        class_mean=wilson(int(means.sum()), len(means)),
    )
    late = []
    if context.budget.seconds_left() > 0:
        spec = pretrained_spec(context, linear.net, linear.input_size, linear.network.taps)
        shift = measure_layer_shift(linear.network, data.cache, data.train, spec, data.seed)
        evidence = replace(evidence, shift=shift)
    else:
        late.append(
            say(
                "skipped.shift",
                "How far these images are from those the network learnt from was not measured: the "
                "time was used up. Give more minutes with --minutes to have it measured.",
            )
        )
    if _growth_seconds(linear) <= training_seconds(context.budget.seconds_left()):
        evidence = replace(evidence, growth=_measure_growth(data, linear))
    elif len(data.val):
        late.append(
            say(
                "skipped.growth",
                "Whether more images would help was not measured: the time was used up. Give more "
                "minutes with --minutes to have it measured.",
            )
        )
    return replace(evidence, corner=find_corner(evidence), notes=(*evidence.notes, *late))


def _growth_seconds(linear: LinearProbes) -> float:
    """What the learning curve takes: the fits of some subsets cost about as much as four of all."""
    return FITS_OF_GROWTH * linear.probed.best.seconds


def _measure_growth(data: FitData, linear: LinearProbes) -> Growth | None:
    """The expected gain of more images by the linear model; None for very large sets."""
    if not len(data.val) or len(data.train) > MOST_GROWN:
        return None
    taps, truth = linear.probed.best.taps, data.labels[data.val]
    judged = linear.table.of(data.val, taps)

    def misses(rows: Rows) -> NDArray[np.bool_]:
        fit = fit_ridge_on_taps(data, linear.table, taps, rows)
        return np.asarray(fit.scores(judged).argmax(axis=1) != truth)

    groups = data.groups[data.val]
    return measure_growth(misses, data.train, data.labels, data.groups, groups, data.seed)


def _feature_speed(linear: LinearProbes | None) -> dict[str, float]:
    if linear is None or not linear.table.seconds:
        return {}
    return {"features": len(linear.table.rows) / linear.table.seconds}


def measure_training_speeds(
    context: FitContext, evidence: Evidence, wanted: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, str]]:
    """Images per second of a training step for each possible strategy, and its precision."""
    speeds: dict[str, float] = {}
    precisions: dict[str, str] = {}
    for strategy in wanted:
        for precision in _precisions_to_try(context.machine):
            if strategy in speeds and not training_seconds(context.budget.seconds_left()):
                break  # on a busy machine the first of the two took all there was
            speed = _measure_speed(context, evidence, strategy, precision)
            if speed > speeds.get(strategy, 0.0):
                speeds[strategy], precisions[strategy] = speed, precision
    return speeds, precisions


def _precisions_to_try(machine: Machine) -> tuple[str, ...]:
    """The precisions to time: bfloat16 can speed up inference and slow down training."""
    return ("float32",) if machine.precision == "float32" else ("bfloat16", "float32")


def _measure_speed(context: FitContext, evidence: Evidence, strategy: str, precision: str) -> float:
    data = context.data
    why = say("measure.speed", "to measure its speed")
    plan = training_plan(
        replace(evidence, precisions={strategy: precision}),
        context.options,
        context.machine,
        Choice(value=strategy, why=why, ground="measured"),
        Choice(value=1, why=why, ground="measured"),
    )
    network = build_network(model_spec_of(context, plan), RANDOM)
    return measure_training_speed(
        network,
        plan,
        data.cache,
        data.train,
        context.machine,
        labels=task_spec(data).targets(data),
        task=data.index.task,
    )


def _run_trial(
    context: FitContext, candidate: Candidate, linear: LinearProbes | None
) -> Trial | None:
    """A candidate's result; None if it diverged before its first epoch was done."""
    data = context.data
    plan = candidate.plan
    folder = context.port.checkpoints / f"trial-{plan.strategy.value}"
    spec = model_spec_of(context, plan)
    network = initial_network(context, plan, spec, linear)
    try:
        history = run_training(context, plan, spec, network, folder, None).history
    except DivergedError as fault:
        if fault.state is None or fault.history is None:
            return None
        history = fault.history
    groups, right = data.groups[data.val], None
    if len(np.unique(groups)) < len(groups):
        logits = Classifier(spec=spec, network=network.eval()).logits(data.cache.images, data.val)
        right = logits.argmax(axis=1) == data.labels[data.val]
    return make_trial(plan, history, groups, candidate.why, right)


def measure_class_weights(data: FitData, linear: LinearProbes) -> BalanceGain | None:
    """The gain by class weights on the stages of the best probe; None if no class is rare."""
    if not is_imbalanced(np.bincount(data.labels[data.train], minlength=len(data.index.classes))):
        return None
    weighted = fit_ridge_on_taps(data, linear.table, linear.probed.best.taps, data.train, "weights")
    return class_weight_gain(
        linear.probed.fit, weighted, data.labels[data.train], data.groups[data.train]
    )


def is_imbalanced(counts_K: NDArray[np.int64]) -> bool:
    """Whether some class has fewer than half the mean number of images per class."""
    return bool((counts_K < counts_K.mean() / 2).any())


def class_weight_gain(
    plain: RidgeFit, weighted: RidgeFit, labels: Rows, groups: Rows | None = None
) -> BalanceGain:
    """The gain of a linear model by class weights, on left-out images.

    Both fits use the images with these `labels`. Weights help if balanced accuracy rises
    significantly (one-sided, 5 %), and neither accuracy falls nor log loss rises significantly.
    Errors are those of paired differences, with a group as one observation.
    """
    old, new = (softmax(fit.loo_scores, fit.temperature) for fit in (plain, weighted))
    hits = (new.argmax(axis=1) == labels).astype(np.float64) - (old.argmax(axis=1) == labels)
    losses = _log_losses(new, labels) - _log_losses(old, labels)
    owner = np.arange(len(labels))
    if groups is not None:
        _, owner = np.unique(groups, return_inverse=True)
    gain, error = _paired_mean(hits * balanced_weights(labels), owner)
    won, won_error = _paired_mean(hits, owner)
    rise, rise_error = _paired_mean(losses, owner)
    harms = won < -SURE * won_error or rise > SURE * rise_error
    return BalanceGain(
        helps=bool(gain > SURE * error and not harms),
        harms=bool(harms),
        gain=gain,
        error=error,
        balanced_plain=balanced_accuracy(labels, old.argmax(axis=1)),
        balanced_weighted=balanced_accuracy(labels, new.argmax(axis=1)),
        accuracy_plain=float((old.argmax(axis=1) == labels).mean()),
        accuracy_weighted=float((new.argmax(axis=1) == labels).mean()),
        log_loss_plain=float(_log_losses(old, labels).mean()),
        log_loss_weighted=float(_log_losses(new, labels).mean()),
        n=len(labels),
    )


def _paired_mean(each_N: NDArray[np.float64], owner_N: Rows) -> tuple[float, float]:
    """Mean of paired differences, and its standard error under the null, with whole groups."""
    sums = np.bincount(owner_N, each_N)
    return float(sums.sum() / len(each_N)), float(np.sqrt(np.square(sums).sum()) / len(each_N))


def _log_losses(probabilities_NK: NDArray[np.float32], truth: Rows) -> NDArray[np.float64]:
    found = probabilities_NK[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(found, 1e-7))
