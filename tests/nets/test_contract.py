"""What every network that is listed must keep to."""

import pytest
import torch

from striate.errors import UsageError
from striate.nets import count_multiply_adds, find_net
from striate.values import RANDOM, NetCard, NetSettings, catalog

CARDS: dict[str, NetCard] = {
    card.name: card
    for family in catalog.collect_constants("nets", "NET").values()
    for card in family.cards()
}
SIZE = 64


def build(name: str, channels: int = 3) -> torch.nn.Module:
    return find_net(name).build(name, NetSettings(), channels, RANDOM)


def made(count: int, channels: int = 3, size: int = SIZE) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CARDS)
def test_stages_are_as_announced_and_finite(name: str) -> None:
    net = build(name).eval()
    maps = net.stages(made(2))
    assert len(net.stage_names) == len(set(net.stage_names)) == len(maps)
    assert net.stage_names[-1] == "top"
    assert tuple(m.shape[1] for m in maps) == net.stage_channels
    sides = [m.shape[-1] for m in maps]
    assert sides == sorted(sides, reverse=True)
    assert all(m.isfinite().all() for m in maps)
    assert CARDS[name].stages == net.stage_names


@pytest.mark.parametrize("name", CARDS)
def test_depth_groups_hold_every_parameter_once(name: str) -> None:
    net = build(name)
    grouped = [id(p) for group in net.depth_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters())
    assert all(net.depth_groups())


@pytest.mark.parametrize("name", CARDS)
def test_every_trained_weight_has_a_gradient(name: str) -> None:
    net = build(name).train()
    net.stages(made(4))[-1].square().mean().backward()
    for parameter_name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
            assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", CARDS)
def test_building_repeats_itself_and_leaves_the_callers_draws_alone(name: str) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, other = build(name), build(name)
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", CARDS)
def test_the_card_tells_the_truth(name: str) -> None:
    card, net = CARDS[name], build(name)
    assert card.parameters == sum(p.numel() for p in net.parameters())
    assert find_net(name).card(name) == card
    if card.input_size:
        assert card.multiply_adds == count_multiply_adds(net, card.input_size, 3)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_grey_colour_and_more_channels_are_taken(name: str, channels: int) -> None:
    net = build(name, channels).eval()
    # What carries pretrained weights sees grey three times over, as `normalise` gives it.
    seen = 3 if channels == 1 and CARDS[name].pretrained else channels
    assert net.stages(made(1, seen))[-1].isfinite().all()
    assert (CARDS[name].channels == "adapted") == bool(CARDS[name].pretrained)


@pytest.mark.parametrize("name", CARDS)
def test_every_channel_is_looked_at(name: str) -> None:
    net, images = build(name, 5).eval(), made(1, 5)
    with torch.no_grad():
        before = net.stages(images)[-1]
        for channel in range(5):
            changed = images.clone()
            changed[:, channel] = -changed[:, channel]
            assert not torch.equal(net.stages(changed)[-1], before), channel


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean efficientnet-lite0") as caught:
        find_net("eficientnet-lite")
    assert "'eficientnet-lite'" in caught.value.sentence
