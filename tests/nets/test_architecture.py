"""Layers as a table: the sums of the cards, and receptive fields as the gradient sees them."""

import pytest
import torch
from torch import Tensor, nn

from striate.nets import find_net
from striate.nets._architecture import describe_layers, describe_net
from striate.values import RANDOM, NetSettings


@pytest.mark.parametrize("name", ["compact", "lenet-5", "resnet-20", "tf_efficientnet_lite0"])
def test_layers_sum_to_the_card(name: str) -> None:
    found, card = describe_net(name), find_net(name).card(name)
    assert found.parameters == card.parameters
    assert found.multiply_adds == card.multiply_adds
    assert tuple(stage.name for stage in found.stages) == card.stages


@pytest.mark.parametrize("name", ["lenet-5", "vgg-small", "resnet-8"])
def test_a_receptive_field_is_where_the_gradient_reaches(name: str) -> None:
    """With mean pooling, positive weights and no ReLU no path is shut, so none is missed."""
    size = 65
    settings = NetSettings(pool="mean", activation="tanh", normalisation="none", width=0.25)
    network = find_net(name).build(name, settings, 1, RANDOM).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() * 0.1 + 1e-3)
    described = describe_layers(
        network,
        network.stages,
        name,
        network.stage_names,
        size,
        # One channel, given by place as the family takes it.
        1,  # type: ignore[arg-type]
    )
    image = torch.full((1, 1, size, size), 1e-3, dtype=torch.double, requires_grad=True)
    # torch types the attribute of a module as a tensor or a module.
    for stage, made in zip(described.stages, network.stages(image), strict=True):  # type: ignore[operator]
        middle = made.shape[-1] // 2
        (reached,) = torch.autograd.grad(made[0, 0, middle, middle], image, retain_graph=True)
        columns = (reached[0, 0] != 0).any(dim=0).nonzero()
        side = int(columns.max() - columns.min()) + 1
        assert side == stage.receptive_field or stage.receptive_field == size, stage


def test_a_kernel_padded_with_zeros_sees_no_more() -> None:
    found = describe_net("tf_efficientnet_lite0")
    assert [layer.receptive_field for layer in found.layers[:3]] == [3, 3, 7]


def test_pooling_over_the_whole_map_sees_the_whole_image() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 2, 3)
            self.last = nn.Linear(2, 4)

        def stages(self, images_NCHW: Tensor) -> list[Tensor]:
            made = self.first(images_NCHW)
            self.last(made.mean(dim=(2, 3)))
            return [made]

    network = Pooled()
    network.train()
    found = describe_layers(network, network.stages, "pooled", ("top",), 12, 1)
    assert [(layer.receptive_field, layer.output) for layer in found.layers] == [
        (3, (2, 10, 10)),
        (12, (4,)),
    ]
    assert network.training
