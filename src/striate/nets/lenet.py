"""LeNet-5: two convolutions with pooling, then fully connected layers.

After LeCun, Bottou, Bengio and Haffner 1998, with every map of C3 fed by all of S2.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from striate.nets import NetFamily, build_initialised
from striate.nets._layers import make_activation, make_normalisation, make_pooling
from striate.values import NetCard, NetSettings


class LeNet5(nn.Module):
    """C1 - S2 - C3 - S4 - C5 - F6; the linear layer after F6 is the head.

    6, 16, 120 and 84 maps times `width`. In 1998 the settings were activation tanh, pool mean,
    normalisation none.
    """

    stage_names = ("s2", "s4", "c5", "top")

    def __init__(self, channels: int, settings: NetSettings) -> None:
        super().__init__()
        c1, c3, c5, f6 = (max(1, round(settings.width * maps)) for maps in MAPS)
        self.stage_channels = (c1, c3, c5, f6)
        # Padded by 2, so that digits of 28 pixels have the margin that those of 1998 had.
        self.s2 = nn.Sequential(
            nn.Conv2d(channels, c1, KERNEL, padding=2),
            *_norm_and_activation(c1, settings),
            make_pooling(settings.pool, 2),
        )
        self.s4 = nn.Sequential(
            nn.Conv2d(c1, c3, KERNEL),
            *_norm_and_activation(c3, settings),
            make_pooling(settings.pool, 2),
        )
        # A fully connected layer is a convolution whose filter is as large as its map. On larger
        # images C5 and F6 slide over the map: the same filter at every place.
        self.c5 = nn.Sequential(nn.Conv2d(c3, c5, KERNEL), *_norm_and_activation(c5, settings))
        self.f6 = nn.Sequential(nn.Conv2d(c5, f6, 1), *_norm_and_activation(f6, settings))

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps after both poolings, after C5 and after F6."""
        s2 = self.s2(images_NCHW)
        s4 = self.s4(_pad_to_filter(s2, KERNEL + 1))
        c5 = self.c5(_pad_to_filter(s4, KERNEL))
        return [s2, s4, c5, self.f6(c5)]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The map of F6."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """C1, C3, C5, F6."""
        return [list(part.parameters()) for part in (self.s2, self.s4, self.c5, self.f6)]


def _norm_and_activation(maps: int, settings: NetSettings) -> list[nn.Module]:
    return [make_normalisation(settings.normalisation, maps), make_activation(settings.activation)]


def _pad_to_filter(maps_NCHW: Tensor, side: int) -> Tensor:
    """Maps padded with zeros if they are smaller than the next filter."""
    missing_h, missing_w = (max(0, side - length) for length in maps_NCHW.shape[-2:])
    if not missing_h and not missing_w:
        return maps_NCHW
    left, upper = missing_w // 2, missing_h // 2
    return F.pad(maps_NCHW, (left, missing_w - left, upper, missing_h - upper))


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    return build_initialised(lambda: LeNet5(channels, settings))


MAPS = (6, 16, 120, 84)
KERNEL = 5

_CARD = NetCard(
    name="lenet-5",
    family="lenet",
    title="LeNet-5",
    parameters=61_608,
    multiply_adds=650_880,
    input_size=28,
    mean=(0.5,),
    std=(0.25,),
    stages=LeNet5.stage_names,
    source="http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
)

NET = NetFamily(
    name="lenet",
    cards=lambda: (_CARD,),
    matches=lambda name: name in ("lenet", "lenet5"),
    card=lambda name: _CARD,
    build=_build,
)
