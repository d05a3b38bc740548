"""MindSpore's exported graphs (`.mindir`): nodes that point to primitives with attributes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, Graph, GraphInput, Node, ToolboxError
from striate.toolboxes.wire.protobuf import DAMAGED, Message, read_message

_TENSOR = {
    1: ("dims", "ints"),
    2: ("kind", "int"),
    7: ("name", "text"),
    9: ("content", "bytes"),
    13: ("key", "text"),
}
_ATTRIBUTE: dict[int, tuple[str, Any]] = {
    1: ("name", "text"),
    2: ("float", "float"),
    3: ("int", "int"),
    4: ("double", "double"),
    5: ("text", "text"),
    8: ("floats", "floats"),
    10: ("ints", "ints"),
    11: ("texts", "text"),
    12: ("tensors", _TENSOR),
}
_ATTRIBUTE[17] = ("values", _ATTRIBUTE)
_NODE = {
    1: ("inputs", "text"),
    2: ("outputs", "text"),
    4: ("op", "text"),
    5: ("attributes", _ATTRIBUTE),
}
_END = {1: ("name", "text"), 2: ("tensor", _TENSOR)}
_GRAPH = {
    1: ("nodes", _NODE),
    3: ("parameters", _TENSOR),
    5: ("inputs", _END),
    6: ("outputs", _END),
}
_PRIMITIVE = {1: ("name", "text"), 2: ("op", "text"), 3: ("attributes", _ATTRIBUTE)}
_MODEL = {1: ("version", "text"), 7: ("graph", _GRAPH), 12: ("primitives", _PRIMITIVE)}
_TYPES = {1: "f4", 2: "u1", 3: "i1", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8"}


def read_mindir(content: bytes) -> Graph:
    """The graph of an exported model. Raises `ToolboxError`."""
    model = read_message(content, _MODEL)
    if "graph" not in model:
        raise ToolboxError("It holds no graph.", DAMAGED)
    return _Maker(model).make()


class _Maker:
    """Makes the graph's nodes in the order of the file."""

    def __init__(self, model: Message) -> None:
        self.version = str(model.get("version", [""])[0])
        self.graph = model["graph"][0]
        self.primitives = {
            str(p["name"][0]): (str(p.get("op", p["name"])[0]), _attributes(p))
            for p in model.get("primitives", [])
        }
        self.names: dict[str, str] = {}
        self.tensors: dict[str, Array] = {}
        self.constants: dict[str, Any] = {}
        self.nodes: list[Node] = []

    def make(self) -> Graph:
        """The graph from its inputs to its first output."""
        for parameter in self.graph.get("parameters", []):
            name = str(parameter["name"][0])
            self.names[name] = str(parameter.get("key", [name])[0])
            self.tensors[self.names[name]] = _array(parameter)
        inputs = []
        for end in self.graph.get("inputs", []):
            name = str(end["name"][0])
            dims = end.get("tensor", [{}])[0].get("dims", ())
            shape = (None, *(int(n) if n > 0 else None for n in dims[1:]))
            short = self.names[name] = name.rpartition(":")[2]
            inputs.append(GraphInput(name=short, shape=shape))
        for number, message in enumerate(self.graph.get("nodes", [])):
            self._add(message, number)
        outputs = [str(end["name"][0]) for end in self.graph.get("outputs", [])]
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(inputs),
            outputs=tuple(self.value(name) for name in outputs),
            toolbox="MindSpore",
            version=f"MindIR {self.version}",
            layers={node.name: node.outputs[0] for node in self.nodes},
        )

    def value(self, name: str) -> str:
        """The value that stands for a name of the file; a constant becomes a tensor."""
        if name in self.names:
            return self.names[name]
        if name in self.constants:
            self.names[name] = f"constant:{name}"
            self.tensors[self.names[name]] = np.asarray(self.constants[name], np.float32)
            return self.names[name]
        raise ToolboxError(f"The value {name!r} is read, but nothing before it gives it.")

    def _add(self, message: Message, number: int) -> None:
        word = str(message["op"][0])
        output = str(message["outputs"][0])
        if word == "Constant":
            self.constants[output] = _attributes(message).get("value")
            return
        op, attributes = self.primitives.get(
            word.removeprefix("REF::"), (word.removeprefix("REF::").partition(":")[0], {})
        )
        given = [str(name) for name in message.get("inputs", [])]
        if op in SAME_VALUE:
            self.names[output] = self.value(given[0])
            return
        if op in BOOKKEEPING:
            return
        rule = RULES.get(op)
        if rule is None:
            raise ToolboxError(
                f"The operation {op!r} (number {number}) is not known; "
                f"{len(self.nodes)} layers before it are."
            )
        rule(self, _Step(op, given, output, attributes))


class _Step:
    """A node with its primitive's attributes."""

    def __init__(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        self.op, self.inputs, self.output, self.attributes = op, inputs, output, attributes

    def pick(self, maker: _Maker, name: str, place: int, default: Any) -> Any:
        """A setting: an attribute, or a constant that is read at a place."""
        if name in self.attributes:
            return self.attributes[name]
        if place < len(self.inputs) and self.inputs[place] in maker.constants:
            return maker.constants[self.inputs[place]]
        return default


def _attributes(message: Message) -> dict[str, Any]:
    return {str(each.get("name", [""])[0]): _value(each) for each in message.get("attributes", [])}


def _value(message: Message) -> Any:
    if "values" in message:
        return [_value(each) for each in message["values"]]
    if "tensors" in message:
        return _array(message["tensors"][0])
    for kind in ("ints", "floats"):
        if kind in message:
            found = [number.item() for number in message[kind]]
            return found[0] if len(found) == 1 else found
    for kind in ("int", "float", "double", "text", "texts"):
        if kind in message:
            return message[kind][0]
    return None


def _array(message: Message) -> Array:
    kind = message.get("kind", [1])[0]
    shape = tuple(int(n) for n in message.get("dims", ()))
    if kind not in _TYPES:
        raise ToolboxError(f"A tensor has the type {kind}, which is not known.")
    if "content" not in message:
        return np.zeros(0, np.float32)  # a shape alone
    found = np.frombuffer(message["content"][0], np.dtype(_TYPES[kind]).newbyteorder("<"))
    if found.size != np.prod(shape, dtype=np.int64):
        raise ToolboxError(f"A tensor of shape {shape} has {found.size:,} numbers.", DAMAGED)
    return found.reshape(shape)


def _emit(maker: _Maker, step: _Step, op: str, inputs: Sequence[str], **given: Any) -> None:
    out = step.output.rpartition(":")[0].rpartition(":")[2] or step.output
    value = f"{out}#{len(maker.nodes)}"
    maker.nodes.append(
        Node(op=op, name=value, inputs=tuple(inputs), outputs=(value,), attributes=given)
    )
    maker.names[step.output] = value


def _pair(value: Any) -> tuple[int, int]:
    """The two last of one number, two (height, width) or four (N, C, height, width)."""
    numbers = [int(n) for n in value] if isinstance(value, list) else [int(value)]
    return (numbers[-2], numbers[-1]) if len(numbers) > 1 else (numbers[0], numbers[0])


def _pads(mode: Any, pad: Any) -> Any:
    word = str(mode).lower()
    if word in ("same", "1"):
        return "same_upper"
    if word in ("valid", "2"):
        return (0, 0, 0, 0)
    numbers = [int(n) for n in pad] if isinstance(pad, list) else [int(pad or 0)] * 4
    top, bottom, left, right = numbers
    return (left, right, top, bottom)


def _conv(maker: _Maker, step: _Step) -> None:
    attributes = step.attributes
    _emit(
        maker,
        step,
        "conv",
        [maker.value(name) for name in step.inputs[:2]],
        stride=_pair(attributes.get("stride", 1)),
        dilation=_pair(attributes.get("dilation", 1)),
        groups=int(attributes.get("group", attributes.get("groups", 1))),
        pads=_pads(attributes.get("pad_mode", "valid"), attributes.get("pad", 0)),
    )


def _bias_add(maker: _Maker, step: _Step) -> None:
    """One number a channel, of a map or of a vector."""
    x, bias = (maker.value(name) for name in step.inputs[:2])
    before = maker.nodes[-1]
    if before.op in ("conv", "linear") and before.outputs[0] == x and len(before.inputs) == 2:
        maker.nodes[-1] = Node(
            op=before.op,
            name=before.name,
            inputs=(*before.inputs, bias),
            outputs=before.outputs,
            attributes=before.attributes,
        )
        maker.names[step.output] = x
        return
    raise ToolboxError(f"A bias is added to {x!r}, which is no convolution or product.")


def _batch_norm(maker: _Maker, step: _Step) -> None:
    names = [maker.value(name) for name in step.inputs[:5]]
    epsilon = float(step.pick(maker, "epsilon", 6, 1e-5))
    _emit(maker, step, "batch_norm", names, epsilon=epsilon)


def _pool(op: str) -> "Rule":
    def rule(maker: _Maker, step: _Step) -> None:
        mode = step.pick(maker, "pad_mode", 3, "valid")
        _emit(
            maker,
            step,
            op,
            [maker.value(step.inputs[0])],
            kernel=_pair(step.pick(maker, "kernel_size", 1, 1)),
            stride=_pair(step.pick(maker, "strides", 2, 1)),
            pads=_pads(mode, 0),
        )

    return rule


def _matmul(maker: _Maker, step: _Step) -> None:
    x, weight = (maker.value(name) for name in step.inputs[:2])
    if step.pick(maker, "transpose_a", 2, 0):
        raise ToolboxError("A product turns its first factor, which is not known.")
    if weight in maker.tensors and not step.pick(maker, "transpose_b", 3, 0):
        turned = f"{weight}:turned"
        maker.tensors[turned] = np.ascontiguousarray(maker.tensors[weight].T)
        weight = turned
    _emit(maker, step, "linear", [x, weight])


def _elementwise(op: str, count: int = 1, **given: Any) -> "Rule":
    def rule(maker: _Maker, step: _Step) -> None:
        _emit(maker, step, op, [maker.value(name) for name in step.inputs[:count]], **given)

    return rule


def _softmax(op: str) -> "Rule":
    def rule(maker: _Maker, step: _Step) -> None:
        axis = step.pick(maker, "axis", 1, -1)
        axis = axis[0] if isinstance(axis, list) else axis
        _emit(maker, step, op, [maker.value(step.inputs[0])], axis=int(axis))

    return rule


Rule = Callable[[_Maker, _Step], None]
SAME_VALUE = ("Load", "Depend", "TupleGetItem", "Dropout")
BOOKKEEPING = ("UpdateState", "MakeTuple")
RULES: dict[str, Rule] = {
    "Conv2D": _conv,
    "BiasAdd": _bias_add,
    "BatchNorm": _batch_norm,
    "MaxPool": _pool("max_pool"),
    "AvgPool": _pool("avg_pool"),
    "MatMul": _matmul,
    "ReLU": _elementwise("relu"),
    "ReLU6": _elementwise("clip", low=0.0, high=6.0),
    "Sigmoid": _elementwise("sigmoid"),
    "Tanh": _elementwise("tanh"),
    "Flatten": _elementwise("flatten", axis=1),
    "Add": _elementwise("add", 2),
    "Sub": _elementwise("sub", 2),
    "Mul": _elementwise("mul", 2),
    "RealDiv": _elementwise("div", 2),
    "Maximum": _elementwise("maximum", 2),
    "Minimum": _elementwise("minimum", 2),
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
}
