"""The four corners, and what is worth a training in each."""

from dataclasses import replace

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.strategy.choose import choose_plan
from striate.strategy.corners import find_corner, strategy_to_try
from striate.strategy.expected_gain import candidate_strategies, strategies_to_measure
from striate.values import Evidence, TrainingOptions

OPTIONS = TrainingOptions(minutes=10)
FAST = {"features": 4000.0, "scratch": 2000.0, "shallow": 2000.0, "deep": 500.0}


def at(each: int, shift: float, size: int = 224) -> Evidence:
    found = replace(
        evidence(train=10 * each, size=size, val_images=500, **FAST),
        shift={"block1": shift / 2, "top": 1.5 * shift},
    )
    return replace(found, corner=find_corner(found))


@pytest.mark.parametrize(
    ("each", "shift", "rule"),
    [(20, 0.05, "linear"), (20, 0.2, "layers"), (200, 0.05, "shallow"), (200, 0.2, "deep")],
)
def test_the_four_corners_of_the_course(each: int, shift: float, rule: str) -> None:
    found = at(each, shift).corner
    assert found is not None
    assert found.rule == rule
    assert (found.images_per_class, found.shift) == (each, pytest.approx(shift))


def test_without_a_shift_there_is_no_corner() -> None:
    assert find_corner(evidence()) is None


@pytest.mark.parametrize(
    ("each", "shift", "size", "tried"),
    [
        (20, 0.05, 224, ""),
        (60, 0.3, 224, "shallow"),
        (200, 0.05, 224, "shallow"),
        (200, 0.3, 224, "deep"),
        (200, 0.3, 32, "scratch"),
    ],
)
def test_what_several_labels_and_numbers_try(
    each: int, shift: float, size: int, tried: str
) -> None:
    assert strategy_to_try(size, each, shift) == tried


@pytest.mark.parametrize("each", [20, 200])
@pytest.mark.parametrize("shift", [0.05, 0.3])
def test_all_layers_are_tuned_where_there_is_time_else_the_last(each: int, shift: float) -> None:
    found = at(each, shift)
    assert candidate_strategies(found, 3600, OPTIONS)[0] == ("scratch", "deep")
    assert strategies_to_measure(found, 3600, OPTIONS) == ("scratch", "deep")
    slow = replace(found, speeds={**FAST, "deep": each / 20})
    assert candidate_strategies(slow, 60, OPTIONS)[0] == ("scratch", "shallow")


def test_a_slow_network_has_both_ways_of_tuning_measured() -> None:
    hoped = replace(at(200, 0.05), speeds={"features": 50.0})
    assert "shallow" in strategies_to_measure(hoped, 600, OPTIONS)


def test_too_few_validation_images_to_judge_a_tuning_are_said_to_be() -> None:
    found = replace(
        evidence(train=20, val_images=4, linear=0.7, val=0.75, size=224, **FAST),
        shift={"block1": 0.1, "top": 0.1},
    )
    plan = choose_plan(found, 3600, OPTIONS, MACHINE)
    said = {sentence.code: sentence for sentence in plan.because}
    assert plan.strategy.value == "linear"
    assert said["out.tuning_few"].figures["n"] == 4


def test_the_last_stages_are_tuned_within_their_time() -> None:
    slow = replace(at(60, 0.05), speeds={**FAST, "deep": 5.0})
    plan = choose_plan(slow, 120, OPTIONS, MACHINE)
    assert plan.strategy.value == "shallow"
    assert plan.tuned.value > 0
    passes = (4 * 600 + 500) / FAST["features"]
    assert plan.epochs.value * 600 / FAST["shallow"] + passes <= 120


@pytest.mark.parametrize("strategy", ["auto", "deep", "scratch"])
def test_where_the_time_is_used_up_no_speed_is_measured(strategy: str) -> None:
    options = replace(OPTIONS, strategy=strategy)
    assert strategies_to_measure(at(200, 0.3), 7.0, options) == ()


def test_what_the_time_did_not_allow_is_said_with_what_to_type() -> None:
    unmeasured = replace(at(200, 0.3), speeds={"features": 4000.0})
    plan = choose_plan(unmeasured, 7.0, OPTIONS, MACHINE)
    assert plan.strategy.value == "linear"
    said = [sentence for sentence in plan.because if sentence.code == "out.used_up"]
    assert {sentence.figures["strategy"] for sentence in said} == {"scratch", "deep", "shallow"}
    assert all("--minutes" in sentence.text for sentence in said)
