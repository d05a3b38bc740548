"""The cost of an overridden strategy or choice, reported if the evidence allows it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.gate import compare_losses
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics import intervals
from striate.strategy.expected_gain import no_gain_reason
from striate.strategy.ignored_settings import ignored_choices, ignored_settings
from striate.strategy.plans import best_probe
from striate.values import Plan, Sentence, say


def add_override_cost(
    context: FitContext, linear: LinearProbes | None, learned: FitResult
) -> FitResult:
    """The model, its plan with sentences on the cost of overrides; unchanged without overrides.

    A strategy is compared, on the same validation images, with the linear model that `auto` would
    start from and deliver unless a training beats it. Nothing is trained for this.
    """
    told = (*_strategy_cost(context, linear, learned), *_settings_cost(context, learned.plan))
    plan = replace(learned.plan, because=(*learned.plan.because, *told))
    return replace(learned, plan=plan) if told else learned


def _strategy_cost(
    context: FitContext, linear: LinearProbes | None, learned: FitResult
) -> tuple[Sentence, ...]:
    if context.options.strategy == "auto" and context.given_plan is None:
        return ()
    name = learned.plan.strategy.value
    if linear is None:
        why = say(
            "forced.alone",
            "The cost of choosing {strategy} yourself was not measured: there is no pretrained "
            "network, whose linear model auto would have compared it with.",
            strategy=name,
        )
    elif learned.val_probabilities is None:
        why = say(
            "forced.no_validation",
            "The cost of choosing {strategy} yourself was not measured: there are too few "
            "images to set any aside for validation.",
            strategy=name,
        )
    elif name == "linear" or (name == "layers" and _uses_best_taps(learned, linear)):
        why = _compare_with_auto(learned, name)
    else:
        why = _compare_with_linear(context.data, linear, learned, learned.val_probabilities)
    return (why,)


def _compare_with_auto(learned: FitResult, name: str) -> Sentence:
    """Comparison with the linear model, from which `auto` starts: whether it would have kept it."""
    probe = best_probe(learned.evidence)
    if probe is None or probe.val_accuracy is None or no_gain_reason(learned.evidence, probe):
        return say(
            "forced.same",
            "Choosing {strategy} yourself cost nothing: on the same measurements auto arrives "
            "at this model too.",
            strategy=name,
        )
    n = probe.val_accuracy.n
    return say(
        "forced.untried",
        "The cost of choosing {strategy} yourself was not measured: auto would have considered "
        "training a network, and none was trained. This model is wrong on {wrong} of {n:,} "
        "validation images, so training could gain at most {most:.1f} points there.",
        strategy=name,
        wrong=round((1 - probe.val_accuracy.value) * n),
        n=n,
        most=100 * (1 - probe.val_accuracy.value),
    )


def _compare_with_linear(
    data: FitData, linear: LinearProbes, learned: FitResult, found: NDArray[np.float32]
) -> Sentence:
    taps, truth = linear.probed.best.taps, data.labels[data.val]
    fit = fit_ridge_on_taps(data, linear.table, taps, data.train)
    exact = fit.probabilities(linear.table.of(data.val, taps))
    old, new = exact.argmax(axis=1) == truth, found.argmax(axis=1) == truth
    groups = data.groups[data.val]
    gain = intervals.paired_difference(new, old, groups, seed=data.seed)
    kept = compare_losses(found, exact, truth, groups).kept
    measured = (
        "The strategy {strategy} that you chose predicts {new:,} of {n:,} validation images "
        "correctly, the linear model that auto starts from {old:,}: a difference of {gain:+.1f} "
        "points ({low:+.1f} to {high:+.1f}). "
    )
    end = "auto would have used it too." if kept else "auto would have used the linear model."
    return say(
        "forced.kept" if kept else "forced.cost",
        measured + end,
        strategy=learned.plan.strategy.value,
        new=int(new.sum()),
        old=int(old.sum()),
        n=len(new),
        gain=100 * gain.value,
        low=100 * gain.low,
        high=100 * gain.high,
    )


def add_ignored_settings(context: FitContext, learned: FitResult) -> FitResult:
    """The model, its plan with sentences on requested settings that had no effect."""
    if context.given_plan is not None:
        return learned
    told = ignored_settings(
        context.options, learned.plan, context.data.index.task, len(context.data.val)
    )
    plan = replace(learned.plan, because=(*learned.plan.because, *told))
    return replace(learned, plan=plan) if told else learned


def _settings_cost(context: FitContext, plan: Plan) -> tuple[Sentence, ...]:
    options = context.options
    names = sorted(set(options.overrides.names) - set(ignored_choices(options, plan)))
    names += ["net"] if options.net != "auto" else []
    if not names:
        return ()
    return (
        say(
            "forced.settings",
            "You set {names}. The cost compared with auto's own choice was not measured, since "
            "that takes another training.",
            names=", ".join(names),
        ),
    )


def _uses_best_taps(learned: FitResult, linear: LinearProbes) -> bool:
    return learned.plan.taps.value == linear.probed.best.taps
