"""A trained network as a value: what every toolbox's reader gives and what one builder takes.

Nodes have an operation from one closed set, `OPERATIONS`. Its conventions are PyTorch's: maps are
N x C x H x W, kernels O x I/groups x H x W and are not flipped, weights of a linear layer are
O x I. What another toolbox does otherwise is turned into these by its reader, so that the same
numbers come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from striate.errors import ModelError

Array = NDArray[Any]


class ToolboxError(ModelError):
    """A file of another toolbox cannot be read: what was found, where, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInput:
    """An input of a network: its shape as the file gives it, None where any length will do.

    `layout` tells the axes of images: NCHW or NHWC; "" where it does not take images. HWCN is
    MATLAB's order, and the network is given N x C x H x W.
    """

    name: str
    shape: tuple[int | None, ...] = ()
    layout: str = "NCHW"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputScaling:
    """What is done to pixels of 0 to 255 before they enter: (pixel · scale - mean) / std.

    `mean` and `std` have a number a channel, or one for all, in the order of `channels`. `known`
    is false where it is not in the file but a habit of the toolbox. `note` says what else.
    """

    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: str = "RGB"
    known: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step: `op` of `OPERATIONS`, read from and written to values by their names.

    An input "" is one that is left out. Attributes at their defaults need not be given. Raises
    `ToolboxError` where the operation or an attribute is not of the set.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        defaults = OPERATIONS.get(self.op)
        if defaults is None:
            raise ToolboxError(f"The operation {self.op!r} of layer {self.name!r} is not known.")
        for name in self.attributes:
            if name not in defaults:
                raise ToolboxError(f"The operation {self.op!r} has no attribute {name!r}.")
        for name, value in defaults.items():
            if value is REQUIRED and name not in self.attributes:
                raise ToolboxError(f"Layer {self.name!r} ({self.op}) lacks its {name}.")

    def settings(self) -> dict[str, Any]:
        """Every attribute with its value."""
        return {**OPERATIONS[self.op], **self.attributes}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """A network: nodes in the order of their running, and the tensors that they read.

    `layers` maps the toolbox's name of a layer to the value that it gives, `layers_layout` tells
    the axes in which the toolbox shows it (values here are N x C x H x W unless the file's own
    graph permutes). `classes` are the names of the outputs, where the file has them; `notes` what
    was left out or guessed.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Array]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    toolbox: str
    version: str = ""
    preprocessing: InputScaling = InputScaling()
    classes: tuple[str, ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    layers_layout: str = "NCHW"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {*self.tensors, *(given.name for given in self.inputs)}
        for node in self.nodes:
            missing = [name for name in node.inputs if name and name not in known]
            if missing:
                raise ToolboxError(
                    f"Layer {node.name!r} reads {missing[0]!r}, which nothing before it gives.",
                    WEIGHTS_HINT,
                )
            known.update(node.outputs)
        for name in self.outputs:
            if name not in known:
                raise ToolboxError(f"The output {name!r} is given by no layer.", WEIGHTS_HINT)

    def count_parameters(self) -> int:
        """Numbers in the floating-point tensors that nodes read."""
        read = {name for node in self.nodes for name in node.inputs}
        return sum(t.size for n, t in self.tensors.items() if n in read and t.dtype.kind == "f")


REQUIRED: Any = object()
"""Stands where an attribute has no default."""

WEIGHTS_HINT = "Name the file of the graph and the file of the weights together, as one network's."

WINDOW = {"stride": (1, 1), "pads": (0, 0, 0, 0), "dilation": (1, 1)}
"""(vertical, horizontal), and pads (left, right, top, bottom).

"same_upper" or "same_lower" in place of pads: as many as give ceil(length / stride) cells, of an
odd number one more at the end or at the beginning.
"""

ELEMENTWISE = (
    "relu sigmoid tanh exp log sqrt rsqrt abs neg floor ceil round erf sin cos reciprocal square "
    "sign softsign silu mish identity logical_not"
).split()
BINARY = (
    "add sub mul div pow maximum minimum equal greater greater_equal less less_equal "
    "logical_and logical_or"
).split()

OPERATIONS: dict[str, dict[str, Any]] = {
    # x, weight (O, I/groups, kh, kw), [bias]
    "conv": {**WINDOW, "groups": 1},
    # x, weight (I, O/groups, kh, kw), [bias]; pads are cut off what comes out
    "conv_transpose": {**WINDOW, "groups": 1, "output_padding": (0, 0)},
    # x (..., I), weight (O, I), [bias]
    "linear": {},
    # a, b
    "matmul": {},
    # x, [gamma], [beta], mean, variance
    "batch_norm": {"epsilon": 1e-5},
    # x, [gamma], [beta]
    "group_norm": {"groups": REQUIRED, "epsilon": 1e-5},
    "instance_norm": {"epsilon": 1e-5},
    "layer_norm": {"axis": -1, "epsilon": 1e-5},
    # x / (k + alpha / size · sum of squares) ^ beta; within: of size x size cells of one channel
    "lrn": {"size": REQUIRED, "alpha": 1e-4, "beta": 0.75, "k": 1.0, "within": False},
    # x / norm over axes, the norm at least epsilon
    "normalize": {"axes": (1,), "p": 2.0, "epsilon": 1e-12},
    # What lies outside is never the maximum. ceil_mode is PyTorch's: no window may begin
    # beyond the map and its left pad.
    "max_pool": {**WINDOW, "kernel": REQUIRED, "ceil_mode": False},
    # Divided by the cells of the window; of them pads count with count_include_pad, cells that
    # ceil_mode adds never. `divisor` takes the place of their number.
    "avg_pool": {
        **WINDOW,
        "kernel": REQUIRED,
        "ceil_mode": False,
        "count_include_pad": False,
        "divisor": 0,
    },
    "adaptive_avg_pool": {"size": REQUIRED},
    "adaptive_max_pool": {"size": REQUIRED},
    **{op: {} for op in (*ELEMENTWISE, *BINARY)},
    "leaky_relu": {"slope": 0.01},
    # x, slope: one number, or one a channel, or a shape that broadcasts
    "prelu": {},
    "elu": {"alpha": 1.0},
    "celu": {"alpha": 1.0},
    "selu": {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805},
    "gelu": {"approximate": "none"},
    "softplus": {"beta": 1.0},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.5},
    "hard_swish": {"alpha": 1 / 6, "beta": 0.5},
    "threshold": {"alpha": 1.0},  # x where x > alpha, else 0
    "clip": {"low": None, "high": None},  # [low], [high] also as inputs
    # flatten: over all axes from `axis` on together
    "softmax": {"axis": 1, "flatten": False},
    "log_softmax": {"axis": 1, "flatten": False},
    # identity at test, or times `test_scale`
    "dropout": {"p": 0.5, "test_scale": 1.0},
    "where": {},  # condition, a, b
    "reduce": {"mode": "mean", "axes": None, "keepdims": True},  # also l1 l2 sum max min prod
    "argmax": {"axis": 1, "keepdims": True},
    # Shapes. Where an attribute is None, the next inputs give it.
    "flatten": {"axis": 1},  # to (axes before, axes from it on)
    "reshape": {"shape": None, "zero_copies": True},
    "permute": {"axes": None},  # None: reversed
    "squeeze": {"axes": None},
    "unsqueeze": {"axes": None},
    "concat": {"axis": 1},
    "split": {"axis": 1, "sizes": None},  # sizes None and no input: equal parts
    "slice": {"starts": None, "ends": None, "axes": None, "steps": None},
    "gather": {"axis": 0},  # x, indices
    "expand": {"shape": None},
    "tile": {"repeats": None},
    # pads: (before, after) for every axis; as an input: all befores, then all afters
    "pad": {"pads": None, "mode": "constant", "value": 0.0},
    # coordinates: half_pixel, align_corners, asymmetric (nearest: rounded down)
    "resize": {"mode": "nearest", "size": None, "scales": None, "coordinates": "half_pixel"},
    "depth_to_space": {"block": REQUIRED, "mode": "DCR"},
    "space_to_depth": {"block": REQUIRED},
    "channel_shuffle": {"groups": REQUIRED},
    "shape": {},
    "cast": {"type": "float32"},
    "constant_of_shape": {"value": 0.0, "type": "float32"},
    "range": {},  # start, limit, step
    # Numbers of few bits are kept as whole floats: clip(round(x / scale) + zero, low, high)
    "quantize": {"axis": 1, "low": -128, "high": 127},  # x, scale, [zero]
    "dequantize": {"axis": 1},  # q, scale, [zero]
}
"""The closed set: operation to its attributes and their defaults."""
