"""CNTK's two formats as one list of steps: version 1 ('BCN') and version 2 (protobuf dictionaries).

Axes run W, H, C in both, and arrays are column-major: the same bytes are C x H x W in rows.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError
from striate.toolboxes.wire.byte_stream import ByteStream
from striate.toolboxes.wire.protobuf import Message, read_message


@dataclass(slots=True, eq=False)
class CntkNode:
    """A step, a parameter (with `value`) or an input; `shape` runs W, H, C."""

    op: str
    name: str
    key: str
    inputs: tuple[str, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    value: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CntkFile:
    """The nodes of a file by their keys, the keys of what it gives, and the file's version."""

    nodes: dict[str, CntkNode]
    outputs: tuple[str, ...]
    version: str


def read_cntk(content: bytes) -> CntkFile:
    """The nodes of a file of either version. Raises `ToolboxError`."""
    return _read_v1(content) if content.startswith(V1_MAGIC) else _read_v2(content)


class _Stream(ByteStream):
    """Version 1: fields without lengths, one behind the other."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.version = 0

    def number(self, kind: str) -> Any:
        (value,) = struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))
        return value

    def text(self) -> str:
        start = self.at
        while bytes(self.take(2)) != b"\0\0":
            if self.at - start > MOST_LETTERS:
                raise ToolboxError(f"A name at byte {start:,} does not end.")
        return bytes(self.content[start : self.at - 2]).decode("utf-16-le", "replace")

    def expect(self, word: str) -> None:
        found = self.text()
        if found != word:
            raise ToolboxError(
                f"Before byte {self.at:,} {word!r} should stand, but {found[:40]!r} does."
            )

    def count(self) -> int:
        count = int(self.number("Q"))
        if count > len(self.content) - self.at:
            raise ToolboxError(f"{count:,} entries are announced before byte {self.at:,}.")
        return count

    def shape(self) -> tuple[int, ...]:
        rank = self.number("I")
        if rank > MOST_AXES:
            raise ToolboxError(f"A shape of {rank:,} axes stands before byte {self.at:,}.")
        return tuple(self.number("I") for _ in range(rank))

    def truths(self) -> tuple[bool, ...]:
        return tuple(bool(byte) for byte in self.take(self.count()))

    def matrix(self) -> Array:
        if bytes(self.take(1)) != b"d":
            raise ToolboxError(f"The matrix before byte {self.at:,} is not a dense one.")
        self.expect("BMAT")
        item = self.number("Q")
        self.text()
        self.number("i")
        rows, columns = self.number("Q"), self.number("Q")
        if item not in (4, 8):
            raise ToolboxError(f"A matrix has numbers of {item} bytes.")
        found = np.frombuffer(self.take(rows * columns * item), f"<f{item}")
        self.expect("EMAT")
        return found


def _read_v1(content: bytes) -> CntkFile:
    stream = _Stream(content)
    stream.expect("BCN")
    stream.expect("BVersion")
    stream.version = int(stream.number("Q"))
    stream.expect("EVersion")
    count = stream.count()
    stream.expect("BNodeList")
    nodes: dict[str, CntkNode] = {}
    for number in range(count):
        if stream.version >= 7:
            stream.text()  # float or double
        op, name = stream.text(), stream.text()
        node = nodes[name] = CntkNode(op, name, name)
        if op in V1_FIELDS:
            V1_FIELDS[op](stream, node)
        elif op not in V1_PLAIN:
            raise ToolboxError(
                f"The operation {op!r} of {name!r} is not known, and the file does not tell where "
                f"it ends; {number} of {count} nodes before it were read."
            )
    stream.expect("ENodeList")
    stream.expect("BRelation")
    for _ in range(count):
        name = stream.text()
        nodes[name].inputs = tuple(stream.text() for _ in range(stream.count()))
    stream.expect("ERelation")
    stream.expect("BRootNodes")
    roots: dict[str, tuple[str, ...]] = {}
    while (word := stream.text()) != "ERootNodes":
        roots[word[1:]] = tuple(stream.text() for _ in range(stream.count()))
        stream.expect(f"E{word[1:]}")
    outputs = roots.get("OutputNodes") or ()
    if not outputs:
        raise ToolboxError("The file names no output.")
    return CntkFile(nodes=nodes, outputs=outputs, version=f"1, model version {stream.version}")


def _read_window(stream: _Stream, node: CntkNode) -> None:
    if stream.version < 5:
        raise ToolboxError(f"{node.op} of model version {stream.version} is not known.")
    fields = node.fields
    fields["kernel"], _, fields["strides"] = stream.shape(), stream.shape(), stream.shape()
    _, fields["auto"] = stream.truths(), stream.truths()
    fields["lower"], fields["upper"] = stream.shape(), stream.shape()
    fields["average"] = stream.number("i") == 2
    stream.number("i")
    stream.number("Q")
    fields["transpose"] = stream.version >= 9 and bool(stream.number("B"))
    if stream.version >= 20:
        stream.shape()
    fields["ceil"] = stream.version >= 21 and bool(stream.number("B"))
    fields["include_pad"] = stream.version >= 23 and bool(stream.number("B"))


def _read_convolution(stream: _Stream, node: CntkNode) -> None:
    _read_window(stream, node)
    stream.number("B")
    if stream.version >= 18:
        stream.shape()


def _read_batch_norm(stream: _Stream, node: CntkNode) -> None:
    stream.take(1 + 8 + 8 + 4)  # spatial, two time constants, layout
    stream.take(1 if stream.version == 19 else 8)
    node.fields["epsilon"] = stream.number("d")
    stream.take(1)
    # Older files keep 1 / sqrt(variance + epsilon).
    node.fields["inverse"] = stream.version < 13


def _read_parameter(stream: _Stream, node: CntkNode) -> None:
    if stream.version < 3:
        raise ToolboxError(f"Parameters of model version {stream.version} are not known.")
    stream.number("f")
    node.shape, node.value = stream.shape(), stream.matrix()


def _read_input(stream: _Stream, node: CntkNode) -> None:
    stream.take(16)
    node.shape = stream.shape()
    if stream.version >= 8 and stream.number("I") == 1:
        stream.text()
    if stream.version >= 10:
        stream.number("f")


def _read_times(stream: _Stream, node: CntkNode) -> None:
    node.fields["output_rank"] = stream.number("Q") if stream.version >= 3 else 1
    if stream.version >= 12:
        stream.number("i")


def _read_dropout(stream: _Stream, node: CntkNode) -> None:
    if stream.version >= 17:
        stream.take(16)


def _read_reshape(stream: _Stream, node: CntkNode) -> None:
    node.fields["begin"], node.fields["end"] = stream.number("i"), stream.number("i")
    node.fields["shape"] = stream.shape()


def _read_row_stack(stream: _Stream, node: CntkNode) -> None:
    node.fields["axis"] = stream.number("i") - 1


def _read_v2(content: bytes) -> CntkFile:
    found = _plain_dictionary(read_message(content, DICTIONARY))
    if found.get("type") != "CompositeFunction":
        raise ToolboxError("The dictionary holds no network (no CompositeFunction).")
    nodes: dict[str, CntkNode] = {}
    for variable in found.get("inputs", []):
        key = str(variable["uid"])
        shape = tuple(variable.get("shape", ()))
        kind = "Input" if variable.get("kind") == 0 else "Parameter"
        node = CntkNode(kind, str(variable.get("name") or key), key, (), {}, shape)
        node.value = variable.get("value")
        nodes[key] = node
    functions = {str(f["uid"]): f for f in found.get("primitive_functions", [])}
    aliases: dict[str, str] = {}
    for key, function in functions.items():
        _add_function(nodes, aliases, key, function)
    for node in nodes.values():
        node.inputs = tuple(_resolve(name, aliases) for name in node.inputs)
    root = nodes[_resolve(f"{found['root']}_Output_0", aliases)]
    while root.op == "Combine":
        useful = [key for key in root.inputs if nodes[key].op not in CRITERIA]
        if not useful:
            raise ToolboxError("The network ends in a loss alone.")
        root = nodes[useful[0]]
    return CntkFile(nodes=nodes, outputs=(root.key,), version="2")


def _add_function(
    nodes: dict[str, CntkNode], aliases: dict[str, str], key: str, function: dict[str, Any]
) -> None:
    code = function.get("op", -1)
    output = f"{key}_Output_0"
    if code == BLOCK:
        inner = function["block_function_composite"]["root"]
        aliases[output] = f"{inner}_Output_0"
        places = function.get("block_function_composite_arguments_map_keys", [])
        values = function.get("block_function_composite_arguments_map_values", [])
        aliases.update(dict(zip(places, values, strict=True)))
        # The block's own name tells a reader more than that of the step within.
        name = str(function.get("name") or "")
        node = CntkNode("Pass", name or key, f"{key}:name", (output,))
        if name:
            nodes[node.key] = node
        return
    op = V2_OPERATIONS.get(code)
    if op is None:
        raise ToolboxError(
            f"The operation {code} of {function.get('name') or key!r} is not known; "
            f"{len(nodes)} nodes before it are."
        )
    given = function.get("attributes", {})
    fields = {ours: given[theirs] for theirs, ours in V2_FIELDS.items() if theirs in given}
    fields["average"] = given.get("poolingType") == 1
    nodes[output] = CntkNode(
        op, str(function.get("name") or key), output, tuple(function.get("inputs", ())), fields
    )


def _resolve(name: str, aliases: dict[str, str]) -> str:
    for _ in range(MOST_BLOCKS):
        if name not in aliases:
            return name
        name = aliases[name]
    raise ToolboxError(f"The block that gives {name!r} gives itself.")


def _plain_dictionary(message: Message) -> dict[str, Any]:
    return {
        entry["key"][0]: _plain_value(entry["value"][0])
        for entry in message.get("entries", [])
        if "key" in entry and "value" in entry
    }


def _plain_value(message: Message) -> Any:
    kind = V2_KINDS.get(message["type"][0], "")
    value = message.get(kind, [None])[0]
    if kind == "truth":
        return bool(value)
    if kind == "shape":
        return tuple(int(length) for length in (value or {}).get("dims", ()))
    if kind == "axis":
        return (value or {}).get("static", [0])[0]
    if kind == "vector":
        return [_plain_value(item) for item in (value or {}).get("values", [])]
    if kind == "dictionary":
        return _plain_dictionary(value or {})
    if kind == "array":
        return _plain_array(value or {})
    return value


def _plain_array(message: Message) -> Array:
    numbers = message.get("floats") or message.get("doubles")
    if message.get("storage", [0])[0] or not numbers:
        raise ToolboxError("An array is not a dense one of floats or doubles.")
    return np.asarray(numbers[0]["values"])


V1_MAGIC = "BCN\0".encode("utf-16-le")
MOST_LETTERS, MOST_AXES, MOST_BLOCKS = 20_000, 16, 100
BLOCK = 57
CRITERIA = ("CrossEntropyWithSoftmax", "ClassificationError", "SquaredError")
V1_FIELDS: dict[str, Callable[[_Stream, CntkNode], None]] = {
    "Convolution": _read_convolution,
    "Pooling": _read_window,
    "BatchNormalization": _read_batch_norm,
    "LearnableParameter": _read_parameter,
    "InputValue": _read_input,
    "Times": _read_times,
    "Dropout": _read_dropout,
    "Reshape": _read_reshape,
    "RowStack": _read_row_stack,
}
V1_PLAIN = (
    "Plus Minus ElementTimes RectifiedLinear Sigmoid Tanh Softmax LogSoftmax Log Exp Negate Pass "
    "CrossEntropyWithSoftmax ClassificationError ErrorPrediction SquareError Abs Sqrt"
).split()
V2_OPERATIONS = {
    0: "Negate",
    1: "Sigmoid",
    2: "Tanh",
    3: "RectifiedLinear",
    4: "Exp",
    5: "Log",
    6: "Sqrt",
    8: "Abs",
    9: "Reciprocal",
    10: "Softmax",
    15: "Dropout",
    16: "Reshape",
    17: "Pooling",
    19: "Plus",
    20: "Minus",
    21: "ElementTimes",
    31: "Times",
    33: "Convolution",
    34: "SquaredError",
    35: "CrossEntropyWithSoftmax",
    36: "ClassificationError",
    40: "BatchNormalization",
    43: "Splice",
    44: "Combine",
    51: "LogSoftmax",
    56: "Pass",
    62: "Pass",
    64: "Pass",
    65: "ELU",
}
V2_FIELDS = {
    "strides": "strides",
    "autoPadding": "auto",
    "lowerPad": "lower",
    "upperPad": "upper",
    "transpose": "transpose",
    "poolingWindowShape": "kernel",
    "ceilOutDim": "ceil",
    "includePad": "include_pad",
    "epsilon": "epsilon",
    "newShape": "shape",
    "axis": "axis",
    "outputRank": "output_rank",
}
V2_KINDS = {1: "truth", 2: "integer", 3: "size", 4: "float", 5: "double", 6: "text", 7: "shape"}
V2_KINDS |= {8: "axis", 9: "vector", 10: "dictionary", 11: "array"}
_SHAPE = {1: ("dims", "ints")}
_ARRAY = {
    1: ("type", "int"),
    2: ("storage", "int"),
    3: ("shape", _SHAPE),
    4: ("floats", {1: ("values", "floats")}),
    5: ("doubles", {1: ("values", "doubles")}),
}
DICTIONARY: dict[int, tuple[str, Any]] = {}
_VALUE: dict[int, tuple[str, Any]] = {
    2: ("type", "int"),
    3: ("truth", "int"),
    4: ("integer", "int"),
    5: ("size", "int"),
    6: ("float", "float"),
    7: ("double", "double"),
    8: ("text", "text"),
    9: ("shape", _SHAPE),
    10: ("axis", {1: ("static", "int")}),
    12: ("dictionary", DICTIONARY),
    13: ("array", _ARRAY),
}
_VALUE[11] = ("vector", {1: ("values", _VALUE)})
DICTIONARY[2] = ("entries", {1: ("key", "text"), 2: ("value", _VALUE)})
