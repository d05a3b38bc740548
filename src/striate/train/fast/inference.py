"""A faster copy of a network for inference, by fused kernels or lower precision."""

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.nets import Backbone
from striate.train.fast.bf16 import to_bf16
from striate.train.fast.fused import fuse_backbone
from striate.train.fast.fused_conv import pads_unevenly
from striate.train.head import Network, pool_maps
from striate.train.torch_context import torch_context
from striate.values import Machine


class FastNetwork(nn.Module):
    """A network for inference in one precision, with float32 features and logits.

    `fused` is whether the fused kernels are in use. Call it in `torch.inference_mode()`.
    """

    def __init__(
        self, network: Network, maps: nn.Module, dtype: torch.dtype, layout: torch.memory_format
    ) -> None:
        super().__init__()
        self.network = network
        self.maps = maps
        self.dtype = dtype
        self.layout = layout
        self.fused = not isinstance(maps, _PlainStages)
        self.turned = self.fused and any(
            pads_unevenly(m) for m in network.backbone.modules() if isinstance(m, nn.Conv2d)
        )

    def stages(self, images_NCHW: Tensor) -> dict[str, Tensor]:
        """Feature maps of every stage, shallow to deep, of images from `normalise_batch`.

        They are rotated by 180 degrees if `turned` is set.
        """
        images = self.network.preprocess(images_NCHW)
        images = images.to(self.dtype).contiguous(memory_format=self.layout)
        names = cast(Backbone, self.network.backbone).stage_names
        return dict(zip(names, self.maps(images), strict=True))

    def pooled(self, images_NCHW: Tensor) -> Tensor:
        """Features N x D float32 of images from `normalise_batch`."""
        return pool_maps(self.stages(images_NCHW), self.network.taps)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits N x K float32 of images from `normalise_batch`."""
        return self.classify(self.pooled(images_NCHW))

    def classify(self, features_ND: Tensor) -> Tensor:
        """Logits N x K float32, independent of an image's position in its batch.

        Kernels sum a row of the head in another order at the edge of a tile. In float64 that
        difference is below float32 precision; devices without float64 do without it.
        """
        if features_ND.device.type == "mps":
            return self.network.classify(features_ND)
        net = self.network
        standardised_ND = ((features_ND - net.shift) / net.scale).double()
        return F.linear(standardised_ND, net.head.weight.double(), net.head.bias.double()).float()


def optimise_for_inference(
    network: Network, *, machine: Machine, precision: str | None = None
) -> FastNetwork:
    """A copy of the network for inference on this machine; the network itself is not changed.

    `precision` defaults to the machine's. If the fused kernels are disabled or do not support
    this network, the copy is the plain network in that precision.
    """
    precision = precision or machine.precision
    last = machine.layout == "channels_last"
    layout = torch.channels_last if last else torch.contiguous_format
    with torch_context(1):  # To copy so little, threads cost more than they do.
        quick = copy.deepcopy(network).eval().requires_grad_(False).to(machine.device)
    maps = None
    if machine.fused and machine.device == "cpu":
        maps = _fuse_if_exact(quick.backbone, precision)
    # float32 at the door even for bfloat16: its first stage stays in float32 (`bf16`).
    if maps is not None:
        return FastNetwork(quick, maps, torch.float32, layout)
    dtype: torch.dtype = getattr(torch, precision)
    quick.backbone.to(dtype)
    quick.backbone.to(memory_format=layout)
    return FastNetwork(quick, _PlainStages(quick.backbone), dtype, layout)


class _PlainStages(nn.Module):
    """The backbone's own stages as a forward pass."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images_NCHW: Tensor) -> list[Tensor]:
        # Every backbone has `stages`; nn.Module does not declare it.
        maps: list[Tensor] = self.backbone.stages(images_NCHW)  # type: ignore[operator]
        return maps


def _fuse_if_exact(backbone: nn.Module, precision: str) -> nn.Module | None:
    """The fused stages in this precision; None if they cannot be made or are not exact."""
    channels = next(m for m in backbone.modules() if isinstance(m, nn.Conv2d)).in_channels
    try:
        # One thread: what is tried here is too small to be worth waking another.
        with torch_context(1), torch.inference_mode():
            maps = fuse_backbone(backbone)
            if precision == "bfloat16":
                maps = to_bf16(maps, channels)
            maps(torch.zeros(1, channels, 64, 64))
    except Exception:  # private operators and foreign networks may fail in any way
        return None
    return maps
