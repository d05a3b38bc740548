"""Plans for several labels or a number: checks of settings, the strategy to train, the plan.

Guided by measurements on single labels: the corner that the data lies in, and that small images are
best trained from scratch. Whether that helps is tested by the gate, on validation images.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

from striate.errors import UsageError
from striate.strategy.corners import strategy_to_try
from striate.strategy.expected_gain import epochs_choice, full_epochs
from striate.strategy.plans import best_probe, linear_plan, recipe_for, training_plan
from striate.values import (
    CLOSED_FORM,
    Choice,
    Evidence,
    Figure,
    Machine,
    Overrides,
    Plan,
    Sentence,
    Task,
    TrainingOptions,
    say,
)


def check_task_settings(task: Task, overrides: Overrides) -> None:
    """Raise `UsageError` if `--set` requests what has no meaning for a task."""
    asked = overrides.choices
    for (of, name), (unfit, why) in MEANINGLESS_SETTINGS.items():
        if of == task and name in asked and unfit(asked[name]):
            raise UsageError(f"--set {name}={asked[name]}: {why}", f"Leave {name} out.")


def strategy_to_train(evidence: Evidence, options: TrainingOptions) -> str:
    """The gradient-training strategy that is requested or may beat the linear model; or ""."""
    if options.strategy != "auto":
        return "" if options.strategy in CLOSED_FORM else options.strategy
    if best_probe(evidence) is None:
        return "scratch"
    if not evidence.val_images:
        return ""
    # The network that was asked for is pretrained: no other is trained from scratch beside it.
    size = evidence.image_size if options.net == "auto" else math.inf
    each = sum(evidence.images_per_class) / max(1, len(evidence.images_per_class))
    return strategy_to_try(size, each, _mean_shift(evidence))


def choose_target_plan(
    evidence: Evidence,
    remaining_seconds: float,
    options: TrainingOptions,
    machine: Machine,
    task: Task,
) -> Plan:
    """The plan for several labels or a number; `because` gives the reasons.

    Raises `UsageError` if the requested strategy needs a pretrained network and there is none.
    """
    probe, name = best_probe(evidence), strategy_to_train(evidence, options)
    if probe is None and options.strategy not in ("auto", "scratch"):
        raise UsageError(
            f"The strategy {options.strategy} needs a pretrained network, and none is at hand.",
            "Type --strategy scratch, or name a network with --net.",
        )
    asked = options.strategy != "auto"
    said: tuple[Sentence, ...] = ()
    if asked:
        said = (
            say(
                "choose.asked", "You asked for the strategy {strategy}.", strategy=options.strategy
            ),
        )
    against = (
        None
        if asked or probe is None
        else _reason_against_training(evidence, name, remaining_seconds)
    )
    if not name or against is not None:
        return _plan_linear(
            evidence, options, machine, (*said, *((against,) if against else ())), task
        )
    epochs = full_epochs(evidence, name, remaining_seconds)
    least = 1 if evidence.speeds.get(name) else recipe_for(name).least_epochs
    count = epochs_choice(evidence, name, max(least, epochs))
    if not asked:
        said = (_describe_attempt(evidence, name, count.value),)
    strategy = Choice(value=name, why=said[0], ground="asked" if asked else "convention")
    plan = _without_smoothing(training_plan(evidence, options, machine, strategy, count), task)
    if probe is not None and name != "scratch":
        plan = replace(plan, taps=replace(plan.taps, why=_describe_probe(evidence, task)))
    return replace(plan, because=said)


def _plan_linear(
    evidence: Evidence,
    options: TrainingOptions,
    machine: Machine,
    said: tuple[Sentence, ...],
    task: Task,
) -> Plan:
    asked = options.strategy != "auto"
    why = said[0] if said else say("targets.exact", "solved exactly, in closed form")
    strategy = Choice(
        value=options.strategy if asked else "linear",
        why=why,
        ground="asked" if asked else "convention",
    )
    plan = exact_plan(evidence, options, machine, strategy, task)
    return replace(plan, because=(*said, plan.taps.why))


def exact_plan(
    evidence: Evidence,
    options: TrainingOptions,
    machine: Machine,
    strategy: Choice[str],
    task: Task,
) -> Plan:
    """The plan of the exact head on the stages of the best probe."""
    plan = linear_plan(evidence, options, machine, strategy)
    return replace(plan, taps=replace(plan.taps, why=_describe_probe(evidence, task)))


def _reason_against_training(
    evidence: Evidence, name: str, remaining_seconds: float
) -> Sentence | None:
    """Why there is no gradient training beside the linear model; None if there is one."""
    if not evidence.val_images:
        return say(
            "choose.no_validation",
            "There are too few images to set any aside for validation, so whether training "
            "improves on the linear model could not be checked.",
        )
    if not name:
        return say(
            "targets.few",
            "{n:,} training images are too few for gradient training to improve on the linear "
            "model.",
            n=max(evidence.images_per_class),
        )
    epochs, least = full_epochs(evidence, name, remaining_seconds), recipe_for(name).least_epochs
    if epochs >= least:
        return None
    return say(
        "out.no_time",
        "Training with the strategy {strategy} was skipped: only {epochs} epochs fit in the "
        "time left, and fewer than {least} do more harm than good.",
        strategy=name,
        epochs=epochs,
        least=least,
    )


def _describe_attempt(evidence: Evidence, strategy: str, epochs: int) -> Sentence:
    if best_probe(evidence) is None:
        return say(
            "targets.train_alone",
            "No pretrained network is available, so a network is trained from scratch for "
            "{epochs} epochs.",
            epochs=epochs,
        )
    return say(
        "targets.train",
        "The images have {size} pixels and a distribution shift of {shift:.2f} from the "
        "pretraining images, so {strategy} is trained for {epochs} epochs; the result is kept "
        "only if it is better than the linear model on the validation images.",
        size=evidence.image_size,
        shift=_mean_shift(evidence),
        strategy=strategy,
        epochs=epochs,
    )


def _mean_shift(evidence: Evidence) -> float:
    return fmean(evidence.shift.values()) if evidence.shift else 0.0


def _without_smoothing(plan: Plan, task: Task) -> Plan:
    """The plan without label smoothing, unless it was requested."""
    if plan.label_smoothing.ground == "asked":
        return plan
    why = (
        say(
            "targets.no_smoothing_number",
            "there are no classes to smooth over when the target is a number",
        )
        if task == "number"
        else say(
            "targets.no_smoothing",
            "most labels are absent from most images, so there is little to smooth",
        )
    )
    return replace(plan, label_smoothing=Choice(value=0.0, why=why, ground="convention"))


def _describe_probe(evidence: Evidence, task: Task) -> Sentence:
    best = best_probe(evidence)
    assert best is not None
    figures: dict[str, Figure] = {
        "name": best.name,
        "n": len(evidence.probes),
        "share": best.loo_accuracy.value,
    }
    if task == "number":
        return say(
            "targets.taps_number",
            "'{name}' is the best of {n} choices by leave-one-out: it explains {share:.1%} of "
            "the variance",
            **figures,
        )
    return say(
        "targets.taps_labels",
        "'{name}' is the best of {n} choices by leave-one-out: mean average precision {share:.1%}",
        **figures,
    )


MEANINGLESS_SETTINGS: dict[tuple[Task, str], tuple[Callable[[object], bool], str]] = {
    ("labels", "balance"): (
        lambda value: value != "none",
        "classes are weighed or drawn evenly where an image has one label; of several labels one "
        "cannot be drawn without the others.",
    ),
    ("labels", "head"): (
        lambda value: value == "exact",
        "a tuned head is solved anew where an image has one label only.",
    ),
    ("number", "head"): (
        lambda value: value == "exact",
        "a tuned head is solved anew where an image has one label only.",
    ),
    ("number", "balance"): (lambda value: value != "none", "a number has no classes to balance."),
    ("number", "label_smoothing"): (
        lambda value: value != 0,
        "a number has no classes to spread a target over.",
    ),
    ("number", "mix"): (
        lambda value: value == "cutmix",
        "a rectangle's share of the pixels is no share of a number; mixup blends both alike.",
    ),
}
