"""MegEngine's dumps of a traced graph (`.mge`, second form): operators in a FlatBuffer."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, Graph, GraphInput, Node, ToolboxError
from striate.toolboxes.wire.flatbuffers import FlatTable, root_table

IDENTIFIER = b"mgv2"  # in bytes 8 to 11, behind the length of the buffer
_TYPES = {0: "f4", 1: "u1", 2: "i1", 3: "i2", 4: "i4", 8: "f2"}


def read_mge(content: bytes) -> Graph:
    """The graph of a dump. Raises `ToolboxError`."""
    if content[8:12] != IDENTIFIER:
        raise ToolboxError(
            "It is a dump of the older form, which names no operations.",
            "Dump it again: net.dump(FILE), or save its weights: megengine.save(net.state_dict()).",
        )
    return _Maker(root_table(content[4:])).make()


class _Maker:
    """Makes nodes of the operators in their order.

    What only works out shapes stays a list of lengths, with None for the number of images.
    """

    def __init__(self, model: FlatTable) -> None:
        self.model = model
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.values: dict[int, str] = {}
        self.lengths: dict[int, list[int | None]] = {}
        self.inputs: list[GraphInput] = []

    def make(self) -> Graph:
        """The graph up to what is dumped as output."""
        operators = self.model.tables(2)
        for number, operator in enumerate(operators):
            kind = operator.text(0)
            rule = RULES.get(kind)
            if rule is None:
                raise ToolboxError(
                    f"The operation {kind!r} (number {number}) is not known; "
                    f"{number} of {len(operators)} before it are."
                )
            rule(self, _Step(operator))
        outputs = [int(end.number(0, "I")) for end in self.model.tables(4)]
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(self.inputs),
            outputs=tuple(self.value(place) for place in outputs),
            toolbox="MegEngine",
            version=f"dump of {self.model.number(0, 'I')}",
            layers={node.name: node.outputs[0] for node in self.nodes},
        )

    def value(self, place: int) -> str:
        """The name of a value."""
        if place not in self.values:
            raise ToolboxError(f"The value {place} is read, but nothing before it gives it.")
        return self.values[place]

    def constant(self, place: int) -> Array:
        """The numbers of a constant."""
        name = self.value(place)
        if name not in self.tensors:
            raise ToolboxError(f"The value {place} is no constant, where one is needed.")
        return self.tensors[name]

    def add(self, op: str, inputs: list[str], place: int, **given: Any) -> str:
        """Add a node for a value of the file, or for one of a rule's own (-1)."""
        out = f"{op}_{place}" if place >= 0 else f"{op}:{len(self.nodes)}"
        self.nodes.append(
            Node(op=op, name=out, inputs=tuple(inputs), outputs=(out,), attributes=given)
        )
        if place >= 0:
            self.values[place] = out
        return out


class _Step:
    """An operator: numbers of its inputs and outputs, and its parameters by their fields."""

    def __init__(self, table: FlatTable) -> None:
        self.table = table
        self.inputs = [int(n) for n in table.array(7, "u4")]
        self.outputs = [int(n) for n in table.array(8, "u4")]
        self.parameters = table.table(4)

    def number(self, field: int, default: float = 0, kind: str = "i") -> Any:
        """A parameter; its default where it is left out."""
        return self.parameters.number(field, kind, default) if self.parameters else default


def _tensor(maker: _Maker, step: _Step) -> None:
    for place, table in zip(step.outputs, step.table.tables(11), strict=False):
        shape = tuple(int(n) for n in table.array(1, "u4"))
        dtype = table.table(3)
        kind = int(dtype.number(0, "b")) if dtype else 0
        if kind not in _TYPES:
            raise ToolboxError(f"A constant has the type {kind}, which is not known.")
        found = np.frombuffer(table.array(6, "u1").tobytes(), f"<{_TYPES[kind]}")
        if found.size != math.prod(shape):
            raise ToolboxError(f"A constant of shape {shape} has {found.size:,} numbers.")
        name = maker.values[place] = f"tensor_{place}"
        maker.tensors[name] = found.reshape(shape)
        if found.dtype.kind == "i" and found.size <= 8:
            maker.lengths[place] = [int(n) for n in found]


def _input(maker: _Maker, step: _Step) -> None:
    (table,) = step.table.tables(11)[:1]
    shape = tuple(int(n) for n in table.array(1, "u4"))
    name = table.text(0) or "images"
    maker.inputs.append(GraphInput(name=name, shape=(None, *shape[1:])))
    maker.values[step.outputs[0]] = name


def _padding(maker: _Maker, step: _Step) -> None:
    pads = tuple((int(step.number(k, 0, "I")), int(step.number(7 + k, 0, "I"))) for k in range(4))
    x = maker.value(step.inputs[0])
    maker.add("pad", [x], step.outputs[0], pads=pads)


def _convolution(maker: _Maker, step: _Step) -> None:
    weight = maker.constant(step.inputs[1])
    name, groups = maker.value(step.inputs[1]), 1
    if weight.ndim == 5:  # groups, out and in of a group, height, width
        groups = weight.shape[0]
        name = f"{name}:joined"
        maker.tensors[name] = weight.reshape(-1, *weight.shape[2:])
    down, right = step.number(1, 0, "I"), step.number(2, 0, "I")
    maker.add(
        "conv",
        [maker.value(step.inputs[0]), name],
        step.outputs[0],
        groups=groups,
        pads=(right, right, down, down),
        stride=(step.number(3, 1, "I"), step.number(4, 1, "I")),
        dilation=(step.number(5, 1, "I"), step.number(6, 1, "I")),
    )


def _batch_norm(maker: _Maker, step: _Step) -> None:
    if step.number(1) != 1:
        raise ToolboxError("A batch normalisation is one of training, not of prediction.")
    arrays = [maker.constant(place).reshape(-1) for place in step.inputs[1:5]]
    channels = max(array.size for array in arrays)
    names = []
    for role, array in zip(("gamma", "beta", "mean", "variance"), arrays, strict=True):
        names.append(f"{role}_{step.outputs[-1]}")
        maker.tensors[names[-1]] = np.broadcast_to(array, (channels,)).astype(np.float32)
    epsilon = float(step.number(2, 1e-5, "d"))
    x = maker.value(step.inputs[0])
    maker.add("batch_norm", [x, *names], step.outputs[-1], epsilon=epsilon)


def _elementwise(maker: _Maker, step: _Step) -> None:
    mode = int(step.number(0))
    names = [maker.value(place) for place in step.inputs]
    if mode == MULTIPLY_ADD:
        product = maker.add("mul", names[:2], -1)
        maker.add("add", [product, names[2]], step.outputs[0])
        return
    if mode in FUSED_ADDS:
        total = maker.add("add", names, -1)
        maker.add(FUSED_ADDS[mode], [total], step.outputs[0])
        return
    op = MODES.get(mode)
    if op is None:
        raise ToolboxError(f"The elementwise operation {mode} is not known.")
    maker.add(op, names, step.outputs[0])


def _pooling(maker: _Maker, step: _Step) -> None:
    mode = int(step.number(0))
    down, right = step.number(1, 0, "I"), step.number(2, 0, "I")
    given: dict[str, Any] = {
        "kernel": (step.number(5, 2, "I"), step.number(6, 2, "I")),
        "stride": (step.number(3, 2, "I"), step.number(4, 2, "I")),
        "pads": (right, right, down, down),
    }
    if mode not in (0, 1, 2):
        raise ToolboxError(f"The pooling {mode} is not known.")
    if mode:
        given["count_include_pad"] = mode == 1
    op = "avg_pool" if mode else "max_pool"
    maker.add(op, [maker.value(step.inputs[0])], step.outputs[0], **given)


def _matmul(maker: _Maker, step: _Step) -> None:
    if step.number(0, 0, "b"):
        raise ToolboxError("A product turns its first factor, which is not known.")
    weight = maker.constant(step.inputs[1])
    name = maker.value(step.inputs[1])
    if not step.number(1, 0, "b"):
        name = f"{name}:turned"
        maker.tensors[name] = np.ascontiguousarray(weight.T)
    maker.add("linear", [maker.value(step.inputs[0]), name], step.outputs[0])


def _softmax(maker: _Maker, step: _Step) -> None:
    axis = int(step.number(0, -1))
    maker.add("softmax", [maker.value(step.inputs[0])], step.outputs[0], axis=axis)


def _same(maker: _Maker, step: _Step) -> None:
    """A value that is spread over a larger shape: elementwise operations do that themselves."""
    maker.values[step.outputs[0]] = maker.value(step.inputs[0])


def _shape(maker: _Maker, step: _Step) -> None:
    maker.lengths[step.outputs[0]] = [None]


def _part_of_shape(maker: _Maker, step: _Step) -> None:
    maker.lengths[step.outputs[0]] = [None]


def _concat(maker: _Maker, step: _Step) -> None:
    if all(place in maker.lengths for place in step.inputs):
        maker.lengths[step.outputs[0]] = [n for p in step.inputs for n in maker.lengths[p]]
        return
    names = [maker.value(place) for place in step.inputs]
    maker.add("concat", names, step.outputs[0], axis=int(step.number(0)))


def _reshape(maker: _Maker, step: _Step) -> None:
    lengths = maker.lengths.get(step.inputs[1])
    if lengths is None or None in lengths[1:]:
        raise ToolboxError("A shape is worked out in a way that is not known.")
    # 0 keeps the number of images.
    shape = tuple(0 if length is None else length for length in lengths)
    maker.add("reshape", [maker.value(step.inputs[0])], step.outputs[0], shape=shape)


MULTIPLY_ADD = 35
FUSED_ADDS = {37: "relu", 38: "sigmoid", 39: "tanh"}
MODES = {0: "relu", 1: "abs", 6: "exp", 9: "log", 11: "neg", 12: "sigmoid", 14: "tanh", 16: "add"}
MODES |= {18: "maximum", 19: "minimum", 21: "mul", 22: "pow", 24: "sub", 27: "div"}
RULES: dict[str, Callable[[_Maker, _Step], None]] = {
    "ImmutableTensor": _tensor,
    "Host2DeviceCopy": _input,
    "Padding": _padding,
    "Convolution": _convolution,
    "BatchNormV1": _batch_norm,
    "Elemwise": _elementwise,
    "PoolingV1": _pooling,
    "MatrixMulV2": _matmul,
    "Softmax": _softmax,
    "Broadcast": _same,
    "GetVarShapeV1": _shape,
    "Subtensor": _part_of_shape,
    "Concat": _concat,
    "ReshapeV1": _reshape,
}
