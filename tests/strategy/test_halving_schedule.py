"""Who races, for how long, and who goes on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.train import made_training

from striate.strategy.halving_schedule import (
    LEAST_EPOCHS,
    RECIPE,
    SHARE,
    arms_per_heat,
    make_arms,
    plan_heats,
    select_survivors,
)


def test_arms_differ_from_the_recipe_in_one_choice_each() -> None:
    plan = made_training.plan(learning_rate=0.1, augment={"crop": 1.0})
    found = {arm.name: arm.plan for arm in make_arms(plan)}
    assert next(iter(found)) == RECIPE
    assert found[RECIPE] == plan
    assert found["half_rate"].learning_rate.value == 0.05
    assert found["double_rate"].learning_rate.value == 0.2
    assert found["erase"].augment.value == {"crop": 1.0, "erase": 1.0}
    for name in ("half_rate", "double_rate"):
        assert replace(found[name], learning_rate=plan.learning_rate) == plan
        assert found[name].learning_rate.ground == "measured"


def test_what_was_asked_for_is_not_raced() -> None:
    plan = made_training.plan(augment={"erase": 1.0})
    asked = replace(plan, learning_rate=replace(plan.learning_rate, ground="asked"))
    assert [arm.name for arm in make_arms(asked)] == [RECIPE]


def test_heats_halve_the_arms_and_double_the_epochs() -> None:
    assert arms_per_heat(4) == (4, 2)
    assert arms_per_heat(9) == (9, 4, 2)
    assert arms_per_heat(1) == ()
    assert plan_heats(4, 64) == (2, 4)
    assert plan_heats(4, 63) == ()
    assert plan_heats(1, 1000) == ()


@given(st.integers(2, 20), st.integers(1, 2000))
def test_a_race_takes_its_share_and_no_more(starters: int, epochs: int) -> None:
    found = plan_heats(starters, epochs)
    spent = sum(n * each for n, each in zip(arms_per_heat(starters), found, strict=False))
    assert spent <= SHARE * epochs
    assert all(each >= LEAST_EPOCHS for each in found)


def test_the_recipe_goes_on_and_of_equals_the_earlier() -> None:
    assert select_survivors([1, 9, 5, 9], 2) == (0, 1)
    assert select_survivors([9, 1, 2, 5], 3) == (0, 2, 3)
