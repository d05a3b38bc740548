"""The frozen part is computed once: what reaches the stages above is what they would have seen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.made_training import MACHINE, plan

from striate.probe.features import all_taps
from striate.train import frozen_cache
from striate.train.batch_source import BatchSource
from striate.train.frozen_cache import UpperNetwork, cache_frozen_stages, split_taps
from striate.train.head import Network, build_network
from striate.train.loop import train_network
from striate.train.steps import prepare_training
from striate.values import RANDOM, Cache, Machine, ModelSpec, NetSettings, Plan

ROOMY = replace(MACHINE, memory_bytes=2**36)
STAGES = (*(f"block{k}" for k in range(1, 8)), "top")
LABELS = np.arange(24) % 3


def made(**changes: Any) -> tuple[Network, Plan, BatchSource]:
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    of = plan(strategy="shallow", net="efficientnet-lite0", tuned=4, input_size=32, **changes)
    spec = ModelSpec(
        net="efficientnet-lite0",
        settings=NetSettings(),
        classes=of.classes,
        channels=3,
        input_size=32,
        cache_size=32,
        resize="squash",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        taps=all_taps(STAGES),
    )
    network = build_network(spec, RANDOM)
    torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(0))
    feed = BatchSource(
        cache=Cache(images=images, path=""),
        labels=LABELS,
        input_size=32,
        mean=spec.mean,
        std=spec.std,
    )
    return network, of, feed


def machine(**changes: Any) -> Machine:
    return replace(ROOMY, **changes)


@pytest.mark.parametrize("fused", [False, True])
def test_above_the_boundary_is_the_same_network(fused: bool) -> None:
    network, of, feed = made()
    found = cache_frozen_stages(
        network, of, feed, np.arange(16), np.arange(16, 24), machine(fused=fused)
    )
    assert found is not None
    upper, kept = found
    rows = np.array([20, 17])
    with torch.inference_mode():
        whole = network(feed.images(rows))
        part = upper(kept.images(rows))
    assert torch.allclose(whole, part, rtol=2e-2, atol=2e-2 * float(whole.abs().max()))


def test_features_below_and_above_come_back_in_the_order_of_the_taps() -> None:
    network, _, _ = made()
    mixed = Network(network.backbone, tuple(reversed(network.taps)), 3)
    lower, upper = split_taps(mixed, 5)
    assert {tap.stage for tap in lower} == set(STAGES[:5])
    order = UpperNetwork(mixed, 5, (112, 2, 2)).order
    moved = (*lower, *upper)
    width = dict(zip(mixed.taps, mixed.widths, strict=True))
    stand = torch.cat([torch.full((width[tap],), mixed.taps.index(tap)) for tap in moved])
    assert torch.equal(stand[order], stand.sort().values)


def test_every_image_has_several_augmented_views() -> None:
    network, of, feed = made(augment={"crop": 1.0, "noise": 1.0}, epochs=3)
    found = cache_frozen_stages(network, of, feed, np.arange(16), np.arange(16, 24), machine())
    assert found is not None
    generator = torch.Generator().manual_seed(0)
    views = {
        tuple(found[1].images(np.array([3]), {}, generator)[0, :8].tolist()) for _ in range(40)
    }
    assert len(views) == 3  # as many as there are epochs


@pytest.mark.parametrize("changes", [{"tuned": 0}, {"tuned": 9}, {"tuned": 1}, {"mix": "mixup"}])
def test_where_it_does_not_pay_the_whole_network_is_run(changes: dict[str, Any]) -> None:
    network, of, feed = made()
    why = of.epochs.why
    for name, value in changes.items():
        of = replace(of, **{name: replace(of.epochs, value=value, why=why)})
    rows = np.arange(16)
    assert cache_frozen_stages(network, of, feed, rows, rows[:0], machine()) is None
    assert cache_frozen_stages(network, of, feed, rows, rows[:0], machine(memory_bytes=8)) is None


def test_training_above_the_boundary_moves_only_what_is_tuned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    real = frozen_cache._compute_frozen
    monkeypatch.setattr(
        frozen_cache,
        "_compute_frozen",
        lambda *a: asked.append(len(a[4])) or real(*a),
    )
    network, of, feed = made(epochs=3, learning_rate=0.01, optimizer="adamw")
    before = [[p.detach().clone() for p in group] for group in network.depth_groups()]
    found = train_network(
        network,
        of,
        feed.cache,
        np.arange(16),
        np.arange(16, 24),
        machine(),
        labels=LABELS,
        mean=feed.mean,
        std=feed.std,
    )
    moved = [
        any(not torch.equal(a, b) for a, b in zip(old, new, strict=True))
        for old, new in zip(before, network.depth_groups(), strict=True)
    ]
    assert moved[:5] == [False] * 5
    assert found.history.kept_epoch == 0 or any(moved[5:])
    assert asked == [16, 16, 16, 8]
    assert prepare_training(network, of, feed)
