"""An optimizer that is asked for does not learn at the rate of another."""

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.config.overrides import parse_overrides
from striate.strategy.plans import training_plan
from striate.values import Choice, Plan, TrainingOptions, say

WHY = say("test.why", "so")


def plan_of(strategy: str, text: str | None) -> Plan:
    choice = Choice(value=strategy, why=WHY, ground="asked")
    epochs = Choice(value=3, why=WHY, ground="measured")
    options = TrainingOptions(strategy=strategy, overrides=parse_overrides(text))
    return training_plan(evidence(), options, MACHINE, choice, epochs)


@pytest.mark.parametrize(
    ("strategy", "optimizer", "rate"),
    [
        ("scratch", "adamw", 3e-3),
        ("scratch", "sgd", 0.12),
        ("deep", "sgd", 1e-2),
        ("shallow", "sgd", 1e-2),
        ("deep", "adamw", 1e-3),
    ],
)
def test_the_rate_fits_the_optimizer(strategy: str, optimizer: str, rate: float) -> None:
    assert plan_of(strategy, f"optimizer={optimizer}").learning_rate.value == rate


def test_a_rate_that_is_asked_for_stays() -> None:
    found = plan_of("scratch", "optimizer=adamw learning_rate=0.5").learning_rate
    assert (found.value, found.ground) == (0.5, "asked")


def test_the_recipe_without_a_wish_keeps_its_rate() -> None:
    assert plan_of("scratch", None).learning_rate.value == 0.12
    assert plan_of("deep", "dropout=0.1").learning_rate.value == 1e-3
