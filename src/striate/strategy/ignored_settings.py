"""Requested settings that have no effect on the delivered model, reported in sentences."""

from collections.abc import Sequence

from striate.config.overrides import SETTINGS
from striate.values import CLOSED_FORM, WHITENING, Plan, Sentence, Task, TrainingOptions, say

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
