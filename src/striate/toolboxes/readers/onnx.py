"""ONNX, opset 7 to 23: a graph and its weights in one message of Protocol Buffers.

Maps are N x C x H x W and kernels as torch's; what differs is turned by a rule an operation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import (
    BINARY,
    ELEMENTWISE,
    Array,
    Graph,
    GraphInput,
    InputScaling,
    Node,
    ToolboxError,
)
from striate.toolboxes.wire.protobuf import DAMAGED, looks_like_message, read_message


class _Step:
    """A node of the file with what a rule asks of it."""

    def __init__(self, message: dict[str, Any], opset: int, known: Mapping[str, Array]) -> None:
        self.op = _first(message, "op_type", "")
        self.inputs = [str(name) for name in message.get("input", [])]
        self.outputs = [str(name) for name in message.get("output", [])]
        self.name = _first(message, "name", "") or (self.outputs[0] if self.outputs else self.op)
        self.domain = _first(message, "domain", "")
        self.opset = opset
        self.known = known
        self.attributes = {
            _first(attribute, "name", ""): _attribute_value(attribute)
            for attribute in message.get("attribute", [])
        }
        self.extra: dict[str, Array] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what stands for it where it is left out."""
        return self.attributes.get(name, default)

    def constant(self, place: int, default: Any = None) -> Any:
        """The constant that an input is; the default where it is left out; None if it is none."""
        if place >= len(self.inputs) or not self.inputs[place]:
            return default
        return self.known.get(self.inputs[place])

    def has(self, place: int) -> bool:
        """Whether an input is given."""
        return place < len(self.inputs) and bool(self.inputs[place])

    def add_constant(self, name: str, array: Array) -> str:
        """A tensor of the rule's own; gives the name under which it is read."""
        full = f"{self.name}:{name}"
        self.extra[full] = array
        return full

    def node(
        self,
        op: str,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
        name: str = "",
        **attributes: Any,
    ) -> Node:
        """The node that takes this one's place; its own inputs and first output by default."""
        return Node(
            op=op,
            name=name or self.name,
            inputs=tuple(self.inputs if inputs is None else inputs),
            outputs=tuple(self.outputs[:1] if outputs is None else outputs),
            attributes=attributes,
        )

    def refuse(self, why: str) -> ToolboxError:
        """The error that says why this node cannot be read."""
        return ToolboxError(f"Layer {self.name!r} ({self.op}) cannot be read: {why}.")


def _read(files: Sequence[GivenFile]) -> Graph:
    if len(files) != 1:
        raise ToolboxError("One file is a whole network here.", "Name it alone.")
    model = read_message(files[0].read(), MODEL)
    graph = _first(model, "graph", None)
    if graph is None or not graph.get("node"):
        raise ToolboxError("It holds no graph.", DAMAGED)
    opset = _check_opsets(model)
    tensors = {
        _first(message, "name", ""): _read_tensor(message)
        for message in graph.get("initializer", [])
    }
    nodes, tensors = _read_nodes(graph["node"], tensors, opset)
    inputs = [_read_input(value) for value in graph.get("input", [])]
    inputs = [given for given in inputs if given.name not in tensors]
    outputs = tuple(_first(value, "name", "") for value in graph.get("output", []))
    if not inputs or not outputs:
        raise ToolboxError("Its graph has no inputs or no outputs.", DAMAGED)
    layers: dict[str, str] = {}
    for message in graph["node"]:
        for value in message.get("output", []):
            layers.setdefault(value, value)
        if message.get("name") and message.get("output"):
            layers.setdefault(message["name"][0], message["output"][0])
    producer = f"{_first(model, 'producer', '')} {_first(model, 'producer_version', '')}".strip()
    return Graph(
        nodes=tuple(nodes),
        tensors=tensors,
        inputs=tuple(inputs),
        outputs=outputs,
        toolbox="ONNX",
        version=f"opset {opset}" + (f", {producer}" if producer else ""),
        preprocessing=InputScaling(known=False),
        layers=layers,
    )


def _check_opsets(model: dict[str, Any]) -> int:
    opset = 0
    for entry in model.get("opset_import", []):
        if _first(entry, "domain", "") in ("", "ai.onnx"):
            opset = int(_first(entry, "version", 0))
    if not opset:
        opset = 1 if "opset_import" not in model else 7
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise ToolboxError(
            f"It is of opset {opset}, and those from {OPSETS[0]} to {OPSETS[1]} are known.",
            "Convert it with onnx.version_converter.",
        )
    return opset


def _read_nodes(
    messages: Sequence[dict[str, Any]], tensors: dict[str, Array], opset: int
) -> tuple[list[Node], dict[str, Array]]:
    nodes: list[Node] = []
    unknown: list[_Step] = []
    for message in messages:
        step = _Step(message, opset, tensors)
        if step.op == "Constant":
            tensors[step.outputs[0]] = _constant_array(step)
            continue
        if step.domain not in ("", "ai.onnx") or step.op not in RULES:
            unknown.append(step)
            continue
        made = RULES[step.op](step)
        tensors.update(step.extra)
        nodes += made if isinstance(made, list) else [made]
    if unknown:
        first = unknown[0]
        kinds = sorted({f"{s.domain}.{s.op}".lstrip(".") for s in unknown})
        raise ToolboxError(
            f"Layer {first.name!r} is a {kinds[0] if len(kinds) == 1 else first.op}, which is not "
            f"known; {len(messages) - len(unknown)} of {len(messages)} layers were understood"
            + (f" (others not known: {', '.join(kinds)})." if len(kinds) > 1 else "."),
        )
    return nodes, tensors


def _read_input(message: dict[str, Any]) -> GraphInput:
    kind = _first(message, "type", {})
    shape = _first(_first(kind, "tensor_type", {}), "shape", {})
    lengths = tuple(_dimension(dim) for dim in shape.get("dim", []))
    layout = ""
    if len(lengths) == 4:
        last, second = lengths[3], lengths[1]
        layout = "NHWC" if last in CHANNELS and second not in CHANNELS else "NCHW"
    return GraphInput(name=_first(message, "name", ""), shape=lengths, layout=layout)


def _dimension(message: dict[str, Any]) -> int | None:
    value = _first(message, "value", 0)
    return int(value) if value and value > 0 else None


def _read_tensor(message: dict[str, Any]) -> Array:
    name = _first(message, "name", "")
    if message.get("external_data") or _first(message, "location", 0) == 1:
        raise ToolboxError(
            f"The tensor {name!r} lies in another file, and no path in a file is followed.",
            "Save the model in one file: onnx.save(model, FILE).",
        )
    code = int(_first(message, "data_type", 0))
    if code not in TYPES:
        raise ToolboxError(f"The tensor {name!r} is of type {code}, which is not known.")
    shape = tuple(int(length) for length in message.get("dims", []))
    count = math.prod(shape)
    if any(length < 0 for length in shape):
        raise ToolboxError(f"The tensor {name!r} has the shape {shape}.", DAMAGED)
    raw = message.get("raw")
    if raw:
        kind = np.dtype(TYPES[code])
        found = np.frombuffer(raw[0], np.uint16 if code == BFLOAT16 else kind)
    else:
        found = _typed_data(message, code)
    if len(found) != count:
        raise ToolboxError(
            f"The tensor {name!r} should have {count:,} numbers and has {len(found):,}.", DAMAGED
        )
    if code == BFLOAT16:
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found.reshape(shape)


def _typed_data(message: dict[str, Any], code: int) -> Array:
    """Numbers that stand in a field of their type instead of as raw bytes."""
    for name in ("floats", "doubles", "longs", "ulongs", "ints"):
        if name in message and len(message[name]):
            found: Array = message[name]
            if name == "ints" and code in (10, BFLOAT16):  # bits of half a float
                bits = found.astype(np.uint16)
                return bits if code == BFLOAT16 else bits.view(np.float16)
            return found.astype(TYPES[code])
    return np.zeros(0, TYPES[code])


def _attribute_value(message: dict[str, Any]) -> Any:
    for name in ("tensor", "ints", "floats", "texts"):
        if name in message and len(message[name]):
            if name == "tensor":
                return _read_tensor(message[name][0])
            return [
                bytes(each).decode("utf-8", "replace") if name == "texts" else each.item()
                for each in message[name]
            ]
    if "text" in message:
        return bytes(message["text"][0]).decode("utf-8", "replace")
    kind = _first(message, "type", 0)
    if kind in (6, 7, 8):
        return []
    if kind == 3:
        return ""
    return _first(message, "float", 0.0) if kind == 1 else _first(message, "int", 0)


def _constant_array(step: _Step) -> Array:
    for name, kind in (
        ("value", None),
        ("value_float", np.float32),
        ("value_int", np.int64),
        ("value_floats", np.float32),
        ("value_ints", np.int64),
    ):
        if name in step.attributes:
            return np.asarray(step.attributes[name], dtype=kind)
    raise step.refuse("it holds no numbers")


def _first(message: Mapping[str, Any], name: str, default: Any) -> Any:
    """The last of a field's values, which Protocol Buffers let count where one is meant."""
    values = message.get(name)
    return values[-1] if values is not None and len(values) else default


# Rules: one for each operation -------------------------------------------------------------------


def _plain(op: str, **fixed: Any) -> Callable[[_Step], Node]:
    return lambda step: step.node(op, **fixed)


def _with(op: str, **names: tuple[str, Any]) -> Callable[[_Step], Node]:
    """A rule that takes attributes over: ours=(theirs, their default)."""
    return lambda step: step.node(op, **{k: step.get(*v) for k, v in names.items()})


def _window(step: _Step, kernel: Sequence[int]) -> dict[str, Any]:
    """Strides, dilations and pads (left, right, top, bottom)."""
    if len(kernel) != 2:
        raise step.refuse(f"its window has {len(kernel)} axes, and images have 2")
    stride = tuple(step.get("strides") or (1, 1))
    dilation = tuple(step.get("dilations") or (1, 1))
    pads = step.get("pads") or (0, 0, 0, 0)
    top, left, bottom, right = pads
    return {"stride": stride, "dilation": dilation, "pads": (left, right, top, bottom)}


def _conv(step: _Step) -> Node:
    kernel = step.get("kernel_shape") or _weight_shape(step)[2:]
    window = _window(step, kernel)
    window["pads"] = _same_pads(step, kernel, window)
    return step.node("conv", **window, groups=int(step.get("group", 1)))


def _weight_shape(step: _Step) -> tuple[int, ...]:
    weight = step.constant(1)
    if weight is None:
        raise step.refuse("its weight is no constant and names no kernel_shape")
    return tuple(weight.shape)


def _same_pads(step: _Step, kernel: Sequence[int], window: dict[str, Any]) -> Any:
    """The pads of a window; of SAME a word that the node works out from the map's size."""
    kind = step.get("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        return kind.lower()
    return (0, 0, 0, 0) if kind == "VALID" else window["pads"]


def _conv_transpose(step: _Step) -> Node:
    kernel = step.get("kernel_shape") or _weight_shape(step)[2:]
    window = _window(step, kernel)
    extra = tuple(step.get("output_padding") or (0, 0))
    if step.get("output_shape") or step.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise step.refuse("it leaves its pads to be worked out")
    return step.node(
        "conv_transpose", **window, groups=int(step.get("group", 1)), output_padding=extra
    )


def _pool(op: str) -> Callable[[_Step], Node]:
    def rule(step: _Step) -> Node:
        kernel = tuple(step.get("kernel_shape") or ())
        window = _window(step, kernel)
        window["pads"] = _same_pads(step, kernel, window)
        if len(step.outputs) > 1 and step.outputs[1]:
            raise step.refuse("it gives places of maxima")
        more: dict[str, Any] = {"ceil_mode": bool(step.get("ceil_mode", 0))}
        if op == "avg_pool":
            more["count_include_pad"] = bool(step.get("count_include_pad", 0))
        return step.node(op, kernel=kernel, **window, **more)

    return rule


def _gemm(step: _Step) -> list[Node]:
    alpha, beta = float(step.get("alpha", 1.0)), float(step.get("beta", 1.0))
    a, b = step.inputs[:2]
    nodes: list[Node] = []
    if step.get("transA", 0):
        nodes.append(step.node("permute", [a], [f"{step.name}:a"], f"{step.name}:a", axes=(1, 0)))
        a = f"{step.name}:a"
    weight = step.constant(1)
    bias = step.constant(2, np.zeros(0))
    if weight is not None and bias is not None and bias.ndim <= 1:
        matrix = weight if step.get("transB", 0) else weight.T
        inputs = [a, b]
        if alpha != 1.0 or not step.get("transB", 0):
            inputs[1] = step.add_constant("weight", np.ascontiguousarray(matrix * alpha))
        if bias.size:
            full = np.broadcast_to(bias * beta, (matrix.shape[0],))
            plain = beta == 1.0 and full.shape == bias.shape
            inputs.append(
                step.inputs[2] if plain else step.add_constant("bias", np.ascontiguousarray(full))
            )
        return [*nodes, step.node("linear", inputs)]
    if step.get("transB", 0):
        nodes.append(step.node("permute", [b], [f"{step.name}:b"], f"{step.name}:b", axes=(1, 0)))
        b = f"{step.name}:b"
    value = step.outputs[0]
    parts = [("matmul", [a, b])]
    if alpha != 1.0:
        parts.append(("mul", ["", step.add_constant("alpha", np.array(alpha, np.float32))]))
    if step.has(2):
        c = step.inputs[2]
        if beta != 1.0:
            nodes.append(
                step.node(
                    "mul",
                    [c, step.add_constant("beta", np.array(beta, np.float32))],
                    [f"{step.name}:c"],
                    f"{step.name}:c",
                )
            )
            c = f"{step.name}:c"
        parts.append(("add", ["", c]))
    for k, (op, inputs) in enumerate(parts):
        last = k == len(parts) - 1
        given = [name or f"{step.name}:{k - 1}" for name in inputs]
        out = value if last else f"{step.name}:{k}"
        nodes.append(step.node(op, given, [out], step.name if last else out))
    return nodes


def _batch_norm(step: _Step) -> Node:
    if step.get("training_mode", 0):
        raise step.refuse("it is in training mode, so what it gives depends on the batch")
    if not step.get("spatial", 1):
        raise step.refuse("it normalises every pixel by itself (spatial=0)")
    return step.node("batch_norm", step.inputs[:5], epsilon=float(step.get("epsilon", 1e-5)))


def _softmax(op: str) -> Callable[[_Step], Node]:
    def rule(step: _Step) -> Node:
        old = step.opset < 13  # then all axes from `axis` on were taken together
        return step.node(op, axis=int(step.get("axis", 1 if old else -1)), flatten=old)

    return rule


def _clip(step: _Step) -> Node:
    if "min" in step.attributes or "max" in step.attributes:
        return step.node("clip", low=step.get("min"), high=step.get("max"))
    return step.node("clip")


def _axes_rule(op: str) -> Callable[[_Step], Node]:
    return lambda step: step.node(op, axes=_tuple_or_none(step.get("axes")))


def _tuple_or_none(numbers: Any) -> tuple[int, ...] | None:
    return None if numbers is None else tuple(int(number) for number in numbers)


def _reduce(mode: str) -> Callable[[_Step], Node]:
    def rule(step: _Step) -> Node:
        keep = bool(step.get("keepdims", 1))
        if step.get("noop_with_empty_axes", 0) and not step.has(1):
            return step.node("identity", step.inputs[:1])
        return step.node("reduce", mode=mode, axes=_tuple_or_none(step.get("axes")), keepdims=keep)

    return rule


def _reshape(step: _Step) -> Node:
    shape = _tuple_or_none(step.get("shape"))
    return step.node("reshape", shape=shape, zero_copies=not step.get("allowzero", 0))


def _slice(step: _Step) -> Node:
    if "starts" not in step.attributes:
        return step.node("slice")
    starts = step.get("starts")
    axes = step.get("axes") or range(len(starts))
    return step.node("slice", starts=tuple(starts), ends=tuple(step.get("ends")), axes=tuple(axes))


def _pad(step: _Step) -> Node:
    mode = step.get("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        raise step.refuse(f"its mode {mode!r} is not known")
    flat = step.get("pads")
    if flat is None:
        return step.node("pad", mode=mode)
    half = len(flat) // 2
    pairs = tuple(zip(flat[:half], flat[half:], strict=True))
    return step.node("pad", pads=pairs, mode=mode, value=float(step.get("value", 0.0)))


def _resize(step: _Step) -> Node:
    mode = step.get("mode", "nearest")
    asked = step.get("coordinate_transformation_mode", "half_pixel")
    if step.op == "Upsample" or step.opset < 11:
        asked = "asymmetric"
        inputs = [step.inputs[0], "", *step.inputs[1:2]]
        scales = step.get("scales")
        fixed = None if scales is None else tuple(float(scale) for scale in scales)
        return step.node("resize", inputs, mode=mode, scales=fixed, coordinates=asked)
    if asked == "pytorch_half_pixel":
        asked = "half_pixel"
    if asked not in ("half_pixel", "align_corners", "asymmetric") or step.get("antialias", 0):
        raise step.refuse(f"its coordinates {asked!r} are not known")
    if mode == "nearest" and (asked, step.get("nearest_mode", "round_prefer_floor")) not in (
        ("asymmetric", "floor"),
        ("half_pixel", "round_prefer_floor"),
    ):
        raise step.refuse(f"its nearest_mode with {asked} coordinates is not known")
    if mode == "cubic" and step.get("cubic_coeff_a", -0.75) != -0.75:
        raise step.refuse("its cubic coefficient is not -0.75")
    scales = step.inputs[2] if step.has(2) else ""
    size = step.inputs[3] if step.has(3) else ""
    return step.node("resize", [step.inputs[0], size, scales], mode=mode, coordinates=asked)


def _shape(step: _Step) -> list[Node]:
    begin, end = step.get("start", 0), step.get("end")
    if not begin and end is None:
        return [step.node("shape")]
    whole = f"{step.name}:whole"
    cut = step.node(
        "slice", [whole], starts=(begin,), ends=(2**31 - 1 if end is None else end,), axes=(0,)
    )
    return [step.node("shape", outputs=[whole], name=whole), cut]


def _split(step: _Step) -> Node:
    sizes = _tuple_or_none(step.get("split"))
    return step.node("split", outputs=step.outputs, axis=int(step.get("axis", 0)), sizes=sizes)


def _cast(step: _Step) -> Node:
    code = int(step.get("to", 1))
    if code not in TORCH_TYPES:
        raise step.refuse(f"it casts to type {code}")
    return step.node("cast", type=TORCH_TYPES[code])


def _constant_of_shape(step: _Step) -> Node:
    value = np.asarray(step.get("value", np.zeros(1, np.float32))).reshape(-1)
    return step.node("constant_of_shape", value=value[0].item(), type=str(value.dtype))


def _quantize(step: _Step) -> Node:
    zero = step.constant(2)
    kind = np.dtype(np.uint8) if zero is None else zero.dtype
    limits = np.iinfo(kind)
    return step.node(
        "quantize", axis=int(step.get("axis", 1)), low=int(limits.min), high=int(limits.max)
    )


def _fold(op: str) -> Callable[[_Step], list[Node]]:
    """An operation of two for one of many inputs, one after another."""

    def rule(step: _Step) -> list[Node]:
        value = step.inputs[0]
        if len(step.inputs) == 1:
            return [step.node("identity")]
        nodes = []
        for k, name in enumerate(step.inputs[1:]):
            last = k == len(step.inputs) - 2
            out = step.outputs[0] if last else f"{step.name}:{k}"
            nodes.append(step.node(op, [value, name], [out], step.name if last else out))
            value = out
        return nodes

    return rule


def _mean(step: _Step) -> list[Node]:
    total = f"{step.name}:total"
    nodes = _fold("add")(step)
    last = nodes[-1]
    nodes[-1] = Node(op=last.op, name=total, inputs=last.inputs, outputs=(total,))
    count = step.add_constant("count", np.array(len(step.inputs), np.float32))
    return [*nodes, step.node("div", [total, count])]


def _broadcast_old(op: str) -> Callable[[_Step], Node]:
    return lambda step: step.node(op, step.inputs[:2])


OPSETS = (1, 26)
BFLOAT16 = 16
CHANNELS = (1, 2, 3, 4)
TYPES: dict[int, str] = {
    1: "<f4",
    2: "u1",
    3: "i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "?",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
    16: "<f4",
}
TORCH_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float32",
    11: "float32",
    16: "float32",
}

TENSOR = {
    1: ("dims", "ints"),
    2: ("data_type", "int"),
    4: ("floats", "floats"),
    5: ("ints", "ints"),
    7: ("longs", "ints"),
    8: ("name", "text"),
    9: ("raw", "bytes"),
    10: ("doubles", "doubles"),
    11: ("ulongs", "ints"),
    13: ("external_data", "bytes"),
    14: ("location", "int"),
}
ATTRIBUTE = {
    1: ("name", "text"),
    2: ("float", "float"),
    3: ("int", "int"),
    4: ("text", "bytes"),
    5: ("tensor", TENSOR),
    7: ("floats", "floats"),
    8: ("ints", "ints"),
    9: ("texts", "bytes"),
    20: ("type", "int"),
}
VALUE = {
    1: ("name", "text"),
    2: (
        "type",
        {
            1: (
                "tensor_type",
                {1: ("type", "int"), 2: ("shape", {1: ("dim", {1: ("value", "int")})})},
            )
        },
    ),
}
NODE = {
    1: ("input", "text"),
    2: ("output", "text"),
    3: ("name", "text"),
    4: ("op_type", "text"),
    5: ("attribute", ATTRIBUTE),
    7: ("domain", "text"),
}
MODEL = {
    1: ("ir_version", "int"),
    2: ("producer", "text"),
    3: ("producer_version", "text"),
    7: (
        "graph",
        {
            1: ("node", NODE),
            2: ("name", "text"),
            5: ("initializer", TENSOR),
            11: ("input", VALUE),
            12: ("output", VALUE),
        },
    ),
    8: ("opset_import", {1: ("domain", "text"), 2: ("version", "int")}),
}

SAME_NAMES = {
    "Reciprocal": "reciprocal",
    "Not": "logical_not",
    "GreaterOrEqual": "greater_equal",
    "LessOrEqual": "less_equal",
    "And": "logical_and",
    "Or": "logical_or",
}
RULES: dict[str, Callable[[_Step], Node | list[Node]]] = {
    **{op.capitalize(): _plain(op) for op in ELEMENTWISE if "_" not in op},
    **{
        op.capitalize(): _broadcast_old(op)
        for op in BINARY
        if "_" not in op and op not in ("maximum", "minimum")
    },
    **{theirs: _plain(ours) for theirs, ours in SAME_NAMES.items()},
    "Max": _fold("maximum"),
    "Min": _fold("minimum"),
    "Sum": _fold("add"),
    "Mean": _mean,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _plain("matmul"),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _with("instance_norm", epsilon=("epsilon", 1e-5)),
    "LayerNormalization": _with("layer_norm", axis=("axis", -1), epsilon=("epsilon", 1e-5)),
    "GroupNormalization": _with("group_norm", groups=("num_groups", 1), epsilon=("epsilon", 1e-5)),
    "LRN": _with(
        "lrn",
        size=("size", 1),
        alpha=("alpha", 1e-4),
        beta=("beta", 0.75),
        k=("bias", 1.0),
    ),
    "LpNormalization": lambda step: step.node(
        "normalize", axes=(int(step.get("axis", -1)),), p=float(step.get("p", 2))
    ),
    "MaxPool": _pool("max_pool"),
    "AveragePool": _pool("avg_pool"),
    "GlobalAveragePool": _plain("reduce", mode="mean", axes=(2, 3)),
    "GlobalMaxPool": _plain("reduce", mode="max", axes=(2, 3)),
    "LeakyRelu": _with("leaky_relu", slope=("alpha", 0.01)),
    "PRelu": _plain("prelu"),
    "Elu": _with("elu", alpha=("alpha", 1.0)),
    "Celu": _with("celu", alpha=("alpha", 1.0)),
    "Selu": _with(
        "selu",
        alpha=("alpha", 1.6732631921768188),
        gamma=("gamma", 1.0507010221481323),
    ),
    "Gelu": _with("gelu", approximate=("approximate", "none")),
    "Softplus": _plain("softplus"),
    "HardSigmoid": _with("hard_sigmoid", alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "HardSwish": _plain("hard_swish"),
    "ThresholdedRelu": _with("threshold", alpha=("alpha", 1.0)),
    "Clip": _clip,
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "Dropout": lambda step: step.node("dropout", step.inputs[:1]),
    "Where": _plain("where"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("max"),
    "ReduceMin": _reduce("min"),
    "ReduceProd": _reduce("prod"),
    "ReduceL1": _reduce("l1"),
    "ReduceL2": _reduce("l2"),
    "ReduceLogSumExp": _reduce("logsumexp"),
    "ArgMax": lambda step: step.node(
        "argmax", axis=int(step.get("axis", 0)), keepdims=bool(step.get("keepdims", 1))
    ),
    "Flatten": _with("flatten", axis=("axis", 1)),
    "Reshape": _reshape,
    "Transpose": lambda step: step.node("permute", axes=_tuple_or_none(step.get("perm"))),
    "Squeeze": _axes_rule("squeeze"),
    "Unsqueeze": _axes_rule("unsqueeze"),
    "Concat": _with("concat", axis=("axis", 1)),
    "Split": _split,
    "Slice": _slice,
    "Gather": _with("gather", axis=("axis", 0)),
    "Expand": _plain("expand"),
    "Tile": _plain("tile"),
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "DepthToSpace": _with("depth_to_space", block=("blocksize", 1), mode=("mode", "DCR")),
    "SpaceToDepth": _with("space_to_depth", block=("blocksize", 1)),
    "Shape": _shape,
    "Cast": _cast,
    "ConstantOfShape": _constant_of_shape,
    "Range": _plain("range"),
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _with("dequantize", axis=("axis", 1)),
}


def _detect(files: Sequence[GivenFile]) -> int:
    if files[0].ending != ".onnx":
        return 0
    return 2 if looks_like_message(files[0].head, range(1, 26)) else 1


TOOLBOX = Toolbox(name="ONNX", endings=(".onnx",), detect=_detect, read=_read)
