"""Apache MXNet: a symbol in JSON and parameters in lists of arrays, in all four of their headers.

Kernels and maps are as torch's. A missing attribute has MXNet's default, among them that a batch
normalisation leaves its gamma out.
"""

import ast
import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import (
    BINARY,
    WEIGHTS_HINT,
    Array,
    Graph,
    GraphInput,
    InputScaling,
    Node,
    ToolboxError,
)

Settings = dict[str, Any]


def _read(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    symbols = [file for file in files if file.ending == ".json"]
    parameters = [file for file in files if file.ending != ".json"]
    if len(symbols) > 1 or len(parameters) > 1:
        raise ToolboxError("A network is one symbol and one file of parameters.", WEIGHTS_HINT)
    if not parameters:
        found = _beside_symbol(symbols[0].path)
        if found is None:
            raise ToolboxError("A symbol alone has no weights.", WEIGHTS_HINT)
        parameters = [found]
    tensors = _read_parameters(parameters[0].read())
    if not symbols:
        other = _symbol_of(parameters[0].path)
        if other is None:
            plain = {name.split(":", 1)[-1]: array for name, array in tensors.items()}
            return NamedTensors(tensors=plain, toolbox="MXNet")
        symbols = [other]
    try:
        symbol = json.loads(symbols[0].read())
    except (ValueError, RecursionError) as error:
        raise ToolboxError(f"{symbols[0].path} is no JSON.", WEIGHTS_HINT) from error
    return _Assembly(symbol, tensors).graph()


def _beside_symbol(path: Path) -> GivenFile | None:
    stem = path.name.removesuffix("-symbol.json")
    found = sorted(path.parent.glob(f"{_escaped(stem)}-[0-9][0-9][0-9][0-9].params"))
    return _given(found[-1]) if found else None


def _symbol_of(path: Path) -> GivenFile | None:
    stem = re.sub(r"-\d{4}$", "", path.stem)
    other = path.with_name(f"{stem}-symbol.json")
    return _given(other) if other.is_file() else None


def _given(path: Path) -> GivenFile:
    return GivenFile(path=path, head=b"", size=path.stat().st_size)


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


# Parameters --------------------------------------------------------------------------------------


class _Bytes:
    """Bytes read one after another, never beyond their end."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, form: str) -> Any:
        size = struct.calcsize(form)
        if size > len(self.content) - self.at:
            raise ToolboxError(
                f"The file ends at byte {len(self.content):,} in the middle of an array.",
                "Take a copy that is whole.",
            )
        values = struct.unpack_from(form, self.content, self.at)
        self.at += size
        return values[0] if len(values) == 1 else values

    def raw(self, size: int) -> bytes:
        if size < 0 or size > len(self.content) - self.at:
            raise ToolboxError(
                f"At byte {self.at:,} {size:,} bytes are announced; "
                f"{len(self.content) - self.at:,} are left.",
                "Take a copy that is whole.",
            )
        self.at += size
        return self.content[self.at - size : self.at]


def _read_parameters(content: bytes) -> dict[str, Array]:
    stream = _Bytes(content)
    if stream.take("<Q") != LIST_MAGIC:
        raise ToolboxError("It does not begin as a list of arrays does.", WEIGHTS_HINT)
    stream.take("<Q")
    count = stream.take("<Q")
    if count > len(content) // 8:
        raise ToolboxError(f"It announces {count:,} arrays, more than it has room for.")
    arrays = [_read_array(stream) for _ in range(count)]
    names = stream.take("<Q")
    if names not in (0, count):
        raise ToolboxError(
            f"It has {count} arrays and {names} names.", "Take a copy that is whole."
        )
    found: dict[str, Array] = {}
    for number, array in enumerate(arrays):
        name = f"arr_{number}"
        if names:
            name = stream.raw(stream.take("<Q")).decode("utf-8", "replace")
        found[name] = array
    return found


def _read_array(stream: _Bytes) -> Array:
    """An array by its header: V2 and V3 name a storage type, V1 does not, the oldest has none."""
    magic = stream.take("<I")
    if magic in (V2, V3):
        storage = stream.take("<i")
        if storage != 0:
            raise ToolboxError(f"An array of storage type {storage} (sparse) is not read.")
        rank, kind = stream.take("<i"), "q"
    elif magic == V1:
        rank, kind = stream.take("<i"), "q"
    else:
        rank, kind = magic, "I"  # the first word is how many axes there are
    if not 0 <= rank <= 32:
        raise ToolboxError(f"An array has {rank} axes.", "Take a copy that is whole.")
    shape = [stream.take(f"<{kind}") for _ in range(rank)]
    if not rank and magic != V3:
        return np.zeros(0, np.float32)
    stream.take("<ii")
    code = stream.take("<i")
    if code not in TYPES or min(shape, default=0) < 0:
        raise ToolboxError(f"An array of shape {shape} and type {code} is not known.")
    number = np.dtype(TYPES[code])
    content = stream.raw(math.prod(shape) * number.itemsize)
    return np.frombuffer(content, number).reshape(shape)


LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8", 7: "?"}


# The symbol --------------------------------------------------------------------------------------


class _Step:
    """A node of the symbol: settings as values, inputs as names."""

    def __init__(
        self, op: str, name: str, settings: Settings, inputs: list[str], tensors: dict[str, Array]
    ) -> None:
        self.op, self.name, self.settings, self.inputs = op, name, settings, inputs
        self.tensors = tensors
        self.nodes: list[Node] = []
        self.outputs = [f"{name}_output"]

    def get(self, name: str, default: Any = None) -> Any:
        return self.settings.get(name, default)

    def pair(self, name: str, default: int) -> tuple[int, int]:
        value = self.get(name, default)
        values = (value,) if isinstance(value, int) else tuple(value) or (default,)
        return int(values[0]), int(values[-1])

    def tensor(self, name: str, array: Any) -> str:
        full = f"{self.name}:{name}"
        self.tensors[full] = np.asarray(array)
        return full

    def add(self, op: str, inputs: Sequence[str], part: str = "", **settings: Any) -> str:
        """Keeps a node; without a part it gives what the step gives."""
        out = f"{self.name}:{part}" if part else self.outputs[0]
        name = f"{self.name}:{part}" if part else self.name
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.nodes.append(
            Node(op=op, name=name, inputs=tuple(inputs), outputs=(out,), attributes=settings)
        )
        return out

    def refuse(self, why: str) -> ToolboxError:
        return ToolboxError(f"Layer {self.name!r} ({self.op}) cannot be read: {why}.")


class _Assembly:
    """Goes through the symbol's nodes in order."""

    def __init__(self, symbol: Mapping[str, Any], tensors: dict[str, Array]) -> None:
        self.symbol = symbol
        self.tensors = {name.split(":", 1)[-1]: array for name, array in tensors.items()}
        self.nodes: list[Node] = []
        self.layers: dict[str, str] = {}

    def graph(self) -> Graph:
        entries = self.symbol["nodes"]
        values: list[list[str]] = []
        inputs: list[GraphInput] = []
        unknown: list[_Step] = []
        steps = 0
        for entry in entries:
            op, name = entry["op"], str(entry["name"])
            settings = _settings_of(entry)
            if op == "null":
                if name not in self.tensors and not _is_label(name):
                    shape = settings.get("__shape__", ())
                    lengths = tuple(int(n) or None for n in shape)
                    known = (None, *lengths[1:]) if lengths else (None,) * 4
                    inputs.append(GraphInput(name=name, shape=known))
                values.append([name])
                continue
            steps += 1
            read = [values[each[0]][each[1]] for each in entry["inputs"]]
            step = _Step(op, name, settings, read, self.tensors)
            if op == "SliceChannel":
                step.outputs = [f"{name}_output{k}" for k in range(int(step.get("num_outputs", 1)))]
            if op not in RULES:
                unknown.append(step)
            else:
                RULES[op](step)
                self.nodes += step.nodes
            # Statistics and the like are further outputs that nobody reads.
            values.append([*step.outputs, *[step.outputs[0]] * 4])
            self.layers[name] = self.layers[step.outputs[0]] = step.outputs[0]
        if unknown:
            kinds = ", ".join(sorted({step.op for step in unknown}))
            raise ToolboxError(
                f"Layer {unknown[0].name!r} is a {unknown[0].op}, which is not known; "
                f"{steps - len(unknown)} of {steps} layers were understood (not known: {kinds})."
            )
        inputs = [given for given in inputs if _is_read(given.name, self.nodes)]
        self._refuse_missing(inputs)
        heads = self.symbol.get("heads") or [[len(entries) - 1, 0, 0]]
        version = _version(self.symbol)
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(inputs),
            outputs=tuple(values[head[0]][head[1]] for head in heads),
            toolbox="MXNet",
            version=version,
            preprocessing=InputScaling(known=False),
            layers=self.layers,
        )

    def _refuse_missing(self, inputs: Sequence[GraphInput]) -> None:
        """Raises `ToolboxError` where what looks like a weight is not among the parameters."""
        missing = [
            given.name
            for given in inputs
            if re.search(
                r"_(weight|bias|gamma|beta|moving_mean|moving_var|running_\w+)$", given.name
            )
        ]
        if missing:
            raise ToolboxError(f"The parameters have no {missing[0]!r}.", WEIGHTS_HINT)


def _settings_of(entry: Mapping[str, Any]) -> Settings:
    given = entry.get("attrs") or entry.get("attr") or entry.get("param") or {}
    return {name: _setting(str(value)) for name, value in given.items()}


def _setting(text: str) -> Any:
    """A setting as a value: numbers, tuples, True and False; anything else is a word."""
    if len(text) > 4096:
        return text
    try:
        return ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return text


def _is_label(name: str) -> bool:
    return name == "label" or name.endswith("_label")


def _is_read(name: str, nodes: Sequence[Node]) -> bool:
    return any(name in node.inputs for node in nodes)


def _version(symbol: Mapping[str, Any]) -> str:
    stated = symbol.get("attrs", {}).get("mxnet_version", ["int", 0])[-1]
    return f"{stated // 10000}.{stated // 100 % 100}.{stated % 100}" if stated else ""


# Rules: one for each operation -------------------------------------------------------------------


def _convolution(step: _Step) -> None:
    if step.get("layout") not in (None, "None", "NCHW"):
        raise step.refuse(f"its layout {step.get('layout')} is not known")
    if len(step.get("kernel", ())) != 2:
        raise step.refuse("its kernel has not two axes")
    top, left = step.pair("pad", 0)
    bias = [] if step.get("no_bias", step.op == "Deconvolution") else step.inputs[2:3]
    settings: Settings = {
        "stride": step.pair("stride", 1),
        "pads": (left, left, top, top),
        "dilation": step.pair("dilate", 1),
        "groups": int(step.get("num_group", 1)),
    }
    if step.op == "Deconvolution":
        if step.get("target_shape") not in (None, (), (0, 0)):
            raise step.refuse("it names the shape that shall come out")
        settings["output_padding"] = step.pair("adj", 0)
        step.add("conv_transpose", [*step.inputs[:2], *bias], **settings)
    else:
        step.add("conv", [*step.inputs[:2], *bias], **settings)


def _fully_connected(step: _Step) -> None:
    value = step.inputs[0]
    if step.get("flatten", True):
        value = step.add("flatten", [value], "flat")
    bias = [] if step.get("no_bias", False) else step.inputs[2:3]
    step.add("linear", [value, step.inputs[1], *bias])


def _batch_norm(step: _Step) -> None:
    if int(step.get("axis", 1)) != 1:
        raise step.refuse(f"it normalises axis {step.get('axis')}")
    x, gamma, beta, mean, variance = step.inputs[:5]
    fixed = step.get("fix_gamma", True)
    step.add(
        "batch_norm",
        [x, "" if fixed else gamma, beta, mean, variance],
        epsilon=float(step.get("eps", 1e-3)),
    )


def _pooling(step: _Step) -> None:
    kind, value = step.get("pool_type", "max"), step.inputs[0]
    if kind not in ("max", "avg"):
        raise step.refuse(f"its pool_type {kind!r} is not known")
    if step.get("global_pool", False):
        step.add("reduce", [value], mode="mean" if kind == "avg" else "max", axes=(2, 3))
        return
    convention = step.get("pooling_convention", "valid")
    top, left = step.pair("pad", 0)
    pads: Any = (left, left, top, top)
    if convention == "same":
        pads = "same_upper"
    settings: Settings = {
        "kernel": step.pair("kernel", 1),
        "stride": step.pair("stride", 1),
        "pads": pads,
        "ceil_mode": convention == "full",
    }
    if kind == "avg":
        settings["count_include_pad"] = bool(step.get("count_include_pad", True))
        step.add("avg_pool", [value], **settings)
    else:
        step.add("max_pool", [value], **settings)


def _activation(step: _Step) -> None:
    kind = step.get("act_type", "relu")
    ops = {"relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softsign": "softsign"}
    if kind == "softrelu":
        step.add("softplus", step.inputs)
    elif kind in ops:
        step.add(ops[kind], step.inputs)
    else:
        raise step.refuse(f"its act_type {kind!r} is not known")


def _leaky(step: _Step) -> None:
    kind, slope = step.get("act_type", "leaky"), float(step.get("slope", 0.25))
    if kind == "leaky":
        step.add("leaky_relu", step.inputs[:1], slope=slope)
    elif kind == "prelu":
        step.add("prelu", step.inputs[:2])
    elif kind == "elu":
        step.add("elu", step.inputs[:1], alpha=slope)
    elif kind == "selu":
        step.add("selu", step.inputs[:1])
    elif kind == "gelu":
        step.add("gelu", step.inputs[:1])
    elif kind == "rrelu":  # at test the middle of its bounds
        middle = (float(step.get("lower_bound", 0.125)) + float(step.get("upper_bound", 0.334))) / 2
        step.add("leaky_relu", step.inputs[:1], slope=middle)
    else:
        raise step.refuse(f"its act_type {kind!r} is not known")


def _lrn(step: _Step) -> None:
    step.add(
        "lrn",
        step.inputs,
        size=int(step.get("nsize")),
        alpha=float(step.get("alpha", 1e-4)),
        beta=float(step.get("beta", 0.75)),
        k=float(step.get("knorm", 2.0)),
    )


def _pad(step: _Step) -> None:
    widths, mode = step.get("pad_width"), step.get("mode", "constant")
    if mode not in ("constant", "edge", "reflect"):
        raise step.refuse(f"its mode {mode!r} is not known")
    pairs = tuple((int(widths[k]), int(widths[k + 1])) for k in range(0, len(widths), 2))
    step.add(
        "pad", step.inputs, pads=pairs, mode=mode, value=float(step.get("constant_value", 0.0))
    )


def _softmax_output(step: _Step) -> None:
    step.add("softmax", step.inputs[:1], axis=1)


def _softmax(step: _Step) -> None:
    op = "log_softmax" if step.op == "log_softmax" else "softmax"
    step.add(op, step.inputs[:1], axis=int(step.get("axis", -1)))


def _reshape(step: _Step) -> None:
    shape = tuple(int(n) for n in step.get("shape", ()))
    if min(shape, default=0) < -1 or step.get("reverse", False):
        raise step.refuse(f"its shape {shape} has codes that are not known")
    step.add("reshape", step.inputs[:1], shape=shape)


def _reduce(mode: str) -> Callable[[_Step], None]:
    def rule(step: _Step) -> None:
        axes = step.get("axis")
        axes = None if axes in (None, "None", ()) else (axes,) if isinstance(axes, int) else axes
        step.add(
            "reduce", step.inputs[:1], mode=mode, axes=axes, keepdims=bool(step.get("keepdims", 0))
        )

    return rule


def _scalar(op: str, swapped: bool = False) -> Callable[[_Step], None]:
    def rule(step: _Step) -> None:
        number = step.tensor("scalar", np.array(float(step.get("scalar", 0.0)), np.float32))
        both = [number, step.inputs[0]] if swapped else [step.inputs[0], number]
        step.add(op, both)

    return rule


def _fold(step: _Step) -> None:
    value = step.inputs[0]
    for number, other in enumerate(step.inputs[1:], 1):
        last = number == len(step.inputs) - 1
        value = step.add("add", [value, other], "" if last else f"sum{number}")
    if len(step.inputs) == 1:
        step.add("identity", step.inputs)


def _slice_channel(step: _Step) -> None:
    if step.get("squeeze_axis", False):
        raise step.refuse("it drops the axis that it cuts")
    step.nodes.append(
        Node(
            op="split",
            name=step.name,
            inputs=tuple(step.inputs[:1]),
            outputs=tuple(step.outputs),
            attributes={"axis": int(step.get("axis", 1))},
        )
    )


def _upsampling(step: _Step) -> None:
    if step.get("sample_type", "nearest") != "nearest" or len(step.inputs) != 1:
        raise step.refuse("its sample_type is not known")
    scale = float(step.get("scale", 1))
    step.add("resize", step.inputs, mode="nearest", scales=(scale, scale))


def _clip(step: _Step) -> None:
    step.add("clip", step.inputs, low=float(step.get("a_min")), high=float(step.get("a_max")))


def _l2_normalize(step: _Step) -> None:
    modes = {"instance": (1, 2, 3), "channel": (1,), "spatial": (2, 3)}
    epsilon = float(step.get("eps", 1e-10))
    axes = modes[step.get("mode", "instance")]
    squares = step.add("square", step.inputs, "squares")
    total = step.add("reduce", [squares], "total", mode="sum", axes=axes)
    safe = step.add("add", [total, step.tensor("eps", np.array(epsilon, np.float32))], "safe")
    step.add("div", [step.inputs[0], step.add("sqrt", [safe], "norm")])


def _plain(op: str, count: int = 1, **fixed: Any) -> Callable[[_Step], None]:
    def rule(step: _Step) -> None:
        step.add(op, step.inputs[:count], **fixed)

    return rule


BINARY_NAMES = {"maximum": "maximum", "minimum": "minimum", "power": "pow"} | {
    op: op for op in BINARY[:4]
}
RULES: dict[str, Callable[[_Step], None]] = {
    "Convolution": _convolution,
    "Convolution_v1": _convolution,
    "Deconvolution": _convolution,
    "FullyConnected": _fully_connected,
    "BatchNorm": _batch_norm,
    "BatchNorm_v1": _batch_norm,
    "InstanceNorm": lambda step: (
        step.add("instance_norm", step.inputs[:3], epsilon=float(step.get("eps", 1e-3))),
        None,
    )[1],
    "Pooling": _pooling,
    "Pooling_v1": _pooling,
    "Activation": _activation,
    "LeakyReLU": _leaky,
    "LRN": _lrn,
    "Pad": _pad,
    "pad": _pad,
    "Flatten": _plain("flatten"),
    "flatten": _plain("flatten"),
    "Dropout": lambda step: (
        step.add("dropout", step.inputs[:1], p=float(step.get("p", 0.5))),
        None,
    )[1],
    "Concat": lambda step: (step.add("concat", step.inputs, axis=int(step.get("dim", 1))), None)[1],
    "concat": lambda step: (step.add("concat", step.inputs, axis=int(step.get("dim", 1))), None)[1],
    "SoftmaxOutput": _softmax_output,
    "Softmax": _softmax_output,
    "SoftmaxActivation": _softmax_output,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "Reshape": _reshape,
    "reshape": _reshape,
    "transpose": lambda step: (
        step.add("permute", step.inputs, axes=tuple(step.get("axes", ())) or None),
        None,
    )[1],
    "expand_dims": lambda step: (
        step.add("unsqueeze", step.inputs, axes=(int(step.get("axis")),)),
        None,
    )[1],
    "mean": _reduce("mean"),
    "sum": _reduce("sum"),
    "max": _reduce("max"),
    "add_n": _fold,
    "ElementWiseSum": _fold,
    "SliceChannel": _slice_channel,
    "UpSampling": _upsampling,
    "clip": _clip,
    "L2Normalization": _l2_normalize,
    "Cast": _plain("identity"),
    "identity": _plain("identity"),
    "_copy": _plain("identity"),
    "BlockGrad": _plain("identity"),
    "MakeLoss": _plain("identity"),
    **{op: _plain(op) for op in ("relu", "sigmoid", "tanh", "exp", "log", "sqrt", "abs", "square")},
    "_Plus": _plain("add", 2),
    "_Minus": _plain("sub", 2),
    "_Mul": _plain("mul", 2),
    "_Div": _plain("div", 2),
    "_plus_scalar": _scalar("add"),
    "_minus_scalar": _scalar("sub"),
    "_rminus_scalar": _scalar("sub", swapped=True),
    "_mul_scalar": _scalar("mul"),
    "_div_scalar": _scalar("div"),
    "_rdiv_scalar": _scalar("div", swapped=True),
    "_power_scalar": _scalar("pow"),
    "_maximum_scalar": _scalar("maximum"),
    "_minimum_scalar": _scalar("minimum"),
    **{f"elemwise_{theirs}": _plain(ours, 2) for theirs, ours in BINARY_NAMES.items()},
    **{f"broadcast_{theirs}": _plain(ours, 2) for theirs, ours in BINARY_NAMES.items()},
}


def _detect(files: Sequence[GivenFile]) -> int:
    if any(file.head[:8] == struct.pack("<Q", LIST_MAGIC) for file in files):
        return 2
    if any(file.path.name.endswith("-symbol.json") for file in files):
        return 2
    return 1 if files[0].ending == ".params" else 0


TOOLBOX = Toolbox(name="MXNet", endings=(".params", "-symbol.json"), detect=_detect, read=_read)
