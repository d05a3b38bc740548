"""Functions of torch, as a saved graph or program names them, to nodes of a graph.

Each has its parameters in torch's order with torch's defaults, since saved calls leave defaults
out, and a rule that turns the arguments into nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.toolboxes.graph import BINARY, ELEMENTWISE, REQUIRED, Array, Node, ToolboxError


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that the graph works out, or a weight, by its name."""

    name: str


@dataclass(slots=True)
class CallRecorder:
    """Collects the nodes of a program, and the constants that its calls bring with them."""

    tensors: dict[str, Array]
    nodes: list[Node] = field(default_factory=list)
    count: int = 0

    def call(self, function: str, args: Sequence[Any], named: Mapping[str, Any], out: str) -> Any:
        """What the call of a function gives; its nodes are kept.

        Raises `ToolboxError` where the function is not known.
        """
        name = function.removesuffix("_") if function.removesuffix("_") in RULES else function
        if name not in RULES:
            raise ToolboxError(
                f"The function {function!r} ({out!r}) is not known; {len(self.nodes)} layers "
                "before it were understood."
            )
        parameters, rule = RULES[name]
        given = dict(zip(parameters, args, strict=False)) | {
            k: v for k, v in named.items() if k in parameters
        }
        filled = {k: given.get(k, default) for k, default in parameters.items()}
        return rule(_Call(self, name, filled, out))

    def constant(self, number: Any) -> str:
        """The name of a tensor that holds a number."""
        name = f"constant_{len(self.tensors)}"
        whole = isinstance(number, int) and not isinstance(number, bool)
        self.tensors[name] = np.array(number, np.int64 if whole else np.float32)
        return name


class _Call:
    """One call: its arguments by torch's names, and where its value goes."""

    def __init__(self, recorder: CallRecorder, name: str, given: dict[str, Any], out: str) -> None:
        self.recorder, self.name, self.given, self.out = recorder, name, given, out

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def tensor(self, name: str) -> str:
        """The name of a tensor among the arguments; "" where it is None."""
        return self.as_tensor(self.given[name])

    def as_tensor(self, value: Any) -> str:
        """The name of a tensor, or of a number as one."""
        if value is None:
            return ""
        if isinstance(value, Value):
            return value.name
        if isinstance(value, int | float):
            return self.recorder.constant(value)
        raise ToolboxError(f"{self.name} ({self.out!r}) is given what is no tensor.")

    def pair(self, name: str) -> tuple[int, int]:
        """(vertical, horizontal) of an argument that is one number or a list."""
        value = self.given[name]
        values = [value] if isinstance(value, int) else list(value)
        return int(values[0]), int(values[-1])

    def node(self, op: str, inputs: Sequence[str], **settings: Any) -> Value:
        """Keeps a node that gives the call's value."""
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.recorder.nodes.append(
            Node(
                op=op, name=self.out, inputs=tuple(inputs), outputs=(self.out,), attributes=settings
            )
        )
        return Value(self.out)


Rule = Callable[[_Call], Any]


def _mirrored(pads: Sequence[int]) -> tuple[int, int, int, int]:
    return (pads[1], pads[1], pads[0], pads[0])


def _conv(call: _Call) -> Value:
    padding = call["padding"]
    if isinstance(padding, str):
        if padding == "valid":
            pads: Any = (0, 0, 0, 0)
        else:
            pads = "same_upper"
            if call.pair("stride") != (1, 1):
                raise ToolboxError("A convolution with padding 'same' and a stride is not known.")
    else:
        pads = _mirrored(call.pair("padding"))
    settings = {
        "stride": call.pair("stride"),
        "pads": pads,
        "dilation": call.pair("dilation"),
        "groups": int(call["groups"]),
    }
    inputs = [call.tensor(name) for name in ("input", "weight", "bias")]
    if call.given.get("transposed"):
        extra = call.pair("output_padding")
        return call.node("conv_transpose", inputs, **settings, output_padding=extra)
    return call.node("conv", inputs, **settings)


def _batch_norm(call: _Call) -> Value:
    if call.given.get("training") is True:
        raise ToolboxError("A batch normalisation is in training mode.", "Save after net.eval().")
    names = ("input", "weight", "bias", "running_mean", "running_var")
    return call.node(
        "batch_norm", [call.tensor(name) for name in names], epsilon=float(call["eps"])
    )


def _pool(op: str) -> Rule:
    def rule(call: _Call) -> Value:
        settings: dict[str, Any] = {
            "kernel": call.pair("kernel_size"),
            "stride": call.pair("stride" if call["stride"] else "kernel_size"),
            "pads": _mirrored(call.pair("padding")),
            "ceil_mode": bool(call["ceil_mode"]),
        }
        if op == "max_pool":
            settings["dilation"] = call.pair("dilation")
        else:
            settings["count_include_pad"] = bool(call["count_include_pad"])
            settings["divisor"] = int(call["divisor_override"] or 0)
        return call.node(op, [call.tensor("input")], **settings)

    return rule


def _adaptive(op: str) -> Rule:
    def rule(call: _Call) -> Value:
        size = call.pair("output_size")
        if size == (1, 1):
            mode = "mean" if op == "adaptive_avg_pool" else "max"
            return call.node("reduce", [call.tensor("input")], mode=mode, axes=(-2, -1))
        return call.node(op, [call.tensor("input")], size=size)

    return rule


def _pad(call: _Call) -> Value:
    flat, mode = [int(cells) for cells in call["pad"]], call["mode"]
    if len(flat) > 8 or mode not in ("constant", "reflect", "replicate"):
        raise ToolboxError(f"A pad of {len(flat)} numbers with mode {mode!r} is not known.")
    pairs = [(flat[k], flat[k + 1]) for k in range(0, len(flat), 2)][::-1]
    pads = ((0, 0),) * (4 - len(pairs)) + tuple(pairs)
    return call.node(
        "pad",
        [call.tensor("input")],
        pads=pads,
        mode={"replicate": "edge"}.get(mode, mode),
        value=float(call["value"] or 0.0),
    )


def _flatten(call: _Call) -> Value:
    if int(call["end_dim"]) != -1 or int(call["start_dim"]) != 1:
        raise ToolboxError("A flatten of some axes alone is not known.")
    return call.node("flatten", [call.tensor("input")], axis=1)


def _view(call: _Call) -> Value:
    shape = call["shape"]
    if any(isinstance(length, Value) for length in shape):
        parts = []
        for k, length in enumerate(shape):
            part = f"{call.out}:{k}"
            call.recorder.nodes.append(
                Node(
                    op="reshape",
                    name=part,
                    inputs=(call.as_tensor(length),),
                    outputs=(part,),
                    attributes={"shape": (1,)},
                )
            )
            parts.append(part)
        joined = f"{call.out}:shape"
        call.recorder.nodes.append(
            Node(
                op="concat",
                name=joined,
                inputs=tuple(parts),
                outputs=(joined,),
                attributes={"axis": 0},
            )
        )
        return call.node("reshape", [call.tensor("input"), joined], zero_copies=False)
    return call.node("reshape", [call.tensor("input")], shape=tuple(shape), zero_copies=False)


def _size(call: _Call) -> Value:
    if call["dim"] is None:
        return call.node("shape", [call.tensor("input")])
    whole = f"{call.out}:whole"
    call.recorder.nodes.append(
        Node(op="shape", name=whole, inputs=(call.tensor("input"),), outputs=(whole,))
    )
    return call.node("gather", [whole, call.recorder.constant(int(call["dim"]))], axis=0)


def _mean(mode: str) -> Rule:
    def rule(call: _Call) -> Value:
        axes = call["dim"]
        axes = None if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        keep = bool(call["keepdim"]) if axes is not None else False
        return call.node("reduce", [call.tensor("input")], mode=mode, axes=axes, keepdims=keep)

    return rule


def _binary(op: str) -> Rule:
    def rule(call: _Call) -> Value:
        other = call.tensor("other")
        factor = call.given.get("alpha", 1)
        if factor != 1:
            scaled = f"{call.out}:scaled"
            call.recorder.nodes.append(
                Node(
                    op="mul",
                    name=scaled,
                    inputs=(other, call.recorder.constant(float(factor))),
                    outputs=(scaled,),
                )
            )
            other = scaled
        return call.node(op, [call.tensor("input"), other])

    return rule


def _addmm(call: _Call) -> Value:
    product = f"{call.out}:product"
    call.recorder.nodes.append(
        Node(
            op="matmul",
            name=product,
            inputs=(call.tensor("mat1"), call.tensor("mat2")),
            outputs=(product,),
        )
    )
    return call.node("add", [product, call.tensor("input")])


def _transpose(call: _Call) -> Value:
    first, second = int(call["dim0"]), int(call["dim1"])
    if {first, second} in ({0, 1}, {-1, -2}) and call.name in ("t", "numpy_T"):
        return call.node("permute", [call.tensor("input")], axes=(1, 0))
    rank = 4 if max(first, second) > 2 or min(first, second) < -2 else 0
    if not rank:
        raise ToolboxError(f"A transpose of axes {first} and {second} is not known.")
    axes = list(range(rank))
    axes[first], axes[second] = axes[second], axes[first]
    return call.node("permute", [call.tensor("input")], axes=tuple(axes))


def _cat(call: _Call) -> Value:
    inputs = [call.as_tensor(value) for value in call["tensors"]]
    return call.node("concat", inputs, axis=int(call["dim"]))


def _split(call: _Call) -> list[Value]:
    raise ToolboxError("A split into parts is not known.")


def _softmax(op: str) -> Rule:
    return lambda call: call.node(op, [call.tensor("input")], axis=int(call["dim"]))


def _one(op: str, **names: str) -> Rule:
    """A rule for one input, with attributes ours=theirs."""
    return lambda call: call.node(
        op, [call.tensor("input")], **{ours: call[theirs] for ours, theirs in names.items()}
    )


def _same(call: _Call) -> Any:
    return call["input"]


def _hard(op: str) -> Rule:
    return lambda call: call.node(op, [call.tensor("input")], alpha=1 / 6, beta=0.5)


def _layer_norm(call: _Call) -> Value:
    inputs = [call.tensor(name) for name in ("input", "weight", "bias")]
    axis = -len(call["normalized_shape"])
    return call.node("layer_norm", inputs, axis=axis, epsilon=float(call["eps"]))


def _group_norm(call: _Call) -> Value:
    inputs = [call.tensor(name) for name in ("input", "weight", "bias")]
    return call.node(
        "group_norm", inputs, groups=int(call["num_groups"]), epsilon=float(call["eps"])
    )


def _clamp(call: _Call) -> Value:
    return call.node("clip", [call.tensor("input")], low=call["min"], high=call["max"])


CONVOLUTION = {
    "input": REQUIRED,
    "weight": REQUIRED,
    "bias": None,
    "stride": (1, 1),
    "padding": (0, 0),
    "dilation": (1, 1),
}
RULES: dict[str, tuple[dict[str, Any], Rule]] = {
    **{op: ({"input": REQUIRED}, _one(op)) for op in ELEMENTWISE if op != "identity"},
    **{op: ({"input": REQUIRED, "other": REQUIRED, "alpha": 1}, _binary(op)) for op in BINARY},
    "conv2d": ({**CONVOLUTION, "groups": 1}, _conv),
    "convolution": (
        {**CONVOLUTION, "transposed": False, "output_padding": (0, 0), "groups": 1},
        _conv,
    ),
    "_convolution": (
        {**CONVOLUTION, "transposed": False, "output_padding": (0, 0), "groups": 1},
        _conv,
    ),
    "conv_transpose2d": (
        {
            "input": REQUIRED,
            "weight": REQUIRED,
            "bias": None,
            "stride": (1, 1),
            "padding": (0, 0),
            "output_padding": (0, 0),
            "groups": 1,
            "dilation": (1, 1),
            "transposed": True,
        },
        _conv,
    ),
    "batch_norm": (
        {
            "input": REQUIRED,
            "weight": None,
            "bias": None,
            "running_mean": None,
            "running_var": None,
            "training": False,
            "momentum": 0.1,
            "eps": 1e-5,
            "cudnn_enabled": True,
        },
        _batch_norm,
    ),
    "layer_norm": (
        {"input": REQUIRED, "normalized_shape": (), "weight": None, "bias": None, "eps": 1e-5},
        _layer_norm,
    ),
    "group_norm": (
        {"input": REQUIRED, "num_groups": 1, "weight": None, "bias": None, "eps": 1e-5},
        _group_norm,
    ),
    "linear": (
        {"input": REQUIRED, "weight": REQUIRED, "bias": None},
        lambda call: call.node(
            "linear", [call.tensor("input"), call.tensor("weight"), call.tensor("bias")]
        ),
    ),
    "addmm": ({"input": REQUIRED, "mat1": REQUIRED, "mat2": REQUIRED}, _addmm),
    "matmul": ({"input": REQUIRED, "other": REQUIRED}, _binary("matmul")),
    "mm": ({"input": REQUIRED, "other": REQUIRED}, _binary("matmul")),
    "max_pool2d": (
        {
            "input": REQUIRED,
            "kernel_size": REQUIRED,
            "stride": (),
            "padding": (0, 0),
            "dilation": (1, 1),
            "ceil_mode": False,
        },
        _pool("max_pool"),
    ),
    "avg_pool2d": (
        {
            "input": REQUIRED,
            "kernel_size": REQUIRED,
            "stride": (),
            "padding": (0, 0),
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
        },
        _pool("avg_pool"),
    ),
    "adaptive_avg_pool2d": (
        {"input": REQUIRED, "output_size": REQUIRED},
        _adaptive("adaptive_avg_pool"),
    ),
    "adaptive_max_pool2d": (
        {"input": REQUIRED, "output_size": REQUIRED},
        _adaptive("adaptive_max_pool"),
    ),
    "pad": ({"input": REQUIRED, "pad": REQUIRED, "mode": "constant", "value": None}, _pad),
    "constant_pad_nd": (
        {"input": REQUIRED, "pad": REQUIRED, "value": None, "mode": "constant"},
        _pad,
    ),
    "flatten": ({"input": REQUIRED, "start_dim": 0, "end_dim": -1}, _flatten),
    "view": ({"input": REQUIRED, "shape": REQUIRED}, _view),
    "reshape": ({"input": REQUIRED, "shape": REQUIRED}, _view),
    "size": ({"input": REQUIRED, "dim": None}, _size),
    "sym_size": ({"input": REQUIRED, "dim": None}, _size),
    "permute": ({"input": REQUIRED, "dims": REQUIRED}, _one("permute", axes="dims")),
    "t": ({"input": REQUIRED, "dim0": 0, "dim1": 1}, _transpose),
    "transpose": ({"input": REQUIRED, "dim0": REQUIRED, "dim1": REQUIRED}, _transpose),
    "squeeze": (
        {"input": REQUIRED, "dim": None},
        lambda call: call.node(
            "squeeze",
            [call.tensor("input")],
            axes=(call["dim"],) if isinstance(call["dim"], int) else call["dim"],
        ),
    ),
    "unsqueeze": (
        {"input": REQUIRED, "dim": REQUIRED},
        lambda call: call.node("unsqueeze", [call.tensor("input")], axes=(call["dim"],)),
    ),
    "cat": ({"tensors": REQUIRED, "dim": 0}, _cat),
    "mean": ({"input": REQUIRED, "dim": None, "keepdim": False}, _mean("mean")),
    "sum": ({"input": REQUIRED, "dim": None, "keepdim": False}, _mean("sum")),
    "amax": ({"input": REQUIRED, "dim": None, "keepdim": False}, _mean("max")),
    "softmax": ({"input": REQUIRED, "dim": REQUIRED, "dtype": None}, _softmax("softmax")),
    "log_softmax": ({"input": REQUIRED, "dim": REQUIRED, "dtype": None}, _softmax("log_softmax")),
    "leaky_relu": (
        {"input": REQUIRED, "negative_slope": 0.01},
        _one("leaky_relu", slope="negative_slope"),
    ),
    "prelu": (
        {"input": REQUIRED, "weight": REQUIRED},
        lambda call: call.node("prelu", [call.tensor("input"), call.tensor("weight")]),
    ),
    "elu": ({"input": REQUIRED, "alpha": 1.0}, _one("elu", alpha="alpha")),
    "selu": ({"input": REQUIRED}, _one("selu")),
    "gelu": ({"input": REQUIRED, "approximate": "none"}, _one("gelu", approximate="approximate")),
    "softplus": ({"input": REQUIRED, "beta": 1.0}, _one("softplus", beta="beta")),
    "hardsigmoid": ({"input": REQUIRED}, _hard("hard_sigmoid")),
    "hardswish": ({"input": REQUIRED}, _hard("hard_swish")),
    "relu6": (
        {"input": REQUIRED},
        lambda call: call.node("clip", [call.tensor("input")], low=0.0, high=6.0),
    ),
    "hardtanh": (
        {"input": REQUIRED, "min": -1.0, "max": 1.0},
        _clamp,
    ),
    "clamp": ({"input": REQUIRED, "min": None, "max": None}, _clamp),
    "clamp_min": ({"input": REQUIRED, "min": None, "max": None}, _clamp),
    "dropout": (
        {"input": REQUIRED, "p": 0.5, "train": False},
        _one("dropout", p="p"),
    ),
    "feature_dropout": ({"input": REQUIRED, "p": 0.5, "train": False}, _one("dropout", p="p")),
    "pixel_shuffle": (
        {"input": REQUIRED, "upscale_factor": REQUIRED},
        lambda call: call.node(
            "depth_to_space",
            [call.tensor("input")],
            block=int(call["upscale_factor"]),
            mode="CRD",
        ),
    ),
    "contiguous": ({"input": REQUIRED}, _same),
    "clone": ({"input": REQUIRED}, _same),
    "detach": ({"input": REQUIRED}, _same),
    "alias": ({"input": REQUIRED}, _same),
    "to": ({"input": REQUIRED}, _same),
}
ALIASES = {"self": "input", "x": "input", "_0": "input"}
"""Names that saved graphs give to the first parameter."""
