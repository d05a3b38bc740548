"""Remedies are tried beside a training and adopted only where they help on validation images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made
from tests.learn.made_context import whole_context

from striate.errors import StriateError
from striate.learn.context import FitResult
from striate.learn.finetune import paired_trial
from striate.learn.finetune.remedy_trials import gravest_fault, try_remedies
from striate.values import History, Plan, TrainingOptions

N, K = 200, 3
TRUTH = np.arange(N) % K
OVERFIT = made.made_history(500, N, 0.8, train_accuracy=0.999, overfit=0.6)


def answers(right: int) -> np.ndarray:
    """Of N images the first `right` get their class, the others the next one."""
    said = np.where(np.arange(N) < right, TRUTH, (TRUTH + 1) % K)
    return np.eye(K, dtype=np.float32)[said]


def job(folder: Path, seconds: float = 1e6, **options: Any) -> Any:
    values = made.values(classes=K)
    index = SimpleNamespace(task="label", labels=lambda: TRUTH, classes=("a", "b", "c"))
    return whole_context(
        index=index,
        cache=values.cache,
        train=np.arange(N, N + 10),
        val=np.arange(N),
        groups=np.arange(N),
        feature_rows=np.arange(N),
        options=TrainingOptions(**options),
        machine=values.machine,
        given_plan=None,
        checkpoints=folder,
        keep=lambda name, make, codec=None, **_: make(),
        publish=lambda name, value: None,
        minutes=1.0,
        seconds_left=lambda: seconds,
        judge_images=0,
        usable=lambda classifier: None,
        watch=lambda progress: None,
    )


def trained(history: History, right: int = 150) -> FitResult:
    values = made.values(classes=K, strategy="scratch")
    assert values.evidence is not None
    epochs = replace(values.plan.epochs, value=len(history.epochs))
    net = replace(values.plan.net, value="compact")
    return FitResult(
        classifier=SimpleNamespace(right=right),
        plan=replace(values.plan, epochs=epochs, net=net),
        evidence=values.evidence,
        history=history,
        val_probabilities=answers(right),
    )


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Plan], int]], list[Plan]]:
    """Trainings whose number of right answers follows from their plan; gives the plans met."""

    def planted(right: Callable[[Plan], int]) -> list[Plan]:
        met: list[Plan] = []

        def train_plan(job: Any, plan: Plan, linear: Any, evidence: Any) -> Any:
            met.append(plan)
            if right(plan) < 0:
                raise StriateError("The training diverged.", "")
            return SimpleNamespace(right=right(plan)), OVERFIT, plan

        monkeypatch.setattr(paired_trial, "train_plan", train_plan)
        monkeypatch.setattr(
            paired_trial, "predict_rows", lambda job, classifier, rows: answers(classifier.right)
        )
        return met

    return planted


def test_the_fault_is_read_from_the_curves() -> None:
    assert gravest_fault(OVERFIT) == "overfitting"
    assert gravest_fault(made.made_history(4000, 600, 0.97, train_accuracy=0.985)) == ""


def test_a_training_too_short_for_curves_underfits_where_training_images_are_wrong() -> None:
    few = made.made_history(1000, 600, 0.25, train_accuracy=0.27)
    few = replace(few, epochs=few.epochs[-4:], kept_epoch=few.epochs[-1].epoch)
    assert gravest_fault(few) == "underfitting"
    learnt = made.made_history(1000, 600, 0.97, train_accuracy=0.985)
    learnt = replace(learnt, epochs=learnt.epochs[-4:], kept_epoch=learnt.epochs[-1].epoch)
    assert gravest_fault(learnt) == ""


def test_a_remedy_that_helps_is_adopted(tmp_path: Path, trainings: Any) -> None:
    trainings(lambda plan: 180 if plan.dropout.value == 0.5 else 150)
    found = try_remedies(job(tmp_path), trained(OVERFIT), None)
    assert found.plan.dropout.value == 0.5
    assert found.plan.because[-1].code == "remedy.adopted"
    assert [t.settings.get("remedy") for t in found.evidence.trials if t.kept][-1] == "dropout"


def test_a_remedy_that_does_not_help_is_told_and_left(tmp_path: Path, trainings: Any) -> None:
    trainings(lambda plan: 152)
    before = trained(OVERFIT)
    found = try_remedies(job(tmp_path), before, None)
    assert found.classifier is before.classifier
    assert [s.code for s in found.plan.because[-3:]] == ["remedy.no_help"] * 3


def test_a_remedy_that_diverges_is_left(tmp_path: Path, trainings: Any) -> None:
    trainings(lambda plan: -1)
    before = trained(OVERFIT)
    assert try_remedies(job(tmp_path), before, None).classifier is before.classifier


def test_a_healthy_training_is_left_alone(tmp_path: Path, trainings: Any) -> None:
    met = trainings(lambda plan: 200)
    before = trained(made.made_history(4000, 600, 0.97, train_accuracy=0.985))
    assert try_remedies(job(tmp_path, remedy=True), before, None) is before
    assert not met


def test_without_time_nothing_is_tried_unless_asked(tmp_path: Path, trainings: Any) -> None:
    met = trainings(lambda plan: 200)
    before = trained(OVERFIT)
    assert try_remedies(job(tmp_path, seconds=5), before, None) is before
    assert try_remedies(job(tmp_path, no_remedy=True), before, None) is before
    assert not met
    assert try_remedies(job(tmp_path, seconds=5, remedy=True), before, None) is not before


def test_with_little_time_trials_are_short_and_have_a_control(
    tmp_path: Path, trainings: Any
) -> None:
    met = trainings(lambda plan: 180 if plan.dropout.value == 0.5 else 150)
    # Some 54 epochs fit where three trials in full would take 60.
    found = try_remedies(job(tmp_path, seconds=165), trained(OVERFIT), None)
    lengths = [plan.epochs.value for plan in met]
    assert len(met) == 5  # three remedies, the control, the one that helped in full
    assert len(set(lengths[:4])) == 1
    assert lengths[0] < lengths[-1] == len(OVERFIT.epochs)
    assert found.plan.dropout.value == 0.5
