"""One convolution with what follows it, by oneDNN's fused kernel."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = tuple[str, list[float], str]
"""An activation as the kernel names it: name, numbers, algorithm."""

NO_ACTIVATION: Activation = ("none", [], "")


class FusedConv(nn.Module):
    """A convolution with everything that follows it: bias, activation, or an added shortcut.

    The weights are kept in the order that the kernel wants for the shapes that were met.
    """

    weight: Tensor
    bias: Tensor
    odd_weight: Tensor | None

    def __init__(
        self, conv: nn.Conv2d, weight: Tensor, bias: Tensor, activation: Activation, adds: bool
    ) -> None:
        super().__init__()
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.pad = _padding(conv)
        self.activation, self.adds = activation, adds
        self.uneven = pads_unevenly(conv)
        self.register_buffer("bias", bias)
        # A zero row and column before the kernel moves it by one pixel: on even sizes the same
        # numbers as padding at the far end alone, without a padded copy of the image.
        self.register_buffer("odd_weight", weight if self.uneven else None)
        self.register_buffer("weight", F.pad(weight, (1, 0, 1, 0)) if self.uneven else weight)
        self._ordered: dict[tuple[int, ...], Tensor] = {}

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """The map N x C x H x W after convolution, activation and addition."""
        weight, pad = self.weight, self.pad
        x = x.to(weight.dtype).contiguous(memory_format=torch.channels_last)
        if self.uneven:
            odd = [size % 2 for size in x.shape[-2:]]
            if odd[0] != odd[1]:
                near = [pad[k] - 1 + odd[k] for k in (0, 1)]
                x, pad = F.pad(x, (near[1], pad[1], near[0], pad[0])), [0, 0]
                x = x.contiguous(memory_format=torch.channels_last)
            if any(odd):
                assert self.odd_weight is not None
                weight = self.odd_weight
        return self._kernel(x, self._in_order(x, weight, pad), pad, other)

    def _kernel(self, x: Tensor, weight: Tensor, pad: list[int], other: Tensor | None) -> Tensor:
        name, scalars, algorithm = self.activation
        convolve = torch.ops.mkldnn._convolution_pointwise
        where = (self.bias, pad, list(self.stride), list(self.dilation), self.groups)
        result: Tensor
        if other is None:
            result = convolve(x, weight, *where, name, scalars, algorithm)
            return result
        other = other.contiguous(memory_format=torch.channels_last)
        unary = None if name == "none" else name
        result = convolve.binary(x, other, weight, *where, "add", None, unary, [], "")
        return result

    def _in_order(self, x: Tensor, weight: Tensor, pad: list[int]) -> Tensor:
        key = (*x.shape, weight.shape[-1], *pad)
        ordered = self._ordered.get(key)
        if ordered is None:
            ordered = torch.ops.mkldnn._reorder_convolution_weight(
                weight, pad, list(self.stride), list(self.dilation), self.groups, list(x.shape)
            )
            if len(self._ordered) >= MOST_SHAPES:
                self._ordered = {}
            self._ordered[key] = ordered
        return ordered

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_ordered": {}}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FusedConv":
        # Weights in the kernel's own order cannot be converted; they are made again.
        self._ordered = {}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]


def pads_unevenly(conv: nn.Conv2d) -> bool:
    """Whether this is a convolution that pads as TensorFlow does, with stride 2."""
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.kernel_size[0] % 2 == 1
    known = type(conv).__name__ in ("SameConv2d", "Conv2dSame")
    return known and square and conv.stride == (2, 2) and conv.dilation == (1, 1)


def _padding(conv: nn.Conv2d) -> list[int]:
    if pads_unevenly(conv) or conv.padding == "same":
        return [d * (k - 1) // 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    return [0, 0] if conv.padding == "valid" else [int(p) for p in conv.padding]


MOST_SHAPES = 4
