"""The race of networks: the best is taken, the faster of equals, and what cannot run is told."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made

from striate.errors import HubError, ModelError
from striate.learn.linear import backbones
from striate.learn.linear.backbone_sources import BackboneSource
from striate.learn.linear.backbones import choose_backbone, probe_first_backbone
from striate.learn.linear.linear_model import PRETRAINED
from striate.probe.features import FeatureTable
from striate.values import Tap, TrainingOptions

N, K = 200, 4
LABELS = np.arange(N) % K
SPEEDS = {PRETRAINED: 100.0, "fast": 300.0, "good": 90.0, "slow": 1.0, "equal": 101.0}
NOISE = {PRETRAINED: 3.0, "fast": 3.0, "good": 0.1, "slow": 0.1, "equal": 3.0}


@dataclass
class Context:
    options: TrainingOptions
    minutes: float = 5.0

    def __post_init__(self) -> None:
        self.labels = LABELS
        self.groups = np.arange(N)
        self.train = np.arange(0, N, 2)
        self.feature_rows = np.arange(N)
        self.judge_images = 0
        self.given_plan: Any = None
        self.index = SimpleNamespace(classes=tuple("abcd"))
        self.said: list[str] = []
        self.data = self.budget = self.port = self
        self.seed = self.options.seed

    def keep(self, name: str, make: Any, *_: Any, **__: Any) -> Any:
        return make()

    def watch(self, progress: Any) -> None:
        self.said.append(progress.note.text)


def table(name: str) -> FeatureTable:
    """Features that tell the classes the better, the less noise is in them."""
    kind = name.split(" ")[0]
    noise = np.random.default_rng(0).normal(size=(N, 8)) * NOISE[kind]
    values = np.tile(np.eye(K)[LABELS], 2) + noise
    taps = (Tap(stage="s1", pool="mean"), Tap(stage="top", pool="mean"))
    return FeatureTable(
        rows=np.arange(N),
        taps=taps,
        widths=(4, 4),
        values=values.astype(np.float32),
        seconds=1.0,
    )


@pytest.fixture(autouse=True)
def rigged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are names: their features and their speeds are made up."""

    def whole(job: Any, net: str, size: int, weights: Any, features: str = "features.npz") -> Any:
        if net == "absent":
            raise HubError("The hub did not answer.", "Type this.")
        return backbones.LinearProbes(
            net=net,
            input_size=size,
            network=SimpleNamespace(backbone=SimpleNamespace()),
            table=table(net),
            probed=None,
            weights=weights,
            features=features,
        )

    monkeypatch.setattr(backbones, "probe_network", whole)
    monkeypatch.setattr(backbones, "choose_input_size", lambda job, net: 96)
    monkeypatch.setattr(
        backbones, "build_tapped_network", lambda *_: SimpleNamespace(backbone=SimpleNamespace())
    )
    monkeypatch.setattr(backbones, "read_features", lambda job, net, *_: table(net))
    monkeypatch.setattr(backbones, "_measure_speed", lambda job, offer, *_: SPEEDS[offer.net])


def raced(*names: str, minutes: float = 5.0) -> tuple[Any, Context]:
    job = Context(options=TrainingOptions(), minutes=minutes)
    first = probe_first_backbone(job)
    others = tuple(BackboneSource(net=name) for name in names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_other_sources", lambda job, first: others)
        return choose_backbone(job, first), job


def test_the_best_is_taken_though_it_is_slower() -> None:
    found, _ = raced("good")
    assert found.net == "good"
    assert found.features == "networks-good.npz"
    assert [trial.kept for trial in found.networks] == [False, True]
    assert [trial.why.code for trial in found.networks] == ["networks.worse", "networks.taken"]
    first, best = found.networks
    assert first.accuracy.n == best.accuracy.n == len(range(0, N, 2))
    assert best.accuracy.low > first.accuracy.high
    assert best.settings["images_per_second"] == 90
    assert best.settings["input_size"] == first.settings["input_size"] == 96


def test_of_equals_the_faster_is_taken() -> None:
    found, _ = raced("fast")
    assert found.net == "fast"
    assert found.networks[0].why.code == "networks.dearer"


def test_of_equals_that_are_as_fast_the_first_is_taken() -> None:
    found, _ = raced("equal")
    assert found.net == PRETRAINED
    assert found.features == "features.npz"
    assert [trial.kept for trial in found.networks] == [True, False]


def test_a_network_that_the_time_does_not_hold_is_not_measured() -> None:
    found, job = raced("slow", "good", minutes=0.5)
    assert found.net == "good"
    assert [trial.net for trial in found.networks] == [PRETRAINED, "good"]
    assert [note.code for note in found.notes] == ["networks.slow"]
    assert job.said[0].startswith("slow was skipped")


def test_with_one_network_there_is_no_race() -> None:
    found, job = raced()
    assert found.networks == found.notes == ()
    assert not job.said


def test_a_network_that_was_named_and_cannot_be_fetched_ends_the_command() -> None:
    job = Context(options=replace(TrainingOptions(), net="absent"))
    with pytest.raises(HubError):
        probe_first_backbone(job)
    assert not job.said


def test_a_network_that_is_asked_for_runs_against_none() -> None:
    job = Context(options=replace(TrainingOptions(), net="good"))
    found = probe_first_backbone(job)
    assert choose_backbone(job, found) is found
    assert found.net == "good"


def test_the_network_of_a_plan_is_never_replaced() -> None:
    job = Context(options=TrainingOptions())
    plan = made.values(classes=K).plan
    job.given_plan = replace(plan, net=replace(plan.net, value="absent"))
    with pytest.raises(HubError):
        probe_first_backbone(job)


def test_a_file_for_a_network_that_is_asked_for_has_no_stand_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unfit(*_: Any) -> None:
        raise ModelError("The weights do not fit.", "Name others.")

    monkeypatch.setattr(backbones, "probe_network", unfit)
    with pytest.raises(ModelError, match="do not fit"):
        probe_first_backbone(
            Context(options=replace(TrainingOptions(), net="good", weights="w.pt"))
        )
