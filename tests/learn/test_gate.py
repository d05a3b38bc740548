"""What the gate keeps: the trained network where held-out images prefer it, else the exact."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made
from tests.learn.made_context import some_context

from striate.learn.context import FitResult
from striate.learn.gate import apply_gate
from striate.values import Epoch, History, TrainingOptions

N, K = 100, 3
TRUTH = np.arange(N) % K


def probabilities(right: int) -> np.ndarray:
    """Of N images the first `right` get their class, the others the next one."""
    said = np.where(np.arange(N) < right, TRUTH, (TRUTH + 1) % K)
    return np.eye(K, dtype=np.float32)[said]


@pytest.fixture
def job() -> Any:
    values = made.values(classes=K)
    return some_context(
        index=SimpleNamespace(task="label"),
        labels=TRUTH,
        val=np.arange(N),
        groups=np.arange(N),
        options=TrainingOptions(),
        machine=values.machine,
    )


def learned(right: int, strategy: str) -> FitResult:
    values = made.values(classes=K)
    assert values.evidence is not None
    plan = replace(values.plan, strategy=replace(values.plan.strategy, value=strategy))
    epoch = Epoch(
        epoch=1,
        step=10,
        lr=0.1,
        train_loss=0.2,
        train_accuracy=0.9,
        val_loss=0.3,
        val_accuracy=right / N,
        seconds=1.0,
        pictures_per_second=100.0,
    )
    return FitResult(
        classifier=SimpleNamespace(name=strategy),
        plan=plan,
        evidence=values.evidence,
        history=History(epochs=(epoch,), kept_epoch=1, train_images=500, val_images=N),
        val_probabilities=probabilities(right),
    )


@pytest.mark.parametrize(
    ("trained", "exact", "kept"),
    [
        (95, 80, "scratch"),
        (84, 80, "scratch"),
        (81, 80, "linear"),
        (80, 80, "linear"),
        (60, 80, "linear"),
    ],
)
def test_the_gate_keeps_what_held_out_images_prefer(
    job: Any, trained: int, exact: int, kept: str
) -> None:
    found = apply_gate(job, learned(trained, "scratch"), learned(exact, "linear"))
    assert found.plan.strategy.value == kept
    assert found.classifier.name == kept
    trial = found.evidence.trials[-1]
    assert trial.kept == (kept == "scratch")
    assert trial.accuracy.value == pytest.approx(trained / N)
    assert found.plan.because[-1].code == ("gate.kept" if kept == "scratch" else "gate.not_kept")
    assert str(trained) in found.plan.because[-1].text
    assert str(exact) in found.plan.because[-1].text


def test_images_of_one_group_are_one_witness_at_the_gate(job: Any) -> None:
    job.groups = np.where((np.arange(N) >= 80) & (np.arange(N) < 84), 80, np.arange(N))
    found = apply_gate(job, learned(84, "scratch"), learned(80, "linear"))
    assert found.plan.strategy.value == "linear"
    assert found.evidence.trials[-1].accuracy.method == "cluster-bootstrap"


@pytest.mark.parametrize(("noise", "kept"), [(0.05, "scratch"), (0.5, "linear"), (1.0, "linear")])
@pytest.mark.parametrize("task", ["labels", "number"])
def test_other_tasks_are_held_to_their_own_measure(
    job: Any, task: str, noise: float, kept: str
) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((N, 2)) < 0.4).astype(float) if task == "labels" else 9 * TRUTH[:, None]
    spread = targets.std() * 2
    job.index = SimpleNamespace(task=task, targets=lambda: targets)

    def answers(noise: float) -> np.ndarray:
        said = targets + spread * noise * rng.normal(size=targets.shape)
        return said.astype(np.float32)

    new, old = (
        replace(learned(80, name), val_probabilities=answers(noise))
        for name, noise in (("scratch", noise), ("linear", 0.5))
    )
    found = apply_gate(job, new, old)
    assert found.classifier.name == kept
    code = f"gate.{'kept' if kept == 'scratch' else 'not_kept'}_{task}"
    assert found.plan.because[-1].code == code
    trial = found.evidence.trials[-1]
    assert 0 <= trial.accuracy.low <= trial.accuracy.value <= trial.accuracy.high <= 1


@pytest.mark.parametrize(
    ("right", "wrong", "kept"), [(0.9, 0.4, "deep"), (0.6, 0.6, "linear"), (0.4, 0.9, "linear")]
)
def test_what_a_network_says_of_its_mistakes_counts(
    job: Any, right: float, wrong: float, kept: str
) -> None:
    """Both get the same images right; what tells them apart is which knows its mistakes."""
    exact, tuned = learned(90, "linear"), learned(90, "deep")
    exact = replace(exact, val_probabilities=_said(0.6, 0.6))
    tuned = replace(tuned, val_probabilities=_said(right, wrong))
    found = apply_gate(job, tuned, exact)
    assert found.plan.strategy.value == kept
    assert found.plan.because[-1].code == ("gate.kept" if kept == "deep" else "gate.not_kept")


def test_a_trained_network_may_be_the_one_to_beat(job: Any) -> None:
    first, second = learned(90, "deep"), learned(90, "scratch")
    first = replace(first, val_probabilities=_said(0.6, 0.6))
    earlier = replace(made.values().evidence.trials[0], kept=True)
    second = replace(
        second,
        val_probabilities=_said(0.9, 0.4),
        evidence=replace(second.evidence, trials=(earlier,)),
    )
    found = apply_gate(job, second, first)
    assert found.plan.strategy.value == "scratch"
    assert [one.kept for one in found.evidence.trials] == [False, True]
    reason = found.plan.because[-1]
    assert reason.code == "gate.kept_over"
    assert (reason.figures["rival"], reason.figures["old_right"]) == ("deep", 90)
    stays = apply_gate(job, replace(second, val_probabilities=_said(0.6, 0.6)), first)
    assert stays.plan.strategy.value == "deep"
    assert stays.plan.because[-1].code == "gate.not_kept_over"


def _said(right: float, wrong: float) -> np.ndarray:
    """Probabilities of the class that is answered, for 90 images rightly and for ten wrongly."""
    of_said = np.where(np.arange(N) < 90, right, wrong)
    place = np.where(np.arange(N) < 90, TRUTH, (TRUTH + 1) % K)
    said = np.repeat((1 - of_said)[:, None] / (K - 1), K, axis=1)
    said[np.arange(N), place] = of_said
    return said.astype(np.float32)
