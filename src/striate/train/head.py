"""The whole network: a backbone, the stages whose features it reads, and a linear head."""

import itertools
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.data.preprocess import make_preprocessing_layer
from striate.errors import ModelError
from striate.nets import Backbone, find_net
from striate.values import ModelSpec, Tap

POOLS: tuple[Literal["mean", "max"], ...] = ("mean", "max")


class Network(nn.Module):
    """Images to logits: backbone stages, pooling, standardisation, dropout, linear head.

    Features are `D` numbers an image, stage after stage; the head sees `(features - shift) /
    scale`. `preprocess` is a fixed layer before the backbone, for whitening of whole images.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        taps: tuple[Tap, ...],
        classes: int,
        dropout: float = 0.0,
        preprocess: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.preprocess = preprocess or nn.Identity()
        self.backbone = backbone
        self.taps = taps
        self.widths = tap_widths(backbone, taps)
        self.register_buffer("shift", torch.zeros(sum(self.widths)))
        self.register_buffer("scale", torch.ones(sum(self.widths)))
        self.dropout = nn.Dropout(dropout)
        with torch.random.fork_rng(devices=[]):  # Nobody's draws change for what becomes zeros.
            self.head = nn.Linear(sum(self.widths), classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def stages(self, images_NCHW: Tensor) -> dict[str, Tensor]:
        """Feature maps N x C x H x W of every stage by its name, shallow to deep."""
        net = cast(Backbone, self.backbone)
        return dict(zip(net.stage_names, net.stages(self.preprocess(images_NCHW)), strict=True))

    def pooled(self, images_NCHW: Tensor) -> Tensor:
        """Features N x D float32, accumulated in float32 whatever the dtype of the maps."""
        return pool_maps(self.stages(images_NCHW), self.taps)

    def classify(self, features_ND: Tensor) -> Tensor:
        """Logits N x K of pooled features."""
        standardised_ND = (features_ND - self.shift) / self.scale
        logits_NK: Tensor = self.head(self.dropout(standardised_ND))
        return logits_NK

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits N x K."""
        return self.classify(self.pooled(images_NCHW))

    def set_head(
        self, weights_DK: Tensor, bias_K: Tensor, shift_D: Tensor, scale_D: Tensor
    ) -> None:
        """Set the head to a linear model fitted on these stages' features."""
        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(weights_DK).T)
            self.head.bias.copy_(torch.as_tensor(bias_K))
            self.shift.copy_(torch.as_tensor(shift_D))
            self.scale.copy_(torch.as_tensor(scale_D))

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter once, in groups from shallow to deep; the head is the last."""
        return [*cast(Backbone, self.backbone).depth_groups(), list(self.head.parameters())]


def build_network(spec: ModelSpec, weights: str | None = None) -> Network:
    """The network of a specification, with its head at zero.

    `weights` are the backbone's: None for the best at hand, `striate.values.RANDOM` if others are
    loaded later, or a file.
    """
    family = find_net(spec.net)
    with torch.random.fork_rng(devices=[]):
        backbone = family.build(spec.net, spec.settings, spec.channels, weights)
        shape = (spec.channels, spec.input_size, spec.input_size)
        preprocess = make_preprocessing_layer(spec.preprocess, shape)
        return Network(backbone, spec.taps, spec.outputs, spec.dropout, preprocess)


def tap_widths(backbone: nn.Module, taps: tuple[Tap, ...]) -> tuple[int, ...]:
    """The number of features of each intermediate stage that is read."""
    net = cast(Backbone, backbone)
    channels = dict(zip(net.stage_names, net.stage_channels, strict=True))
    unknown = next((tap.stage for tap in taps if tap.stage not in channels), None)
    if unknown is not None:
        raise ModelError(
            f"The network has no stage {unknown!r}.", f"Its stages: {', '.join(channels)}."
        )
    return tuple(channels[tap.stage] for tap in taps)


def tap_slices(backbone: nn.Module, taps: tuple[Tap, ...]) -> dict[Tap, slice]:
    """The columns of each intermediate stage among all features."""
    ends = list(itertools.accumulate(tap_widths(backbone, taps)))
    starts = [0, *ends[:-1]]
    return {tap: slice(*ends) for tap, *ends in zip(taps, starts, ends, strict=True)}


def all_taps(stage_names: Sequence[str]) -> tuple[Tap, ...]:
    """Mean and maximum of every stage, and of the top only the mean."""
    inner = tuple(Tap(stage=name, pool=pool) for name in stage_names[:-1] for pool in POOLS)
    return (*inner, Tap(stage=stage_names[-1], pool="mean"))


def pool_maps(maps: dict[str, Tensor], taps: tuple[Tap, ...]) -> Tensor:
    """Feature maps N x C x H x W of some stages pooled to features N x D, stage after stage.

    Features are float32, of float64 maps float64.
    """
    pooled = []
    for tap in taps:
        map_NCHW = maps[tap.stage]
        wide = torch.promote_types(map_NCHW.dtype, torch.float32)
        if tap.pool == "mean":
            pooled.append(map_NCHW.mean(dim=(2, 3), dtype=wide))
        elif map_NCHW.device.type == "cpu":
            # The same numbers as amax, eight times sooner on maps with channels last.
            pooled.append(F.adaptive_max_pool2d(map_NCHW, 1).flatten(1).to(wide))
        else:
            pooled.append(map_NCHW.amax(dim=(2, 3)).to(wide))
    return torch.cat(pooled, dim=1)
