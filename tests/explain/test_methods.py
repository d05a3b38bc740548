"""Views into a network: right shapes, first layer found, the network left as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import made
from torch import Tensor, nn

from striate.explain import explain_network
from striate.explain.feature_maps import channel_sheet, typical_image
from striate.explain.filters import compose_filters, filter_image
from striate.train.head import Network
from striate.values import Tap, Values

TAPS = (Tap(stage="top", pool="mean"),)


class Small(nn.Module):
    """Two stages, the first at full size."""

    stage_names = ("stem", "top")
    stage_channels = (6, 20)

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 6, kernel, padding=kernel // 2)
        self.deep = nn.Conv2d(6, 20, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(20)

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        first = self.stem(images_NCHW).relu()
        return [first, self.norm(self.deep(first))]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        return [list(self.parameters())]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(Small(3), TAPS, classes=3)


@pytest.fixture(scope="module")
def values() -> Values:
    return made.values(size=32)


def test_filters_then_maps_are_shown(network: Network, values: Values) -> None:
    filters, maps = explain_network(network, values, values.cache)
    assert (filters.method, filters.layer) == ("filters", "backbone.stem")
    assert [image.shape for image in filters.images] == [(5, 5, 3)] * 6
    assert maps.captions[0] == values.predictions.paths[typical_image(values) or 0]
    assert maps.captions[1:] == ("stem\n6 × 32 × 32", "top\n20 × 16 × 16")
    assert all(image.dtype == np.uint8 for image in (*filters.images, *maps.images))
    assert len(filters.images) == len(filters.captions)
    assert len(maps.images) == len(maps.captions)


def test_looking_changes_nothing(network: Network, values: Values) -> None:
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = explain_network(network, values, values.cache)
    second = explain_network(network, values, values.cache)
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    for one, other in zip(first, second, strict=True):
        for image, again in zip(one.images, other.images, strict=True):
            assert (image == again).all()


def test_grey_images_and_single_pixel_filters(values: Values) -> None:
    grey = made.values(size=32, channels=1)
    network = Network(Small(1, kernel=1), TAPS, classes=3)
    shown = explain_network(network, grey, grey.cache)
    assert [explanation.method for explanation in shown] == ["feature_maps"]


def test_the_image_is_brought_to_the_input_size(network: Network, values: Values) -> None:
    larger = replace(values, model=replace(values.model, input_size=64))
    maps = explain_network(network, larger, values.cache)[1]
    assert maps.captions[1] == "stem\n6 × 64 × 64"


def test_nothing_judged_gives_no_maps(network: Network, values: Values) -> None:
    blind = replace(values.predictions, truth=np.full_like(values.predictions.truth, -1))
    shown = explain_network(network, replace(values, predictions=blind), values.cache)
    assert [explanation.method for explanation in shown] == ["filters"]


def test_a_filter_is_grey_where_it_has_no_weight() -> None:
    weights = np.zeros((3, 2, 2), np.float32)
    weights[0, 0, 0], weights[1, 1, 1] = 0.5, -0.5
    shown = filter_image(weights)
    assert shown[0, 0].tolist() == [255, 128, 128]
    assert shown[1, 1].tolist() == [128, 0, 128]
    assert filter_image(weights[:1]).shape == (2, 2)


def test_the_strongest_channels_come_first_on_the_sheet() -> None:
    maps = torch.zeros(20, 7, 7)
    maps[13, 0, 0] = 9.0
    shown = channel_sheet(maps)
    assert shown.shape == (4 * 56 + 3 * 2,) * 2
    assert shown[0, 0] == 255
    assert shown[0, -1] == 20


def test_a_network_without_convolutions_shows_no_filters(values: Values) -> None:
    class Flat(nn.Module):
        stage_names, stage_channels = ("top",), (3,)

        def stages(self, images_NCHW: Tensor) -> list[Tensor]:
            return [images_NCHW]

    shown = explain_network(Network(Flat(), TAPS, classes=3), values, values.cache)
    assert [explanation.method for explanation in shown] == ["feature_maps"]


def test_filters_behind_a_frozen_layer_are_seen_through_it(
    network: Network, values: Values
) -> None:
    backbone = network.backbone
    assert isinstance(backbone, Small)
    backbone.stem.weight.requires_grad_(False)
    shown = explain_network(network, values, values.cache)[0]
    assert shown.layer == "backbone.deep"
    assert [image.shape for image in shown.images] == [(7, 7, 3)] * 20


def test_composed_filters_do_what_both_layers_do() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = nn.Conv2d(3, 4, 2, bias=False), nn.Conv2d(4, 5, 3, bias=False)
    image = torch.randn(1, 3, 9, 9, generator=generator)
    both = second(first(image))
    once = nn.functional.conv2d(image, compose_filters(first.weight, second.weight))
    assert torch.allclose(both, once, atol=1e-5)
