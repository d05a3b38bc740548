"""Tuning starts where the exact head ends, and answers come out in their own unit."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.made_context import some_context

from striate.learn import task
from striate.learn.task import TASK_SPECS
from striate.metrics import target_metrics
from striate.metrics.intervals import softmax
from striate.metrics.probability_calibration import calibrate_scores
from striate.probe.features import FeatureTable
from striate.train.head import Network, build_network
from striate.values import RANDOM, Cache, Calibration, ModelSpec, NetSettings, Tap, say

N, TAPS = 60, (Tap(stage="top", pool="mean"),)
SPEC: dict[str, Any] = {
    "net": "compact",
    "settings": NetSettings(width=0.125),
    "channels": 1,
    "input_size": 16,
    "cache_size": 16,
    "resize": "squash",
    "mean": (0.5,),
    "std": (0.25,),
    "taps": TAPS,
}


def job(task: str, targets: np.ndarray, val: np.ndarray) -> Any:
    images = np.random.default_rng(0).integers(0, 255, (N, 16, 16, 1)).astype(np.uint8)
    return some_context(
        index=SimpleNamespace(task=task, targets=lambda: targets),
        cache=Cache(images=images, path=""),
        train=np.arange(40),
        val=val,
        groups=np.arange(N),
    )


def network(task: str, classes: tuple[str, ...]) -> tuple[ModelSpec, Network]:
    spec = ModelSpec(**SPEC, task=task, classes=classes)
    net = build_network(spec, RANDOM)
    torch.manual_seed(0)
    torch.nn.init.normal_(net.head.weight)
    return spec, net


def test_a_number_is_learnt_in_units_of_its_spread_and_answered_in_its_own() -> None:
    numbers = np.random.default_rng(1).normal(2000, 30, (N, 1))
    it = job("number", numbers, np.arange(40, 60))
    targets = TASK_SPECS["number"].targets(it)
    assert targets[:40].mean() == pytest.approx(0, abs=1e-5)
    assert targets[:40].std() == pytest.approx(1, abs=1e-5)
    spec, net = network("number", ())
    features = torch.randn(5, sum(net.widths))
    before = net.classify(features).detach().numpy()
    TASK_SPECS["number"].finished(it, spec, net)
    after = net.classify(features).detach().numpy()
    assert after == pytest.approx(before * numbers[:40].std() + numbers[:40].mean(), rel=1e-5)


def test_tuning_starts_at_the_exact_head() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(N, 4)).astype(np.float32)
    numbers = 100 + 7 * values[:, :1] + 0.1 * rng.normal(size=(N, 1))
    it = job("number", numbers, np.arange(40, 60))
    table = FeatureTable(taps=TAPS, widths=(4,), rows=np.arange(N), values=values, seconds=1.0)
    plan: Any = SimpleNamespace(taps=SimpleNamespace(value=TAPS))
    head = TASK_SPECS["number"].head(it, table, plan)
    said = head.scores(values[40:])
    wanted = TASK_SPECS["number"].targets(it)[40:]
    assert np.abs(said - wanted).max() < 0.1


def test_each_label_is_said_from_the_threshold_best_on_validation() -> None:
    marks = (np.random.default_rng(3).random((N, 2)) < 0.5).astype(float)
    it = job("labels", marks, np.arange(40, 60))
    spec, net = network("labels", ("a", "b"))
    found = TASK_SPECS["labels"].finished(it, spec, net)
    chances = found.probabilities(it.cache.images, it.val)
    assert found.spec.thresholds == pytest.approx(
        target_metrics.best_thresholds(chances, marks[it.val]), abs=1e-3
    )
    assert chances.mean() == pytest.approx(marks[it.val].mean(), abs=0.05)


def test_scores_become_probabilities_as_the_validation_images_prefer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = Calibration(intercept=1.0, why=say("calibration.two", "chosen"))
    asked: list[Any] = []

    def choose(scores: Any, labels: Any, groups: Any, temperature: float, seed: int) -> Calibration:
        asked.append((scores, labels, groups, temperature, seed))
        return how

    monkeypatch.setattr(task, "choose_calibration", choose)
    labels = np.arange(N) % 2
    it = job("label", labels, np.arange(40, 60))
    it.labels, it.groups, it.seed = labels, np.arange(N) // 2, 5
    spec, net = network("label", ("a", "b"))
    found = TASK_SPECS["label"].finished(it, spec, net)
    ((scores, truth, groups, temperature, seed),) = asked
    assert scores == pytest.approx(found.logits(it.cache.images, it.val), abs=1e-6)
    assert truth.tolist() == labels[40:].tolist()
    assert groups.tolist() == (np.arange(40, N) // 2).tolist()
    assert seed == 5
    assert (found.spec.calibration, found.spec.temperature) == (how, temperature)
    chances = found.probabilities(it.cache.images, it.val)
    assert chances == pytest.approx(calibrate_scores(scores, temperature, how), abs=1e-6)
    assert np.abs(chances - softmax(scores, temperature)).max() > 1e-3


def test_without_validation_images_a_label_is_said_from_a_half_on() -> None:
    it = job("labels", np.zeros((N, 2)), np.zeros(0, np.int64))
    spec, net = network("labels", ("a", "b"))
    assert TASK_SPECS["labels"].finished(it, spec, net).spec.thresholds == (0.5, 0.5)
