"""What a person's own choices cost: an overridden strategy, and settings that have no effect."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.config.overrides import SETTINGS
from striate.learn.context import FitContext, FitData, FitResult
from striate.learn.gate import compare_losses
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics import intervals
from striate.strategy.expected_gain import no_gain_reason
from striate.strategy.plans import best_probe
from striate.values import CLOSED_FORM, WHITENING, Plan, Sentence, Task, TrainingOptions, say


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


IN_CLOSED_FORM = ("balance", "channels", "resize")
WHITEN = ("whiten_components", "whiten_eps")
FROM_PRETRAINED = ("head", "l2_sp")
OF_EXACT_HEAD = ("alpha", "interpolation")


def ignored_choices(options: TrainingOptions, plan: Plan) -> tuple[str, ...]:
    """Names in `--set` that have no effect on the model of this plan, sorted."""
    return tuple(sorted(name for name in options.overrides.names if not _is_used(name, plan)))


def ignored_settings(
    options: TrainingOptions, plan: Plan, task: Task, val_images: int
) -> tuple[Sentence, ...]:
    """A sentence on choices without effect, on weights that are not used, on `--race` and
    `--remedy` each; often none.
    """
    names = ignored_choices(options, plan)
    told = [_describe_choices(names, plan)] if names else []
    if options.weights is not None and _leaves_weights(options.weights, plan):
        told.append(
            say(
                "forced.idle_weights",
                "The weights {weights} that you named were not used: the model is {net}, "
                "strategy {strategy}. To use them, add --net NAME to --weights and choose any "
                "strategy but scratch.",
                weights=options.weights,
                net=plan.net.value,
                strategy=plan.strategy.value,
            )
        )
    trained = plan.strategy.value not in CLOSED_FORM or _mentions(plan, "gate.")
    for flag, asked, did in (
        ("--race", options.race, _mentions(plan, "race.")),
        ("--remedy", options.remedy, _mentions(plan, "remedy.")),
    ):
        if asked and not did:
            told += _describe_flag(flag, task, val_images, trained)
    return tuple(told)


def _is_used(name: str, plan: Plan) -> bool:
    strategy = plan.strategy.value
    if strategy in CLOSED_FORM:
        return name in IN_CLOSED_FORM
    if name in OF_EXACT_HEAD:
        return strategy != "scratch" and plan.head.value == "exact"
    if strategy != "scratch":
        return name not in SETTINGS and name not in FROM_SCRATCH
    if name in WHITEN:
        return plan.preprocess.value in WHITENING
    return name not in FROM_PRETRAINED


def _leaves_weights(weights: str, plan: Plan) -> bool:
    """Whether the model of this plan began with other weights than those of the file."""
    return plan.strategy.value == "scratch" or plan.weights.value != weights


def _describe_choices(names: Sequence[str], plan: Plan) -> Sentence:
    listed = ", ".join(names)
    if plan.strategy.value in CLOSED_FORM:
        own = any(name in SETTINGS or name in FROM_SCRATCH for name in names)
        return say(
            "forced.idle_linear",
            "You set {names}, which has no effect on this model: a linear model on fixed "
            "features is solved in closed form, not trained by gradient descent. With "
            "--strategy {other} the setting takes effect.",
            names=listed,
            other="scratch" if own else "deep",
        )
    if plan.strategy.value != "scratch":
        return say(
            "forced.idle_pretrained",
            "You set {names}, which has no effect on this model: a pretrained network keeps "
            "its own layers, initial weights and preprocessing. With --strategy scratch, "
            "settings of layers, initial weights and preprocessing take effect; alpha and "
            "interpolation need head=exact.",
            names=listed,
        )
    return say(
        "forced.idle_scratch",
        "You set {names}, which has no effect on this model, trained from scratch: alpha, "
        "head, interpolation and l2_sp are for pretrained networks, whiten_components and "
        "whiten_eps for preprocess=pca or zca.",
        names=listed,
    )


def _describe_flag(flag: str, task: Task, val_images: int, trained: bool) -> list[Sentence]:
    if not val_images:
        return [
            say(
                "forced.idle_validation",
                "{flag} had no effect: it compares settings on validation images, and there "
                "are none.",
                flag=flag,
            )
        ]
    if task != "label":
        return [
            say(
                "forced.idle_task",
                "{flag} had no effect: it compares numbers of correct predictions, which exist "
                "only where every image has one label.",
                flag=flag,
            )
        ]
    if trained:
        return []
    return [
        say(
            "forced.idle_untrained",
            "{flag} had no effect: it applies only to networks trained by gradient descent, "
            "and none was trained. --strategy scratch or deep trains one.",
            flag=flag,
        )
    ]


def _mentions(plan: Plan, prefix: str) -> bool:
    return any(reason.code.startswith(prefix) for reason in plan.because)


FROM_SCRATCH = ("initialisation", "preprocess", *WHITEN)
