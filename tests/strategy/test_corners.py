"""The four corners, and what is worth a training in each."""

from dataclasses import replace

import pytest

from strategy.evidences import MACHINE, evidence
from striate.strategy.choose import choose
from striate.strategy.corners import corner, to_try
from striate.strategy.promise import contenders, worth_measuring
from striate.values import Evidence, Options

OPTIONS = Options(minutes=10)
FAST = {"features": 4000.0, "scratch": 2000.0, "shallow": 2000.0, "deep": 500.0}


def at(each: int, shift: float, size: int = 224) -> Evidence:
    found = replace(
        evidence(train=10 * each, size=size, val_images=500, **FAST),
        shift={"block1": shift / 2, "top": 1.5 * shift},
    )
    return replace(found, corner=corner(found))


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
    assert corner(evidence()) is None


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
def test_what_is_tried_contends_when_there_is_time(
    each: int, shift: float, size: int, tried: str
) -> None:
    assert to_try(size, each, shift) == tried
    found = at(each, shift, size)
    may, _ = contenders(found, 3600, OPTIONS)
    assert (tried in may) if tried else (set(may) <= {"scratch"})
    assert set(may) <= {tried, "scratch", "shallow", "deep"}
    assert not {"shallow", "deep"} <= set(may)
    assert set(may) <= set(worth_measuring(found, 3600, OPTIONS))


def test_too_few_images_to_tune_are_said_to_be() -> None:
    plan = choose(at(20, 0.05), 3600, OPTIONS, MACHINE)
    said = {sentence.code: sentence for sentence in plan.because}
    assert plan.strategy.value == "linear"
    assert said["out.tuning_few"].figures["each"] == 20


def test_the_last_stages_are_tuned_within_their_time() -> None:
    plan = choose(at(60, 0.05), 120, OPTIONS, MACHINE)
    assert plan.strategy.value == "shallow"
    assert plan.tuned.value > 0
    passes = (4 * 600 + 500) / FAST["features"]
    assert plan.epochs.value * 600 / FAST["shallow"] + passes <= 120
