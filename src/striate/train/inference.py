"""The same network, faster, for inference only."""

import copy

import torch
from torch import Tensor, nn

from striate.train.head import Network
from striate.values import Machine


class Fast(nn.Module):
    """A network that computes in one precision and gives float32 features and logits."""

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def pooled(self, images_NCHW: Tensor) -> Tensor:
        """Features N x D float32."""
        return self.network.pooled(images_NCHW.to(self.dtype))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits N x K float32."""
        return self.network.classify(self.pooled(images_NCHW))


def fast(network: Network, *, machine: Machine, precision: str | None = None) -> Fast:
    """A copy of the network for inference on this machine; the network itself is not changed.

    `precision` is the machine's own unless given.
    """
    dtype = getattr(torch, precision or machine.precision)
    layout = torch.channels_last if machine.layout == "channels_last" else torch.contiguous_format
    quick = copy.deepcopy(network).eval().to(machine.device)
    quick.backbone.to(dtype)
    quick.backbone.to(memory_format=layout)
    return Fast(quick.requires_grad_(False), dtype)
