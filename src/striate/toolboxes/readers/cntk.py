"""CNTK: models of version 1 ('BCN': `.dnn`, `.cmf`) and of version 2 (`.model`, `.dnn`, `.cmf`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, InputScaling, Node, ToolboxError
from striate.toolboxes.wire.cntk_nodes import V1_MAGIC, CntkFile, CntkNode, read_cntk

Shape = tuple[int, ...]


def detect_cntk(files: Sequence[GivenFile]) -> int:
    """2 by the first bytes of either version, 1 by the ending."""
    head = files[0].head
    if head.startswith(V1_MAGIC) or (head[:1] == b"\x08" and head[2:3] == b"\x12" and _words(head)):
        return 2
    return int(files[0].ending in (".dnn", ".cmf"))


def _words(head: bytes) -> bool:
    return b"CompositeFunction" in head or b"primitive_functions" in head or b"\x0a\x03uid" in head


def read_cntk_model(files: Sequence[GivenFile]) -> Graph:
    """The network of the first file, up to its outputs; losses are left out."""
    found = read_cntk(files[0].read())
    maker = _Maker(found)
    outputs = tuple(maker.need(key) for key in found.outputs)
    for node in found.nodes.values():  # names of blocks, whose values are made by now
        if node.op == "Pass" and node.inputs[0] in maker.values:
            maker.layers.setdefault(node.name, maker.values[node.inputs[0]])
    return Graph(
        nodes=tuple(maker.nodes),
        tensors=maker.tensors,
        inputs=tuple(maker.inputs),
        outputs=outputs,
        toolbox="CNTK",
        version=found.version,
        preprocessing=InputScaling(
            scale=1.0, channels="BGR", note="CNTK's reader gives 0 to 255, by habit in BGR."
        ),
        layers=maker.layers,
    )


class _Maker:
    """Makes nodes from the outputs backwards, with the shape (C, H, W) of every value."""

    def __init__(self, found: CntkFile) -> None:
        self.found = found
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.inputs: list[GraphInput] = []
        self.layers: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.shapes: dict[str, Shape] = {}
        self.open: set[str] = set()

    def need(self, key: str) -> str:
        """The name of a node's value, made with all that it reads."""
        stack = [key]
        while stack:
            node = self._find(stack[-1])
            waiting = [name for name in node.inputs if name not in self.values]
            if stack[-1] in self.values:
                stack.pop()
            elif not waiting or node.op in ("Input", "InputValue"):
                self._make(node)
                stack.pop()
            elif len(stack) > len(self.found.nodes):
                raise ToolboxError(f"Node {node.name!r} reads itself.")
            else:
                stack.append(waiting[0])
        return self.values[key]

    def _find(self, key: str) -> CntkNode:
        node = self.found.nodes.get(key)
        if node is None:
            raise ToolboxError(f"The node {key!r} is read, but the file does not hold it.")
        return node

    def _make(self, node: CntkNode) -> None:
        if node.value is not None:
            self._keep(node, self._constant(node), tuple(reversed(node.shape)))
        elif node.op in ("Input", "InputValue"):
            shape = tuple(reversed(node.shape))
            self.inputs.append(GraphInput(name=node.name, shape=(None, *shape)))
            self._keep(node, node.name, shape)
        else:
            make = LAYERS.get(node.op)
            if make is None:
                raise ToolboxError(
                    f"Layer {node.name!r} ({node.op}) is not known; {len(self.nodes)} are."
                )
            make(self, node)
            self.layers[node.name] = self.values[node.key]

    def _constant(self, node: CntkNode) -> str:
        assert node.value is not None
        shape = tuple(reversed(node.shape))
        if node.value.size != math.prod(shape):
            raise ToolboxError(
                f"Parameter {node.name!r} has {node.value.size:,} numbers for the shape {shape}."
            )
        name = f"{node.name}/{node.key}" if node.name != node.key else node.name
        self.tensors[name] = np.ascontiguousarray(node.value.reshape(shape), np.float32)
        return name

    def _keep(self, node: CntkNode, value: str, shape: Shape) -> None:
        self.values[node.key] = value
        self.shapes[value] = shape

    def constant_of(self, node: CntkNode, place: int) -> Array:
        """The parameter that a node reads at a place."""
        name = self.values[node.inputs[place]]
        if name not in self.tensors:
            raise ToolboxError(f"Layer {node.name!r} ({node.op}) reads no constant weights.")
        return self.tensors[name]

    def add(
        self,
        node: CntkNode,
        op: str,
        inputs: Sequence[str],
        result: Shape,
        tensors: Mapping[str, Array | None] | None = None,
        **given: Any,
    ) -> None:
        """Add what a node computes; `result` is the shape of its value, C x H x W."""
        read = list(inputs)
        for key, value in (tensors or {}).items():
            read.append("" if value is None else f"{node.name}/{node.key}.{key}")
            if value is not None:
                self.tensors[read[-1]] = np.ascontiguousarray(value, np.float32)
        out = f"{node.name}:{len(self.nodes)}"
        self.nodes.append(
            Node(op=op, name=node.name, inputs=tuple(read), outputs=(out,), attributes=given)
        )
        self._keep(node, out, result)


def _of_axis(values: Any, axis: int, default: int | bool) -> int:
    """An entry of W, H, C for an axis (0 is W); a single one is for all."""
    found = list(values) if isinstance(values, (list, tuple)) else []
    if not found:
        return int(default)
    return int(found[0] if len(found) == 1 else found[axis] if axis < len(found) else default)


def _window(node: CntkNode, kernel: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    """Strides and pads of a convolution or a pooling on a map of height x width.

    Automatic padding puts the odd cell elsewhere than other toolboxes do: it centres the windows
    on the places that they step to.
    """
    strides, pads = [], []
    for axis in (1, 0):  # vertical, horizontal
        stride = _of_axis(node.fields.get("strides"), axis, 1)
        length, cells = size[1 - axis], kernel[1 - axis]
        lower = _of_axis(node.fields.get("lower"), axis, 0)
        upper = _of_axis(node.fields.get("upper"), axis, 0)
        if _of_axis(node.fields.get("auto"), axis, False):
            steps = (length - 1) // stride
            extra = length - (steps * stride + 1)
            lower = (cells - 1) // 2 - extra // 2
            upper = (cells - 1) - (cells - 1) // 2 - (extra - extra // 2)
        strides.append(stride)
        pads.append((lower, upper))
    (top, bottom), (left, right) = pads
    return {"stride": tuple(strides), "pads": (left, right, top, bottom)}


def _lengths(
    size: tuple[int, int], kernel: tuple[int, int], window: dict[str, Any], ceil: bool
) -> tuple[int, int]:
    left, right, top, bottom = window["pads"]
    found = []
    for axis, pads in enumerate((top + bottom, left + right)):
        room, stride = size[axis] + pads - kernel[axis], window["stride"][axis]
        steps = -(-room // stride) if ceil else room // stride
        found.append(steps + 1)
    return found[0], found[1]


def _convolution(maker: _Maker, node: CntkNode) -> None:
    if node.fields.get("transpose"):
        raise ToolboxError(f"Layer {node.name!r} is a transposed convolution, which is not known.")
    weight = maker.constant_of(node, 0)
    x = maker.values[node.inputs[1]]
    channels, height, width = maker.shapes[x]
    declared = node.fields.get("kernel")
    if weight.ndim == 2:
        if not declared:
            raise ToolboxError(f"The kernel size of layer {node.name!r} is not in the file.")
        # Old files keep O x (W · H · I) rows: the same bytes are O x I x H x W.
        weight = weight.reshape(-1, channels, declared[1], declared[0])
    kernel = (weight.shape[2], weight.shape[3])
    window = _window(node, kernel, (height, width))
    out = _lengths((height, width), kernel, window, False)
    maker.add(
        node,
        "conv",
        (x,),
        (weight.shape[0], *out),
        {"weight": weight},
        groups=channels // weight.shape[1],
        **window,
    )


def _pooling(maker: _Maker, node: CntkNode) -> None:
    x = maker.values[node.inputs[0]]
    channels, height, width = maker.shapes[x]
    declared = node.fields["kernel"]
    kernel = (_of_axis(declared, 1, 1), _of_axis(declared, 0, 1))
    window = _window(node, kernel, (height, width))
    ceil = bool(node.fields.get("ceil"))
    out = _lengths((height, width), kernel, window, ceil)
    given = {"kernel": kernel, "ceil_mode": ceil, **window}
    if node.fields["average"]:
        given["count_include_pad"] = bool(node.fields.get("include_pad"))
    op = "avg_pool" if node.fields["average"] else "max_pool"
    maker.add(node, op, (x,), (channels, *out), None, **given)


def _batch_norm(maker: _Maker, node: CntkNode) -> None:
    x = maker.values[node.inputs[0]]
    scale, bias, mean, variance = (
        maker.constant_of(node, place).flatten() for place in range(1, 5)
    )
    epsilon = float(node.fields.get("epsilon", 1e-5))
    if node.fields.get("inverse"):
        variance = variance.astype(np.float64) ** -2 - epsilon
    tensors = {"weight": scale, "bias": bias, "mean": mean, "variance": variance}
    maker.add(node, "batch_norm", (x,), maker.shapes[x], tensors, epsilon=epsilon)


def _times(maker: _Maker, node: CntkNode) -> None:
    weight = maker.constant_of(node, 0)
    x = maker.values[node.inputs[1]]
    outputs = weight.shape[-1]
    matrix = weight.reshape(-1, outputs).T
    read = x
    if len(maker.shapes[x]) > 1:
        read = f"{x}:flat:{len(maker.nodes)}"
        maker.nodes.append(
            Node(op="flatten", name=f"{node.name}/flat", inputs=(x,), outputs=(read,))
        )
    maker.add(node, "linear", (read,), (outputs,), {"weight": matrix})


def _binary(op: str) -> "Layer":
    def make(maker: _Maker, node: CntkNode) -> None:
        names = [maker.values[key] for key in node.inputs]
        shape = max((maker.shapes[name] for name in names), key=lambda s: (len(s), math.prod(s)))
        maker.add(node, op, names, shape)

    return make


def _unary(op: str) -> "Layer":
    def make(maker: _Maker, node: CntkNode) -> None:
        x = maker.values[node.inputs[0]]
        maker.add(node, op, (x,), maker.shapes[x])

    return make


def _reshape(maker: _Maker, node: CntkNode) -> None:
    x = maker.values[node.inputs[0]]
    shape = tuple(reversed(tuple(node.fields.get("shape", ()))))
    whole = math.prod(maker.shapes[x])
    fixed = math.prod(length for length in shape if length)
    shape = tuple(length or whole // max(1, fixed) for length in shape)
    if math.prod(shape) != whole:
        raise ToolboxError(f"Layer {node.name!r} reshapes {maker.shapes[x]} to {shape}.")
    maker.add(node, "reshape", (x,), shape, None, shape=(-1, *shape))


def _splice(maker: _Maker, node: CntkNode) -> None:
    names = [maker.values[key] for key in node.inputs]
    rank = len(maker.shapes[names[0]])
    axis = rank - 1 - int(node.fields.get("axis", rank - 1))
    if not 0 <= axis < rank:
        raise ToolboxError(f"Layer {node.name!r} joins along an axis that is not known.")
    shape = list(maker.shapes[names[0]])
    shape[axis] = sum(maker.shapes[name][axis] for name in names)
    maker.add(node, "concat", names, tuple(shape), None, axis=axis + 1)


def _pass(maker: _Maker, node: CntkNode) -> None:
    value = maker.values[node.inputs[0]]
    maker.values[node.key] = value


Layer = Callable[[_Maker, CntkNode], None]
LAYERS: dict[str, Layer] = {
    "Convolution": _convolution,
    "Pooling": _pooling,
    "BatchNormalization": _batch_norm,
    "Times": _times,
    "Plus": _binary("add"),
    "Minus": _binary("sub"),
    "ElementTimes": _binary("mul"),
    "RectifiedLinear": _unary("relu"),
    "Sigmoid": _unary("sigmoid"),
    "Tanh": _unary("tanh"),
    "Exp": _unary("exp"),
    "Log": _unary("log"),
    "Sqrt": _unary("sqrt"),
    "Abs": _unary("abs"),
    "Negate": _unary("neg"),
    "Reciprocal": _unary("reciprocal"),
    "ELU": _unary("elu"),
    "Softmax": _unary("softmax"),
    "LogSoftmax": _unary("log_softmax"),
    "Dropout": _unary("dropout"),
    "Reshape": _reshape,
    "Splice": _splice,
    "RowStack": _splice,
    "Pass": _pass,
}
TOOLBOX = Toolbox(
    name="CNTK", endings=(".model", ".dnn", ".cmf"), detect=detect_cntk, read=read_cntk_model
)
