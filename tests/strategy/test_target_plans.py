"""Several labels or a number: what may be asked for, and what is trained beside the exact head."""

from dataclasses import replace

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.config.overrides import parse_overrides
from striate.errors import UsageError
from striate.strategy.target_plans import (
    check_task_settings,
    choose_target_plan,
    strategy_to_train,
)
from striate.values import Evidence, Task, TrainingOptions


@pytest.mark.parametrize(
    ("case", "seconds", "strategy", "code"),
    [
        (evidence(val_images=0), 100, "linear", "choose.no_validation"),
        (evidence(size=32), 80, "scratch", "targets.train"),
        (evidence(size=32), 9, "linear", "out.no_time"),
        (evidence(train=200, size=224), 600, "linear", "targets.few"),
        (evidence(train=2000, size=224), 600, "linear", "out.no_time"),  # no speed of shallow
        (evidence(linear=None), 60, "scratch", "targets.train_alone"),
    ],
)
@pytest.mark.parametrize("task", ["labels", "number"])
def test_what_follows_from_what(
    case: Evidence, seconds: float, strategy: str, code: str, task: Task
) -> None:
    plan = choose_target_plan(case, seconds, TrainingOptions(minutes=2), MACHINE, task)
    assert plan.strategy.value == strategy
    assert code in [sentence.code for sentence in plan.because]


def test_large_images_far_from_the_photographs_are_tuned_on_all_layers() -> None:
    case = evidence(train=2000, size=224)
    case = replace(case, speeds={**case.speeds, "deep": 50.0}, shift={"top": 0.3})
    plan = choose_target_plan(case, 900, TrainingOptions(minutes=16), MACHINE, "labels")
    assert plan.strategy.value == "deep"
    assert "taps" in plan.taps.why.code


@pytest.mark.parametrize("strategy", ["scratch", "shallow", "deep", "linear", "layers"])
def test_what_is_asked_for_is_done(strategy: str) -> None:
    options = TrainingOptions(minutes=2, strategy=strategy)
    plan = choose_target_plan(evidence(), 60, options, MACHINE, "number")
    assert (plan.strategy.value, plan.strategy.ground) == (strategy, "asked")
    wanted = "" if strategy in ("linear", "layers") else strategy
    assert strategy_to_train(evidence(), options) == wanted


def test_smoothing_is_left_out_unless_asked_for() -> None:
    usual = TrainingOptions(minutes=2, strategy="scratch")
    plan = choose_target_plan(evidence(), 60, usual, MACHINE, "labels")
    assert plan.label_smoothing.value == 0
    asked = replace(usual, overrides=parse_overrides("label_smoothing=0.1"))
    plan = choose_target_plan(evidence(), 60, asked, MACHINE, "labels")
    assert plan.label_smoothing.value == 0.1


def test_tuning_without_a_pretrained_network_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a pretrained network"):
        choose_target_plan(
            evidence(linear=None), 60, TrainingOptions(strategy="deep"), MACHINE, "labels"
        )


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("labels", "balance=weights"),
        ("labels", "balance=sampling"),
        ("number", "balance=weights"),
        ("number", "label_smoothing=0.1"),
        ("number", "mix=cutmix"),
    ],
)
def test_what_has_no_meaning_for_a_task_is_refused(task: Task, asked: str) -> None:
    with pytest.raises(UsageError, match=f"--set {asked}: "):
        check_task_settings(task, parse_overrides(asked))
    check_task_settings("label", parse_overrides(asked))


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("labels", "mix=mixup label_smoothing=0.1"),
        ("labels", "mix=cutmix balance=none"),
        ("number", "mix=mixup label_smoothing=0 epochs=3"),
    ],
)
def test_what_has_a_meaning_is_let_through(task: Task, asked: str) -> None:
    check_task_settings(task, parse_overrides(asked))
