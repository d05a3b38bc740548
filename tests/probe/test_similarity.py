"""Layer-wise shift: nothing for the images that a network was trained on, more for strange ones."""

from typing import Any

import numpy as np
import torch
from torch import nn

from striate.probe.similarity import measure_layer_shift
from striate.train.head import Network, all_taps, build_network
from striate.values import RANDOM, Cache, ModelSpec, NetSettings


def made(**changes: Any) -> tuple[Network, ModelSpec]:
    net = changes.get("net", "compact")
    names = ("block1", "block2", "top")
    spec = ModelSpec(
        net=net,
        settings=NetSettings(width=0.25, **changes.get("settings", {})),
        classes=("a", "b"),
        channels=1,
        input_size=32,
        cache_size=32,
        resize="squash",
        mean=(0.5,),
        std=(0.25,),
        taps=all_taps(names)[-1:],
    )
    return build_network(spec, RANDOM), spec


def images(seed: int, low: int = 60, high: int = 200) -> Cache:
    rng = np.random.default_rng(seed)
    return Cache(images=rng.integers(low, high, (64, 32, 32, 1), dtype=np.uint8), path="")


def at_home(network: Network, spec: ModelSpec, cache: Cache) -> None:
    """Gives every layer of batch normalisation the statistics that it has on these images."""
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = None
        layer.reset_running_stats()
    pixels = torch.from_numpy(cache.images.transpose(0, 3, 1, 2).astype(np.float32))
    network.train()
    with torch.no_grad():
        network.pooled((pixels / 255 - spec.mean[0]) / spec.std[0])
    network.eval()


def test_at_home_there_is_no_shift_and_far_away_there_is() -> None:
    network, spec = made()
    cache = images(0)
    at_home(network, spec, cache)
    rows = np.arange(64)
    home = measure_layer_shift(network, cache, rows, spec)
    same = measure_layer_shift(network, images(1), rows, spec)
    away = measure_layer_shift(network, images(0, 0, 40), rows, spec)
    assert list(home) == list(away)
    assert all(value < 0.01 for value in home.values())
    assert max(same.values()) < 0.1 < max(away.values())


def test_nothing_is_changed_and_the_same_images_give_the_same() -> None:
    network, spec = made()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    first, again = (measure_layer_shift(network, images(0), np.arange(64), spec) for _ in range(2))
    assert first == again
    assert network.training
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())


def test_a_network_without_statistics_says_nothing() -> None:
    network, spec = made(settings={"normalisation": "group"})
    assert measure_layer_shift(network, images(0), np.arange(64), spec) == {}
