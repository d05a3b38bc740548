"""A race takes a setting that is better beyond chance, and keeps the recipe otherwise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import made
from tests.learn.finetune.test_remedy_trials import N, answers, job
from tests.train import made_training

from striate.errors import StriateError
from striate.learn.finetune import paired_trial
from striate.learn.finetune.successive_halving import (
    LEAST_EPOCHS,
    RECIPE,
    SHARE,
    arms_per_heat,
    make_arms,
    plan_heats,
    race_settings,
    select_survivors,
)
from striate.strategy.choose import training_reason
from striate.values import Plan

EPOCHS = 64


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Plan], int]], list[Plan]]:
    """Trainings whose number of right answers follows from their plan; gives the plans met."""

    def planted(right: Callable[[Plan], int]) -> list[Plan]:
        met: list[Plan] = []

        def train_plan(job: Any, plan: Plan, linear: Any, evidence: Any) -> Any:
            met.append(plan)
            if right(plan) < 0:
                raise StriateError("The training diverged.", "")
            history = made.made_history(plan.epochs.value, N, 0.8)
            return SimpleNamespace(right=right(plan)), history, plan

        monkeypatch.setattr(paired_trial, "train_plan", train_plan)
        monkeypatch.setattr(
            paired_trial,
            "predict_rows",
            lambda job, classifier, rows: answers(classifier.right),
        )
        return met

    return planted


def plan_and_evidence(ground: str = "measured") -> Any:
    values = made.values(classes=3, strategy="scratch")
    epochs: Any = replace(values.plan.epochs, value=EPOCHS, ground=ground)
    augment = replace(values.plan.augment, value={"crop": 1.0}, ground="convention")
    because = (training_reason("scratch", EPOCHS),)
    plan = replace(values.plan, epochs=epochs, augment=augment, because=because)
    return plan, values.evidence


def faster_is_better(plan: Plan, by: int, base: float) -> int:
    return 100 + (by if plan.learning_rate.value > base else 0)


def test_an_arm_that_is_better_is_taken_and_the_race_is_paid_for(
    tmp_path: Path, trainings: Any
) -> None:
    plan, evidence = plan_and_evidence()
    rate = plan.learning_rate.value
    met = trainings(lambda plan: faster_is_better(plan, 40, rate))
    found, seen = race_settings(job(tmp_path, race=True), plan, None, evidence)
    assert found.learning_rate.value == 2 * rate
    assert found.learning_rate.ground == "measured"
    assert [one.epochs.value for one in met] == [2, 2, 2, 2, 4, 4]
    assert found.epochs.value == EPOCHS - 16
    trials = seen.trials[len(evidence.trials) :]
    assert [trial.settings["arm"] for trial in trials][-2:] == ["recipe", "double_rate"]
    assert [trial.kept for trial in trials] == [False] * 5 + [True]
    assert trials[-1].accuracy.n == N
    assert [said.code for said in found.because[-2:]] == ["race.won", "choose.train"]
    assert found.because[-1].figures["epochs"] == EPOCHS - 16


@pytest.mark.parametrize("by", [0, 1, -30])
def test_what_may_be_chance_leaves_the_recipe(tmp_path: Path, trainings: Any, by: int) -> None:
    plan, evidence = plan_and_evidence()
    trainings(lambda one: faster_is_better(one, by, plan.learning_rate.value))
    found, seen = race_settings(job(tmp_path, race=True), plan, None, evidence)
    assert found.learning_rate == plan.learning_rate
    assert found.augment == plan.augment
    assert not any(trial.kept for trial in seen.trials[len(evidence.trials) :])
    assert found.because[-2].code == "race.lost"


def test_an_arm_that_diverges_drops_out(tmp_path: Path, trainings: Any) -> None:
    plan, evidence = plan_and_evidence()
    trainings(lambda one: -1 if one.learning_rate.value > plan.learning_rate.value else 120)
    found, _ = race_settings(job(tmp_path, race=True), plan, None, evidence)
    assert found.learning_rate == plan.learning_rate


def test_epochs_that_were_asked_for_are_trained(tmp_path: Path, trainings: Any) -> None:
    plan, evidence = plan_and_evidence("asked")
    trainings(lambda one: 120)
    assert race_settings(job(tmp_path, race=True), plan, None, evidence)[0].epochs == plan.epochs


def test_nothing_is_raced_unasked_or_where_epochs_are_few(tmp_path: Path, trainings: Any) -> None:
    plan, evidence = plan_and_evidence()
    met = trainings(lambda one: 120)
    assert race_settings(job(tmp_path), plan, None, evidence) == (plan, evidence)
    few = replace(plan, epochs=replace(plan.epochs, value=5))
    found, seen = race_settings(job(tmp_path, race=True), few, None, evidence)
    assert seen == evidence
    assert found.because[-2].code == "race.too_short"
    assert not met


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
