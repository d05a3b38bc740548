"""A VGG for small images: stacked 3 x 3 convolutions, twice the channels after each pooling.

After Simonyan and Zisserman 2015: two convolutions of 3 x 3 see as far as one of 5 x 5, with
fewer weights and one more activation between.
"""

from torch import Tensor, nn

from striate.nets import NetFamily, build_initialised
from striate.nets._layers import (
    make_activation,
    make_convolution,
    make_normalisation,
    make_pooling,
    make_spatial_dropout,
)
from striate.values import NetCard, NetSettings


class VGG(nn.Module):
    """Three blocks of `depth` convolutions and a pooling, then a fully connected layer.

    64, 128 and 256 channels times `width`. The fully connected layer is a 1 x 1 convolution on the
    last feature map.
    """

    stage_names = ("block1", "block2", "block3", "top")

    def __init__(self, channels: int, settings: NetSettings) -> None:
        super().__init__()
        widths = [8 * max(1, round(settings.width * maps / 8)) for maps in MAPS]
        self.stage_channels = (*widths, widths[-1])
        before = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(
            _block(*pair, settings, stride=settings.stride if k == 0 else 1)
            for k, pair in enumerate(zip(before, widths, strict=True))
        )
        self.full = nn.Sequential(
            nn.Conv2d(widths[-1], widths[-1], 1),
            make_activation(settings.activation),
        )

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps after every block and after the fully connected layer."""
        maps: list[Tensor] = []
        for block in self.blocks:
            maps.append(block(maps[-1] if maps else images_NCHW))
        return [*maps, self.full(maps[-1])]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The map of the fully connected layer."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """The blocks, then the fully connected layer."""
        return [list(part.parameters()) for part in (*self.blocks, self.full)]


def _block(before: int, after: int, settings: NetSettings, stride: int) -> nn.Sequential:
    block = nn.Sequential()
    for number in range(settings.depth):
        first = number == 0
        layer = make_convolution(
            before if first else after, after, settings, stride if first else 1
        )
        block.append(layer)
        block.append(make_normalisation(settings.normalisation, after))
        block.append(make_activation(settings.activation))
    block.append(make_pooling(settings.pool, settings.pool_size))
    return block.extend(make_spatial_dropout(settings.spatial_dropout))


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    return build_initialised(lambda: VGG(channels, settings))


MAPS = (64, 128, 256)

_CARD = NetCard(
    name="vgg-small",
    family="vgg",
    title="VGG for small images",
    parameters=1_212_096,
    multiply_adds=153_812_992,
    input_size=32,
    mean=(0.5,),
    std=(0.25,),
    stages=VGG.stage_names,
    source="https://arxiv.org/abs/1409.1556",
)

NET = NetFamily(
    name="vgg",
    cards=lambda: (_CARD,),
    matches=lambda name: name == "vgg",
    card=lambda name: _CARD,
    build=_build,
)
