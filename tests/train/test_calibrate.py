"""Variances layer by layer, planted and found, and brought to what is wanted."""

import torch
from torch import Tensor, nn

from striate.train.initialise import calibrate_variances, layer_moments, weight_layers


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images() -> Tensor:
    return torch.randn(64, 3, 12, 12, generator=seeded(1))


def deep_net(depth: int = 12) -> nn.Sequential:
    """Un-normalised, as torch initialises it."""
    torch.manual_seed(0)
    net = nn.Sequential()
    for number in range(depth):
        net.append(nn.Conv2d(3 if number == 0 else 16, 16, 3, padding=1))
        net.append(nn.ReLU())
    return net


def test_torchs_default_lets_the_variance_fall_and_lsuv_brings_it_to_1() -> None:
    net = deep_net()
    before = layer_moments(net, images())
    assert before[-1].output_variance < 0.01
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            nn.init.orthogonal_(layer.weight, generator=seeded())
    calibrate_variances(net, images(), "unit")
    after = layer_moments(net, images())
    assert len(after) == 12
    assert all(abs(m.output_variance - 1) < 0.1 for m in after)


def test_calibrated_layers_give_out_the_variance_that_comes_in() -> None:
    net = deep_net()
    calibrate_variances(net, images(), "input")
    for found in layer_moments(net, images()):
        assert abs(found.output_variance / found.input_variance - 1) < 0.1


def test_moments_are_those_of_the_layer() -> None:
    layer = nn.Conv2d(3, 4, 3)
    (found,) = layer_moments(nn.Sequential(layer), images())
    made = layer(images()).detach()
    assert found.layer == "0"
    assert found.kind == "Conv2d"
    torch.testing.assert_close(found.output_variance, made.var().item())
    torch.testing.assert_close(found.output_mean, made.mean().item())
    torch.testing.assert_close(found.input_variance, images().var().item())


def test_looking_leaves_modes_and_statistics_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 8, 3))
    net[2].eval()
    before = [buffer.clone() for buffer in net.buffers()]
    state = torch.get_rng_state()
    layer_moments(net, images())
    calibrate_variances(net, images())
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
    assert net.training
    assert not net[2].training
    assert torch.equal(torch.get_rng_state(), state)


def test_frozen_layers_and_such_as_do_not_vary_stay() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    net[0].weight.requires_grad_(False)
    nn.init.zeros_(net[1].weight)
    nn.init.zeros_(net[1].bias)
    before = [parameter.clone() for parameter in net.parameters()]
    calibrate_variances(net, images())
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_layers_come_in_the_order_in_which_an_image_meets_them() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second = nn.Conv2d(4, 2, 1)
            self.first = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.second(self.first(x))
            return found

    net = Turned()
    assert weight_layers(net, images()) == [net.first, net.second]
