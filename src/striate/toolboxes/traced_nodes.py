"""Nodes made one by one, each run at once on an example: their shapes are known while reading.

Padding that a toolbox calls SAME depends on how large a map is, and a flattening on its layout;
an image of zeros tells both.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.toolboxes.functions import FUNCTIONS
from striate.toolboxes.graph import OPERATIONS, Array, Node, ToolboxError

MOST_NUMBERS = 2**26  # of one value of the example


class TracedNodes:
    """The nodes of a graph so far, its tensors, and an example of every value."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.examples: dict[str, Tensor] = {}

    def add_input(self, name: str, shape: Sequence[int]) -> None:
        """An input, with the shape of its example."""
        if math.prod(shape) > MOST_NUMBERS or min(shape, default=1) < 1:
            raise ToolboxError(f"The input {name!r} has the shape {tuple(shape)}.")
        self.examples[name] = torch.zeros(tuple(shape))

    def add_tensor(self, name: str, value: Array) -> str:
        """A constant; gives its name."""
        self.tensors[name] = value
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value, with a batch of one."""
        if name in self.tensors:
            return tuple(self.tensors[name].shape)
        return tuple(self.examples[name].shape)

    def constant(self, name: str) -> Array | None:
        """The numbers of a value that depends on no image, else None."""
        return self.tensors.get(name)

    def add(
        self, op: str, name: str, inputs: Sequence[str], output: str | Sequence[str], **given: Any
    ) -> str:
        """Add a node and run it; gives the name of its first value.

        What depends on constants alone becomes a constant. Raises `ToolboxError` where it cannot
        be run.
        """
        outputs = (output,) if isinstance(output, str) else tuple(output)
        node = Node(op=op, name=name, inputs=tuple(inputs), outputs=outputs, attributes=given)
        settings: dict[str, Any] = {**OPERATIONS[op], **given}
        if op == "split":
            settings["count"] = len(outputs)
        values = [self._value(name) for name in inputs]
        try:
            with torch.no_grad():
                found = FUNCTIONS[op](*values, **settings)
        except (RuntimeError, IndexError, ValueError, TypeError, KeyError) as error:
            if isinstance(error, ToolboxError):
                raise
            line = str(error).strip().split("\n")[0][:160]
            raise ToolboxError(
                f"Layer {name!r} ({op}) cannot take what comes before it: {line}."
            ) from error
        results = found if isinstance(found, tuple) else (found,)
        if all(not each or each in self.tensors for each in inputs):
            for each, result in zip(outputs, results, strict=False):
                self.tensors[each] = result.numpy()
            return outputs[0]
        for each, result in zip(outputs, results, strict=False):
            if result.numel() > MOST_NUMBERS:
                raise ToolboxError(f"Layer {name!r} gives {result.numel():,} numbers an image.")
            self.examples[each] = result
        self.nodes.append(node)
        return outputs[0]

    def _value(self, name: str) -> Tensor | None:
        if not name:
            return None
        if name in self.tensors:
            return torch.from_numpy(np.array(self.tensors[name]))
        if name not in self.examples:
            raise ToolboxError(f"The value {name!r} is read, but nothing gives it.")
        return self.examples[name]


def pad_same(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, int, int, int]:
    """Pads (left, right, top, bottom) of SAME in TensorFlow's way: the odd cell comes last."""
    pads: list[tuple[int, int]] = []
    for length, cells, step, apart in zip(size, kernel, stride, dilation, strict=True):
        reach = (cells - 1) * apart + 1
        whole = max(0, (-(-length // step) - 1) * step + reach - length)
        pads.append((whole // 2, whole - whole // 2))
    (top, bottom), (left, right) = pads
    return (left, right, top, bottom)


class NhwcNodes(TracedNodes):
    """Nodes of a toolbox that keeps maps as N x H x W x C: windows run on N x C x H x W."""

    def add_window(
        self, op: str, name: str, inputs: Sequence[str], output: str, **given: Any
    ) -> str:
        """Add a convolution, a pooling or a normalisation of maps between two permutations."""
        x = self.add("permute", f"{name}/nchw", inputs[:1], f"{output}:in", axes=(0, 3, 1, 2))
        y = self.add(op, name, (x, *inputs[1:]), f"{output}:nchw", **given)
        return self.add("permute", f"{name}/nhwc", (y,), output, axes=(0, 2, 3, 1))

    def window(
        self,
        x: str,
        kernel: Sequence[int],
        stride: Sequence[int],
        same: bool,
        dilation: Sequence[int] = (1, 1),
    ) -> Mapping[str, Any]:
        """Stride, pads and dilation of a window over the map `x`."""
        shape = self.shape(x)
        if len(shape) != 4:
            raise ToolboxError(f"A map is needed, {len(shape)} axes are there.")
        pads = pad_same(shape[1:3], kernel, stride, dilation) if same else (0, 0, 0, 0)
        return {"stride": tuple(stride), "pads": pads, "dilation": tuple(dilation)}
