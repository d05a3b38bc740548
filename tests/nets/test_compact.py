import pytest
import torch

from striate.nets import count_multiply_adds, find_net
from striate.nets.compact import NET, Compact
from striate.values import RANDOM, NetSettings


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("size", "stride"), [(28, 1), (33, 1), (64, 2), (128, 4)])
def test_stages_are_as_announced(channels: int, size: int, stride: int) -> None:
    net = Compact(channels, NetSettings(stride=stride)).eval()
    maps = net.stages(torch.zeros(2, channels, size, size))
    assert len(maps) == len(net.stage_names) == len(net.stage_channels)
    assert tuple(m.shape[1] for m in maps) == net.stage_channels
    assert net.stage_names[-1] == "top"
    sides = [m.shape[-1] for m in maps]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] >= 2
    assert torch.equal(net(torch.zeros(2, channels, size, size)), maps[-1])


@pytest.mark.parametrize(
    "settings",
    [
        NetSettings(),
        NetSettings(activation="gelu"),
        NetSettings(pool="mean"),
        NetSettings(depth=1),
        NetSettings(depth=3, width=0.5),
        NetSettings(kernel_size=5),
    ],
)
def test_outputs_are_finite_and_every_trained_weight_has_a_gradient(settings: NetSettings) -> None:
    net = Compact(3, settings)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = net(images)
    assert found.isfinite().all()
    found.square().mean().backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def test_depth_groups_hold_every_parameter_once() -> None:
    net = Compact(3, NetSettings())
    grouped = [id(p) for group in net.depth_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters())


def test_the_family_is_found_by_name_and_its_card_is_true() -> None:
    family = find_net("compact")
    assert family is NET
    (card,) = family.cards()
    net = family.build("compact", NetSettings(), 3, RANDOM)
    assert card.stages == net.stage_names
    assert card.parameters == sum(p.numel() for p in net.parameters())
    assert card.multiply_adds == count_multiply_adds(net, card.input_size, 3)


def test_width_scales_the_channels_above_the_least() -> None:
    assert Compact(3, NetSettings()).stage_channels[1:] == (32, 128, 256)
    assert Compact(3, NetSettings(width=0.5)).stage_channels[1:] == (32, 64, 128)
    assert Compact(3, NetSettings(width=2)).stage_channels[1:] == (64, 256, 512)
