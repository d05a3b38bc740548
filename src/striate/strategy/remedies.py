"""Remedies for a finding: plans that differ from the executed one in one setting each."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from striate.values import Choice, Plan, Sentence, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A plan to try; `name` identifies it, `what` says what is different."""

    name: str
    plan: Plan
    what: Sentence


def remedies_for(code: str, plan: Plan) -> tuple[Remedy, ...]:
    """The most promising remedies for a finding, two or three; none if no plan helps."""
    return tuple(make(plan) for make in REMEDIES.get(code, ()) if _is_applicable(make, plan))


def strengthen_augmentation(plan: Plan) -> Remedy:
    """Adds crops and erasing at full strength, which keep labels."""
    value = {**plan.augment.value, "crop": 1.0, "erase": 1.0}
    what = say("remedy.augment", "random crops and random erasing at full strength")
    return _make_remedy("augment", plan, what, augment=value)


def increase_decay(plan: Plan) -> Remedy:
    """Ten times the weight decay."""
    value = 10 * (plan.weight_decay.value or 1e-4)
    what = say("remedy.weight_decay", "weight decay {value:.2g}", value=value)
    return _make_remedy("weight_decay", plan, what, weight_decay=value)


def increase_dropout(plan: Plan) -> Remedy:
    """Dropout of half the features before the last layer, as in Hinton and others 2012."""
    what = say("remedy.dropout", "dropout with probability {value:.0%}", value=0.5)
    return _make_remedy("dropout", plan, what, dropout=0.5)


def train_longer(plan: Plan) -> Remedy:
    """Twice the epochs."""
    value = 2 * plan.epochs.value
    what = say("remedy.epochs", "{value} epochs", value=value)
    steps = {"steps": 2 * plan.steps.value} if plan.steps.value else {}
    return _make_remedy("epochs", plan, what, epochs=value, **steps)


def widen_network(plan: Plan) -> Remedy:
    """Twice the channels of a network trained from scratch."""
    value = replace(plan.settings.value, width=2 * plan.settings.value.width)
    what = say("remedy.width", "width {value:g}", value=value.width)
    return _make_remedy("width", plan, what, settings=value)


def raise_rate(plan: Plan) -> Remedy:
    """Three times the learning rate."""
    return _scale_rate("higher_rate", plan, 3.0)


def lower_rate(plan: Plan) -> Remedy:
    """A third of the learning rate."""
    return _scale_rate("lower_rate", plan, 1 / 3)


def clip_gradients(plan: Plan) -> Remedy:
    """Gradient norm clipped to 1."""
    what = say("remedy.clip", "gradient norms clipped to {value:g}", value=1.0)
    return _make_remedy("clip", plan, what, clip=1.0)


def weaken_augmentation(plan: Plan) -> Remedy:
    """Half the strength of every augmentation."""
    value = {name: strength / 2 for name, strength in plan.augment.value.items()}
    what = say("remedy.less_augment", "augmentation at half strength")
    return _make_remedy("less_augment", plan, what, augment=value)


def _scale_rate(name: str, plan: Plan, times: float) -> Remedy:
    value = times * plan.learning_rate.value
    what = say("remedy.learning_rate", "learning rate {value:.2g}", value=value)
    return _make_remedy(name, plan, what, learning_rate=value)


def _make_remedy(name: str, plan: Plan, what: Sentence, **changes: Any) -> Remedy:
    choices: dict[str, Any] = {
        field: Choice(value=value, why=what, ground="measured") for field, value in changes.items()
    }
    return Remedy(name=name, plan=replace(plan, **choices), what=what)


def _is_applicable(make: Callable[[Plan], Remedy], plan: Plan) -> bool:
    """Whether a remedy changes the plan; a pretrained network's width is fixed."""
    if make is widen_network and (plan.strategy.value != "scratch" or plan.net.value != "compact"):
        return False
    changed = make(plan).plan
    choices = [
        field.name for field in fields(plan) if isinstance(getattr(plan, field.name), Choice)
    ]
    return any(getattr(changed, name).value != getattr(plan, name).value for name in choices)


REMEDIES: dict[str, tuple[Callable[[Plan], Remedy], ...]] = {
    "overfitting": (strengthen_augmentation, increase_decay, increase_dropout),
    "underfitting": (train_longer, widen_network, raise_rate),
    "not_converged": (train_longer, raise_rate),
    "learning_rate_low": (raise_rate, train_longer),
    "learning_rate_high": (lower_rate, clip_gradients),
    "diverged": (lower_rate, clip_gradients),
    "plateau": (lower_rate, raise_rate, clip_gradients),
    "augmentation_strong": (weaken_augmentation, train_longer),
}
