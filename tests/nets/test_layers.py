"""The layers by name are torch's own."""

import pytest
import torch
from torch.nn import functional as F

from striate.nets._layers import (
    make_activation,
    make_convolution,
    make_normalisation,
    make_pooling,
)
from striate.values import NetSettings

X = torch.linspace(-3, 3, 64).view(1, 4, 4, 4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", X.clamp(min=0)),
        ("leaky_relu", torch.where(X > 0, X, 0.01 * X)),
        ("elu", torch.where(X > 0, X, X.exp() - 1)),
        ("silu", X * X.sigmoid()),
        ("gelu", X * 0.5 * (1 + torch.erf(X / 2**0.5))),
        ("tanh", X.tanh()),
    ],
)
def test_activations_are_their_formulas(name: str, expected: torch.Tensor) -> None:
    torch.testing.assert_close(make_activation(name)(X.clone()), expected)


@pytest.mark.parametrize("name", ["batch", "group"])
def test_normalised_maps_have_mean_0_and_variance_1(name: str) -> None:
    maps = 5 + 3 * torch.randn(64, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    found = make_normalisation(name, 16).train()(maps).detach()
    assert abs(found.mean().item()) < 1e-3
    assert abs(found.var().item() - 1) < 1e-2


def test_none_changes_nothing() -> None:
    assert make_normalisation("none", 4)(X) is X


def test_pooling() -> None:
    assert torch.equal(make_pooling("max", 2)(X), F.max_pool2d(X, 2))
    assert torch.equal(make_pooling("mean", 2)(X), F.avg_pool2d(X, 2))


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2)])
def test_output_sizes_follow_the_formula(kernel_size: int, dilation: int) -> None:
    for padding, lost in (("same", 0), ("valid", dilation * (kernel_size - 1))):
        settings = NetSettings(kernel_size=kernel_size, dilation=dilation, padding=padding)
        assert make_convolution(4, 8, settings)(torch.zeros(1, 4, 16, 16)).shape[-1] == 16 - lost
