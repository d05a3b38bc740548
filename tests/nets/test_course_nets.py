"""LeNet-5, VGG and ResNet against what their papers say of them."""

import pytest
import torch
from torch import nn

from striate.errors import UsageError
from striate.nets import find_net
from striate.nets.lenet import LeNet5
from striate.nets.resnet import Residual, ResNet
from striate.nets.vgg import VGG
from striate.values import NetSettings

PLAIN = NetSettings(normalisation="none", activation="tanh", pool="mean")


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_lenet_has_the_layers_of_1998() -> None:
    net = LeNet5(1, PLAIN)
    maps = net.stages(torch.zeros(1, 1, 28, 28))
    assert [tuple(m.shape[1:]) for m in maps] == [(6, 14, 14), (16, 5, 5), (120, 1, 1), (84, 1, 1)]
    # C1 156, C3 with all 6 maps for each of 16 filters 2416, C5 48120, F6 10164.
    assert count(net) == 156 + 2416 + 48120 + 10164


@pytest.mark.parametrize("size", [8, 12, 28, 64])
def test_lenet_takes_images_of_any_size(size: int) -> None:
    assert LeNet5(3, NetSettings())(torch.zeros(2, 3, size, size)).isfinite().all()


def test_resnet_20_has_the_parameters_of_the_paper() -> None:
    net = ResNet(3, 3, NetSettings())
    assert count(net) + 64 * 10 + 10 == 269_722  # table 6 says 0.27 million
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) + 1 == 20


def test_other_depths_are_known_by_name() -> None:
    card = find_net("resnet-56").card("resnet-56")
    assert card.parameters == count(
        find_net("resnet-56").build("resnet-56", NetSettings(), 3, None)
    )
    assert card.multiply_adds > 3 * find_net("resnet-20").card("resnet-20").multiply_adds
    with pytest.raises(UsageError, match="resnet-20"):
        find_net("resnet-21")


def test_a_block_that_has_learnt_nothing_passes_its_input_on() -> None:
    block = Residual(16, 16, NetSettings(normalisation="none"))
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    maps = torch.rand(2, 16, 8, 8)
    assert torch.equal(block(maps), maps)


def test_two_convolutions_of_3_see_as_far_as_one_of_5() -> None:
    net = VGG(1, NetSettings(normalisation="none", activation="elu", pool="mean")).eval()
    image = torch.zeros(1, 1, 32, 32, requires_grad=True)
    net.stages(image)[0][0, :, 8, 8].sum().backward()
    seen = image.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(seen.max() - seen.min()) + 1 == 2 + 4  # a window of 2 pooled, 5 - 1 more pixels


@pytest.mark.parametrize(
    "settings",
    [
        NetSettings(activation="leaky_relu"),
        NetSettings(activation="elu", normalisation="group"),
        NetSettings(normalisation="none"),
        NetSettings(spatial_dropout=0.3),
        NetSettings(dilation=2),
        NetSettings(groups=8),
        NetSettings(stride=2),
        NetSettings(kernel_size=5, padding="same"),
        NetSettings(depth=1, padding="valid"),
    ],
)
@pytest.mark.parametrize("name", ["compact", "lenet-5", "vgg-small", "resnet-20"])
def test_every_setting_gives_a_net_that_learns(name: str, settings: NetSettings) -> None:
    net = find_net(name).build(name, settings, 3, None)
    found = net(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert found.isfinite().all()
    found.square().mean().backward()
    trained = [p for p in net.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)


def test_settings_without_a_meaning_are_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean leaky_relu"):
        VGG(3, NetSettings(activation="leaky_rel"))
    with pytest.raises(UsageError, match="normalisation 'batsh'"):
        VGG(3, NetSettings(normalisation="batsh"))
    with pytest.raises(UsageError, match="padding"):
        VGG(3, NetSettings(padding="full"))
