"""Costs by formula are those of layers that torch builds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.errors import UsageError
from striate.predict.backpropagation import layer_costs, output_side


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))
def test_sides_are_torchs(side: int, kernel_size: int, stride: int, padding: int) -> None:
    if side + 2 * padding < kernel_size:
        with pytest.raises(UsageError, match="does not fit"):
            output_side(side, kernel_size, stride, padding)
        return
    made = nn.Conv2d(1, 1, kernel_size, stride, padding)(torch.zeros(1, 1, side, side))
    assert made.shape[-1] == output_side(side, kernel_size, stride, padding)


def test_costs_of_a_small_image_are_counted() -> None:
    full, local, one, many = layer_costs(28, 28, 1, kernel_size=5, filters=6)
    assert full.output == local.output == many.output == (6, 24, 24)
    assert full.weights == 28 * 28 * 6 * 24 * 24
    assert local.weights == 25 * 6 * 24 * 24 == local.multiplications
    assert (one.weights, one.output) == (25, (1, 24, 24))
    assert many.weights == nn.Conv2d(1, 6, 5, bias=False).weight.numel()
    assert many.multiplications == local.multiplications
