import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import UsageError
from striate.nets.compact import Compact
from striate.train.head import Network
from striate.train.initialise import (
    HEAD_LENGTH,
    METHODS,
    init_identity,
    init_kaiming,
    initialise_network,
    whiten_filters,
)
from striate.values import NetSettings, Tap


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_images(n: int = 40, channels: int = 3, size: int = 24) -> Tensor:
    noise = torch.randn(n, channels, size + 4, size + 4, generator=seeded(5))
    return F.avg_pool2d(noise, 5, stride=1)


def test_whitened_patches_have_the_identity_as_covariance() -> None:
    images = smooth_images()
    convolution = nn.Conv2d(3, 2 * 12, 2)
    whiten_filters(convolution, images, eps=0.0)
    found_CN = convolution(images).detach()[:, :12].permute(1, 0, 2, 3).flatten(1)
    second_moments = found_CN @ found_CN.T / found_CN.shape[1]
    assert torch.allclose(second_moments, torch.eye(12), atol=1e-3)


def test_a_whitening_layer_holds_every_filter_and_its_negative() -> None:
    convolution = nn.Conv2d(1, 18, 3)
    whiten_filters(convolution, smooth_images(channels=1))
    weight = convolution.weight.detach()
    assert torch.equal(weight[:9], -weight[9:])


def test_whitening_keeps_the_strongest_directions_and_bounds_the_faint() -> None:
    images = smooth_images(channels=1)
    images[:, :, :, 1:] = images[:, :, :, :-1]  # Neighbours nearly equal: some directions faint.
    convolution = nn.Conv2d(1, 4, 3)
    whiten_filters(convolution, images, eps=1e-3)
    assert convolution(images).isfinite().all()
    constant = torch.zeros(8, 1, 16, 16)
    whiten_filters(convolution, constant)
    assert convolution.weight.isfinite().all()


def test_identity_passes_the_first_channels_on() -> None:
    convolution = nn.Conv2d(4, 6, 3, padding="same", bias=False)
    init_identity(convolution)
    images = smooth_images(channels=4)
    assert torch.equal(convolution(images)[:, :4], images)


def test_kaiming_has_torchs_own_variance() -> None:
    layer = nn.Linear(300, 400)
    init_kaiming(layer, seeded())
    assert float(layer.weight.detach().var()) == pytest.approx(1 / 900, rel=0.02)
    assert not layer.bias.any()


def test_initialise_is_a_function_of_images_and_generator() -> None:
    nets = [network(), network(), network()]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        torch.manual_seed(seed)  # The global generator has no say.
        initialise_network(net, smooth_images(), seeded(seed))
    first, again, other = ([p.detach() for p in net.parameters()] for net in nets)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_features_come_to_the_head_with_a_fixed_length() -> None:
    net = network()
    images = smooth_images()
    initialise_network(net, images, seeded())
    net.train()
    features = (net.pooled(images) - net.shift) / net.scale
    length = float(features.detach().square().sum(dim=1).mean().sqrt())
    assert length == pytest.approx(HEAD_LENGTH, rel=0.01)


def network() -> Network:
    backbone = Compact(3, NetSettings(width=0.25))
    return Network(backbone, (Tap(stage="top", pool="max"),), classes=5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_net_that_repeats_itself(method: str) -> None:
    found = []
    for _ in range(2):
        net = Network(Compact(3, NetSettings()), (Tap(stage="top", pool="max"),), 4)
        initialise_network(net, smooth_images(), seeded(1), method)
        with torch.no_grad():
            found.append(net(smooth_images()))
    assert torch.equal(found[0], found[1])
    assert found[0].isfinite().all()


def test_variances_are_those_of_the_formulas() -> None:
    layer = nn.Conv2d(64, 128, 3)
    for method, variance in (("kaiming", 2 / 576), ("xavier", 2 / (576 + 1152))):
        METHODS[method](layer, seeded())
        assert layer.weight.detach().var().item() == pytest.approx(variance, rel=0.03)
    METHODS["orthogonal"](layer, seeded())
    rows = layer.weight.detach().flatten(1)
    assert torch.allclose(rows @ rows.T, torch.eye(128), atol=1e-5)


def test_a_method_that_does_not_exist_is_met_with_the_nearest() -> None:
    net = Network(Compact(3, NetSettings()), (Tap(stage="top", pool="max"),), 4)
    with pytest.raises(UsageError, match="did you mean kaiming"):
        initialise_network(net, smooth_images(), seeded(), "kaimig")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fills_weights_with_channels_last(method: str) -> None:
    network = Network(Compact(3, NetSettings(width=0.1)), (Tap(stage="top", pool="max"),), 2)
    network.to(memory_format=torch.channels_last)
    initialise_network(network, smooth_images(), seeded(), method)
    assert all(p.isfinite().all() for p in network.parameters())


def test_orthogonal_filters_are_so_with_channels_last() -> None:
    convolution = nn.Conv2d(8, 6, 3).to(memory_format=torch.channels_last)
    METHODS["orthogonal"](convolution, seeded())
    filters = convolution.weight.detach().reshape(6, -1)
    assert torch.allclose(filters @ filters.T, torch.eye(6), atol=1e-5)
