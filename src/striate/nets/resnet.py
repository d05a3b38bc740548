"""ResNet-20 and other ResNets for images of 32 pixels.

After He, Zhang, Ren and Sun 2016, section 4.2, with shortcuts that need no parameters.
"""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.nets import NetFamily, build_initialised, count_multiply_adds
from striate.nets._layers import make_activation, make_normalisation, make_spatial_dropout
from striate.values import NetCard, NetSettings


class ResNet(nn.Module):
    """A convolution, then three stages of `blocks` residual blocks: 6 x `blocks` + 2 layers.

    16, 32 and 64 maps times `width`; the second and third stage begin with a stride of 2.
    """

    stage_names = ("stem", "stage1", "stage2", "top")

    def __init__(self, channels: int, blocks: int, settings: NetSettings) -> None:
        super().__init__()
        widths = [8 * max(1, round(settings.width * maps / 8)) for maps in MAPS]
        self.stage_channels = (widths[0], *widths)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, settings.stride, padding=1, bias=False),
            make_normalisation(settings.normalisation, widths[0]),
            make_activation(settings.activation),
        )
        self.stacks = nn.ModuleList(
            _residual_stage(before, after, blocks, settings)
            for before, after in zip(self.stage_channels, widths, strict=False)
        )

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps after the first convolution and after each stage, at 1, 1, 1/2 and 1/4 of it."""
        maps = [self.stem(images_NCHW)]
        for stack in self.stacks:
            maps.append(stack(maps[-1]))
        return maps

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The last stage's map."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """The first convolution, then the stages."""
        return [list(part.parameters()) for part in (self.stem, *self.stacks)]


class Residual(nn.Module):
    """A residual block: the input plus two convolutions of it."""

    def __init__(self, before: int, after: int, settings: NetSettings) -> None:
        super().__init__()
        self.stride = 1 if before == after else 2
        self.difference = nn.Sequential(
            nn.Conv2d(before, after, 3, self.stride, padding=1, bias=False),
            make_normalisation(settings.normalisation, after),
            make_activation(settings.activation),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            make_normalisation(settings.normalisation, after),
        )
        self.activation = make_activation(settings.activation)
        self.more = after - before

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Maps N x after x H/stride x W/stride."""
        passed = maps_NCHW
        if self.more:  # every second pixel, and zeros for the channels that are new
            passed = F.pad(maps_NCHW[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        closed: Tensor = self.activation(passed + self.difference(maps_NCHW))
        return closed


def _residual_stage(before: int, after: int, blocks: int, settings: NetSettings) -> nn.Sequential:
    first = Residual(before, after, settings)
    rest = (Residual(after, after, settings) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest, *make_spatial_dropout(settings.spatial_dropout))


def _parse_depth(name: str) -> int | None:
    """The number of layers in a name such as resnet-20; None if there is no such network."""
    found = re.fullmatch(r"resnet-(\d{1,3})", name)
    layers = int(found[1]) if found else 0
    return layers if layers >= 8 and layers % 6 == 2 else None


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    layers = _parse_depth(name)
    assert layers is not None
    return build_initialised(lambda: ResNet(channels, (layers - 2) // 6, settings))


def _card(name: str) -> NetCard:
    if name == _TWENTY.name:
        return _TWENTY
    with torch.device("meta"):
        network = _build(name, NetSettings(), 3, None)
    count = sum(parameter.numel() for parameter in network.parameters())
    return NetCard(
        name=name,
        family="resnet",
        title=f"ResNet-{_parse_depth(name)} for small images",
        parameters=count,
        multiply_adds=count_multiply_adds(network, _TWENTY.input_size, 3),
        input_size=32,
        mean=(0.5,),
        std=(0.25,),
        stages=ResNet.stage_names,
        source=_TWENTY.source,
    )


MAPS = (16, 32, 64)

_TWENTY = NetCard(
    name="resnet-20",
    family="resnet",
    title="ResNet-20 for small images",
    parameters=269_072,
    multiply_adds=40_550_400,
    input_size=32,
    mean=(0.5,),
    std=(0.25,),
    stages=ResNet.stage_names,
    source="https://arxiv.org/abs/1512.03385",
)

NET = NetFamily(
    name="resnet",
    cards=lambda: (_TWENTY,),
    matches=lambda name: _parse_depth(name) is not None,
    card=_card,
    build=_build,
)
