"""Pixel values in a wrong range are found; unusual images and networks without memory are not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import made
from torch import nn

from striate.diagnose import preprocessing
from striate.diagnose.preprocessing import WIDER
from striate.probe.similarity import measure_layer_shift
from striate.train.head import build_network
from striate.values import RANDOM, Cache, Finding, ModelSpec, NetSettings, Tap, Values


def values(shift: dict[str, float], strategy: str = "linear") -> Values:
    given = made.values(images=60, size=8, strategy=strategy)
    assert given.evidence is not None
    return replace(given, evidence=replace(given.evidence, shift=shift))


def asked(shift: dict[str, float], strategy: str = "linear") -> Finding:
    return preprocessing.check_preprocessing(values(shift, strategy))


def shifted(times: float) -> dict[str, float]:
    """A network that remembers its images, which are then given `times` as strong."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    cache = Cache(images=images, path="", resize="squash")
    spec = ModelSpec(
        net="vgg",
        settings=NetSettings(width=0.25),
        classes=("a", "b"),
        channels=3,
        input_size=16,
        cache_size=16,
        resize="squash",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        taps=(Tap(stage="top", pool="mean"),),
        dropout=0.0,
    )
    network = build_network(spec, RANDOM)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()
    with torch.no_grad():
        network.pooled((torch.tensor(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    wrong = tuple(s / times for s in spec.std)
    return measure_layer_shift(network, cache, np.arange(64), replace(spec, std=wrong))


@pytest.mark.parametrize("times", [64.0, 255.0])
def test_a_wrong_range_is_found(times: float) -> None:
    found = asked(shifted(times))
    assert (found.outcome, found.severity) == ("found", "serious")


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_images_of_a_like_range_are_left_alone(times: float) -> None:
    assert asked(shifted(times)).outcome == "passed"


def test_the_bar_is_tenfold_spread() -> None:
    spread = 0.5 * (100 - 1 - np.log(100))
    assert pytest.approx(spread) == WIDER
    assert asked({"stem": WIDER, "top": 1e6}).outcome == "passed"
    assert asked({"stem": WIDER * 1.01}).outcome == "found"
    assert asked({"stem": float("nan")}).outcome == "found"


def test_weights_that_remember_nothing_are_not_judged() -> None:
    assert asked({}).outcome == "not_applicable"
    assert asked({"stem": 1e4}, "scratch").outcome == "not_applicable"
