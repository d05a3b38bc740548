"""Who races, for how long, and who goes on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.train import made_training

from striate.strategy.halving_schedule import (
    LEAST_EPOCHS,
    RECIPE,
    SHARE,
    arms,
    field_sizes,
    go_on,
    heats,
)


def test_arms_differ_from_the_recipe_in_one_choice_each() -> None:
    plan = made_training.plan(learning_rate=0.1, augment={"crop": 1.0})
    found = {arm.name: arm.plan for arm in arms(plan)}
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
    assert [arm.name for arm in arms(asked)] == [RECIPE]


def test_heats_halve_the_arms_and_double_the_epochs() -> None:
    assert field_sizes(4) == (4, 2)
    assert field_sizes(9) == (9, 4, 2)
    assert field_sizes(1) == ()
    assert heats(4, 64) == (2, 4)
    assert heats(4, 63) == ()
    assert heats(1, 1000) == ()


@given(st.integers(2, 20), st.integers(1, 2000))
def test_a_race_takes_its_share_and_no_more(starters: int, epochs: int) -> None:
    found = heats(starters, epochs)
    spent = sum(n * each for n, each in zip(field_sizes(starters), found, strict=False))
    assert spent <= SHARE * epochs
    assert all(each >= LEAST_EPOCHS for each in found)


def test_the_recipe_goes_on_and_of_equals_the_earlier() -> None:
    assert go_on([1, 9, 5, 9], 2) == (0, 1)
    assert go_on([9, 1, 2, 5], 3) == (0, 2, 3)
