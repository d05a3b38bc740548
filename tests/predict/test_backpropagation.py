"""Gradients agree with finite differences, and with torch's own on a network by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

import striate
from striate.errors import SourceError, UsageError
from striate.predict.backpropagation import compute_gradients
from striate.predict.classifier import Classifier
from striate.train.head import build_network
from striate.values import ModelSpec, NetSettings, Tap


@pytest.fixture(scope="module")
def run(small_run: Path) -> striate.Run:
    return striate.load(small_run)


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (24, 24, 3), np.uint8)


def smooth() -> Classifier:
    """A model without a corner, neither of ReLU nor of a maximum, and with weights that matter."""
    spec = ModelSpec(
        net="compact",
        settings=NetSettings(activation="gelu", pool="mean"),
        classes=("green", "red"),
        channels=3,
        input_size=24,
        cache_size=24,
        resize="squash",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        taps=(Tap(stage="top", pool="mean"),),
    )
    network = build_network(spec)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(network.head.weight, generator=generator)
    return Classifier(spec=spec, network=network.eval())


def test_every_layer_has_a_gradient_that_finite_differences_confirm() -> None:
    found = compute_gradients(smooth(), picture(), "green")
    assert found.label == "green"
    assert found.loss > 0
    assert len(found.layers) == 8  # the whitening layer, six convolutions, the head
    assert found.layers[-1].layer == "head"
    for layer in found.layers:
        assert layer.parameters == np.prod(layer.shape)
        assert layer.slope == pytest.approx(layer.difference, rel=1e-4, abs=1e-9), layer.layer
        assert layer.gradient > 0


def test_the_first_layer_is_counted_as_four_kinds_of_layer() -> None:
    model = smooth()
    (first, *_) = [m for m in model.network.modules() if isinstance(m, torch.nn.Conv2d)]
    costs = compute_gradients(model, picture(), "green").costs
    assert [cost.kind for cost in costs] == [
        "fully connected",
        "locally connected",
        "one shared filter",
        "shared filters",
    ]
    maps = first(torch.zeros(1, 3, 24, 24))
    assert costs[-1].output == tuple(maps.shape[1:])
    assert costs[-1].weights == first.weight.numel()
    assert costs[0].weights == 3 * 24 * 24 * maps[0].numel()


def test_the_layers_of_a_run_are_those_that_its_model_reads(run: striate.Run) -> None:
    found = striate.gradients(run, picture(), "green")
    head = found.layers[-1]
    assert head.layer == "head"
    assert head.slope == pytest.approx(head.difference, rel=1e-3, abs=1e-7)
    assert found.layers[0].layer == "backbone.conv_stem"


def test_the_answer_is_the_label_where_none_is_given(run: striate.Run) -> None:
    answered = run.predict([picture()]).labels[0]
    found = striate.gradients(run, picture())
    other = striate.gradients(run, picture(), next(c for c in ("green", "red") if c != answered))
    assert found.label == answered
    assert found.loss < other.loss
    # Of two classes the shares p and 1 - p: the losses are -log of each.
    assert np.exp(-found.loss) + np.exp(-other.loss) == pytest.approx(1)


def test_the_model_is_left_as_it_was(run: striate.Run) -> None:
    before = run.predict([picture()]).probabilities
    striate.gradients(run, picture())
    assert np.array_equal(before, run.predict([picture()]).probabilities)
    assert all(parameter.grad is None for parameter in run.classifier.network.parameters())


def test_what_cannot_be(run: striate.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean green"):
        striate.gradients(run, picture(), "gren")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(SourceError, match=r"torn\.png"):
        striate.gradients(run, tmp_path / "torn.png")
