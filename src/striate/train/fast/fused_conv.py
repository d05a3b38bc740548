"""A convolution fused with its bias, activation or shortcut addition, by oneDNN's kernel."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = tuple[str, list[float], str]
"""An activation as the kernel names it: name, numbers, algorithm."""

NO_ACTIVATION: Activation = ("none", [], "")


MOST_SHAPES = 4  # input shapes


class FusedConv(nn.Module):
    """A convolution with bias and an activation or an added shortcut, in one kernel.

    The weights are cached in the memory layout that the kernel wants, per input shape.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, conv: nn.Conv2d, weight: Tensor, bias: Tensor, activation: Activation, adds: bool
    ) -> None:
        super().__init__()
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.pad = _padding(conv)
        self.uneven = pads_unevenly(conv)
        self.activation, self.adds = activation, adds
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self._ordered: dict[tuple[int, ...], Tensor] = {}

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """The map N x C x H x W after convolution, activation and addition."""
        name, scalars, algorithm = self.activation
        # What reached here by a path without a fused kernel may be in another dtype or layout.
        x = x.to(self.weight.dtype).contiguous(memory_format=torch.channels_last)
        weight = self._in_order(x)
        convolve = torch.ops.mkldnn._convolution_pointwise
        where = (self.bias, self.pad, list(self.stride), list(self.dilation), self.groups)
        result: Tensor
        if other is None:
            result = convolve(x, weight, *where, name, scalars, algorithm)
            return result
        other = other.contiguous(memory_format=torch.channels_last)
        # The kernel with an addition spells "no activation" as None, the one without as "none".
        unary = None if name == "none" else name
        result = convolve.binary(x, other, weight, *where, "add", None, unary, [], "")
        return result

    def _in_order(self, x: Tensor) -> Tensor:
        """The weights in the memory layout that the kernel wants for this input shape."""
        ordered = self._ordered.get(tuple(x.shape))
        if ordered is None:
            where = (self.pad, list(self.stride), list(self.dilation), self.groups)
            ordered = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *where, list(x.shape)
            )
            # Each shape holds the weights once more: sizes that come and go must not pile up.
            if len(self._ordered) >= MOST_SHAPES:
                self._ordered = {}
            self._ordered[tuple(x.shape)] = ordered
        return ordered

    def __getstate__(self) -> dict[str, object]:
        # The kernel's own order is opaque: it belongs to this process and is made again elsewhere.
        return {**self.__dict__, "_ordered": {}}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FusedConv":
        # Weights in the kernel's own order cannot be converted; they are made again.
        self._ordered = {}
        # torch leaves `_apply` without types.
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
