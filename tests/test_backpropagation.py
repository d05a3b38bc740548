"""Gradients agree with finite differences, and with torch's own on a network by hand."""

from pathlib import Path

import numpy as np
import pytest

import striate
from striate.errors import SourceError, UsageError


@pytest.fixture(scope="module")
def run(small_run: Path) -> striate.Run:
    return striate.load(small_run)


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (24, 24, 3), np.uint8)


def test_every_layer_has_a_gradient_that_finite_differences_confirm(run: striate.Run) -> None:
    found = striate.gradients(run, picture(), "green")
    assert found.label == "green"
    assert found.loss > 0
    assert len(found.layers) > 2
    assert found.layers[-1].layer == "head"
    for layer in found.layers:
        assert layer.parameters == np.prod(layer.shape)
        assert layer.slope == pytest.approx(layer.difference, rel=1e-3, abs=1e-7), layer.layer
    assert any(abs(layer.slope) > 1e-6 for layer in found.layers)


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
