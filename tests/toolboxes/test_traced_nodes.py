"""SAME padding in TensorFlow's way, against torch on windows placed by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.traced_nodes import NhwcNodes, pad_same

SIDES = st.integers(1, 12)


@given(SIDES, st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_same_keeps_a_place_for_every_step(
    length: int, kernel: int, stride: int, dilation: int
) -> None:
    left, right, _, _ = pad_same((1, length), (1, kernel), (1, stride), (1, dilation))
    assert 0 <= right - left <= 1, "the odd cell comes last"
    reach = dilation * (kernel - 1) + 1
    steps = (length + left + right - reach) // stride + 1
    assert steps == -(-length // stride)


def test_a_window_runs_between_two_permutations() -> None:
    made = NhwcNodes()
    made.add_input("x", (1, 5, 4, 3))
    weight = made.add_tensor("w", np.ones((2, 3, 1, 1), np.float32))
    out = made.add_window("conv", "c", ("x", weight), "y")
    assert made.shape(out) == (1, 5, 4, 2)
    assert [node.op for node in made.nodes] == ["permute", "conv", "permute"]


def test_what_needs_no_image_becomes_a_constant() -> None:
    made = NhwcNodes()
    a = made.add_tensor("a", np.full(3, 2.0, np.float32))
    out = made.add("mul", "twice", (a, a), "b")
    assert not made.nodes
    np.testing.assert_array_equal(made.tensors[out], [4, 4, 4])


def test_a_layer_that_cannot_take_its_map_is_named() -> None:
    made = NhwcNodes()
    made.add_input("x", (1, 5, 4, 3))
    weight = made.add_tensor("w", torch.ones(2, 7).numpy())
    with pytest.raises(ToolboxError, match="dense"):
        made.add("linear", "dense", ("x", weight), "y")
