"""A second training where it may still be better and time is left, and only there."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests import made
from tests.strategy.evidences import MACHINE, evidence, trial

from striate.learn.context import Budget, FitContext, FitResult, RunPort
from striate.learn.finetune import gradient_training
from striate.learn.finetune.gradient_training import try_second_strategy
from striate.strategy.choose import choose_plan
from striate.values import Plan, TrainingOptions, say

SPEEDS = {"features": 4000.0, "scratch": 2000.0, "deep": 500.0}
HOPEFUL = evidence(train=700, size=224, trials=(trial(0.95, epochs=20),), **SPEEDS)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that are trained; each is delivered."""
    plans: list[Plan] = []

    def by_steps(job: Any, plan: Plan, found: Any, read: Any, exact: Any) -> FitResult:
        assert job.port.checkpoints.name == "next"
        plans.append(plan)
        return replace(learned(plan.strategy.value), plan=plan)

    monkeypatch.setattr(gradient_training, "train_by_gradient", by_steps)
    return plans


def job(seconds: float = 900, strategy: str = "auto", given: Plan | None = None) -> Any:
    kept = SimpleNamespace(made=None)

    def keep(name: str, make: Any, codec: Any = None, **_: Any) -> Any:
        kept.made = kept.made or make()
        return kept.made

    nothing: Any = None
    return FitContext(
        data=SimpleNamespace(index=SimpleNamespace(task="label")),
        budget=Budget(minutes=10.0, seconds_left=lambda: seconds, judge_images=0),
        port=RunPort(
            checkpoints=Path("checkpoints"),
            keep=keep,
            publish=nothing,
            usable=nothing,
            watch=nothing,
        ),
        options=TrainingOptions(strategy=strategy),
        machine=MACHINE,
        given_plan=given,
    )


def learned(strategy: str) -> FitResult:
    plan = choose_plan(HOPEFUL, 900, TrainingOptions(strategy=strategy), MACHINE)
    return FitResult(
        classifier=SimpleNamespace(),
        plan=replace(plan, because=(say("gate.not_kept", "not kept"),)),
        evidence=HOPEFUL,
        history=None,
        val_probabilities=None,
    )


@pytest.mark.parametrize(("tried", "then"), [("scratch", "deep"), ("deep", "scratch")])
def test_what_is_next_in_promise_is_trained_where_the_first_did_not_pass(
    trained: list[Plan], tried: str, then: str
) -> None:
    found = try_second_strategy(job(), learned("linear"), tried, None, None)
    (plan,) = trained
    assert plan.strategy.value == found.plan.strategy.value == then
    codes = [sentence.code for sentence in plan.because]
    assert codes[:2] == ["gate.not_kept", "next.try"]
    texts = [sentence.text for sentence in plan.because]
    assert len(set(texts)) == len(texts)


def test_after_a_training_that_passed_the_next_must_promise_more(trained: list[Plan]) -> None:
    first = learned("deep")
    poor, good, all_right = (_reached(first, accuracy) for accuracy in (0.80, 0.99, 1.0))
    assert try_second_strategy(job(), good, "deep", None, None) is good
    done = replace(all_right, plan=learned("scratch").plan)
    assert try_second_strategy(job(), done, "scratch", None, None) is done
    assert not trained
    try_second_strategy(job(), poor, "deep", None, None)
    (plan,) = trained
    assert plan.strategy.value == "scratch"


def _reached(model: FitResult, accuracy: float) -> FitResult:
    """The model after it passed the gate with this accuracy."""
    kept = replace(trial(accuracy), strategy="deep", kept=True)
    return replace(model, evidence=replace(HOPEFUL, trials=(*HOPEFUL.trials, kept)))


@pytest.mark.parametrize(
    "of", [job(seconds=8.5), job(strategy="deep"), job(given=made.values().plan)]
)
def test_nothing_follows_without_time_nor_where_the_way_was_given(
    trained: list[Plan], of: Any
) -> None:
    first = learned("linear")
    assert try_second_strategy(of, first, "deep", None, None) is first
    assert not trained
