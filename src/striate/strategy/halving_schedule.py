"""Successive halving of settings: the arms, the epochs of each heat, the survivors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from striate.values import Choice, Plan, Sentence, say

RECIPE = "recipe"
SHARE = 0.25  # of the planned epochs
LEAST_EPOCHS = 2  # epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class HalvingArm:
    """A plan that competes; `what` says in which one choice it differs from the recipe."""

    name: str
    plan: Plan
    what: Sentence


def make_arms(plan: Plan) -> tuple[HalvingArm, ...]:
    """The recipe first, then plans that differ from it in one choice that was not requested."""
    recipe = HalvingArm(name=RECIPE, plan=plan, what=say("arm.recipe", "the default recipe"))
    return (recipe, *(arm for make in ARM_MAKERS for arm in make(plan)))


def plan_heats(starters: int, epochs: int) -> tuple[int, ...]:
    """Epochs that each arm trains in each heat; empty if there are too few to compare.

    Successive halving (Jamieson and Talwalkar 2016): every heat halves the arms and doubles their
    epochs. All heats together take at most `SHARE` of `epochs`, so that the final training keeps
    the rest; with fewer than `LEAST_EPOCHS` in the first heat, results say little about full
    trainings.
    """
    fields = arms_per_heat(starters)
    cost = sum(size * 2**heat for heat, size in enumerate(fields))
    first = int(SHARE * epochs / cost) if fields else 0
    return tuple(first * 2**heat for heat in range(len(fields))) if first >= LEAST_EPOCHS else ()


def arms_per_heat(starters: int) -> tuple[int, ...]:
    """Arms at the start of each heat: all, then half of them while at least two are left."""
    found = []
    while starters >= 2:
        found.append(starters)
        starters = starters // 2
    return tuple(found)


def select_survivors(right: Sequence[int], places: int) -> tuple[int, ...]:
    """The arms of the next heat by their number of correct validation images, in their old order.

    The first, which is the recipe, always survives, so that the last heat compares with it; of tied
    arms the earlier survives.
    """
    others = sorted(range(1, len(right)), key=lambda arm: (-right[arm], arm))
    return (0, *sorted(others[: places - 1]))


def _halve_rate(plan: Plan) -> tuple[HalvingArm, ...]:
    return _scale_rate(plan, "half_rate", 0.5)


def _double_rate(plan: Plan) -> tuple[HalvingArm, ...]:
    return _scale_rate(plan, "double_rate", 2.0)


def _scale_rate(plan: Plan, name: str, times: float) -> tuple[HalvingArm, ...]:
    value = times * plan.learning_rate.value
    what = say("arm.learning_rate", "learning rate {value:.2g}", value=value)
    return _make_arm(name, plan, what, learning_rate=value)


def _add_erasing(plan: Plan) -> tuple[HalvingArm, ...]:
    if plan.augment.value.get("erase"):
        return ()
    what = say("arm.erase", "random erasing in addition to the other augmentations")
    return _make_arm("erase", plan, what, augment={**plan.augment.value, "erase": 1.0})


def _make_arm(name: str, plan: Plan, what: Sentence, **changes: Any) -> tuple[HalvingArm, ...]:
    if any(getattr(plan, field).ground == "asked" for field in changes):
        return ()
    choices: dict[str, Any] = {
        field: Choice(value=value, why=what, ground="measured") for field, value in changes.items()
    }
    return (HalvingArm(name=name, plan=replace(plan, **choices), what=what),)


# Erased patches keep every label; rates are what a recipe is most often wrong in.
ARM_MAKERS: tuple[Callable[[Plan], tuple[HalvingArm, ...]], ...] = (
    _halve_rate,
    _double_rate,
    _add_erasing,
)
