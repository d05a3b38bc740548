"""Torch7 (Lua): modules of `nn` and `cudnn` in `.t7` or `.net`, binary or text."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, InputScaling, Node, ToolboxError
from striate.toolboxes.wire.lua_objects import LuaObject, LuaTable, read_lua_objects

Fields = dict[Any, Any]


def detect_torch7(files: Sequence[GivenFile]) -> int:
    """2 where the bytes begin an object of a Torch class, 1 by the ending."""
    head = files[0].head
    binary = head[:4] in (b"\4\0\0\0", b"\3\0\0\0") and b"V 1" in head[:128]
    if binary or (head[:2] in (b"4\n", b"3\n") and b"V 1" in head[:128]):
        return 2
    return int(files[0].ending in (".t7", ".net"))


def read_torch7(files: Sequence[GivenFile]) -> Graph:
    """The network in the first file: a module, or a table with one of them."""
    module = _find_module(read_lua_objects(files[0].read()))
    if module is None:
        raise ToolboxError(
            "It holds no module of nn.", "Save the network itself: torch.save(f, net)"
        )
    maker = _Maker()
    last = maker.add(module, "image", "")
    channels = next(
        (
            t.shape[1] * node.settings()["groups"]
            for node in maker.nodes
            if node.op == "conv"
            for t in (maker.tensors[node.inputs[1]],)
        ),
        None,
    )
    return Graph(
        nodes=tuple(maker.nodes),
        tensors=maker.tensors,
        inputs=(GraphInput(name="image", shape=(None, channels, None, None)),),
        outputs=(last,),
        toolbox="Torch7",
        preprocessing=InputScaling(note="Torch7 keeps it in the script that fed the network."),
        layers=maker.layers,
        notes=tuple(maker.notes),
    )


def _find_module(found: Any) -> LuaObject | None:
    if isinstance(found, LuaObject) and isinstance(found.fields, dict):
        if found.kind.startswith(("nn.", "cudnn.", "cunn.", "inn.")):
            return found
        return None
    if isinstance(found, LuaTable):
        for name in ("model", "net", "network", "module", 1):
            if name in found and (module := _find_module(found[name])) is not None:
                return module
        for value in found.values():
            if (module := _find_module(value)) is not None:
                return module
    return None


class _Maker:
    """Collects nodes while modules are walked through."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.layers: dict[str, str] = {}
        self.notes: list[str] = []

    def add(self, module: LuaObject, x: str, path: str) -> str:
        """Add a module behind the value `x`; returns the name of what it gives."""
        kind = module.kind.rpartition(".")[2]
        fields = module.fields or {}
        if kind in CONTAINERS:
            return CONTAINERS[kind](self, module, fields, x, path)
        make = LAYERS.get(kind)
        if make is None:
            raise ToolboxError(
                f"Layer {path or '0'} is of the class {module.kind}, which is not known; "
                f"{len(self.nodes)} layers before it are."
            )
        return make(self, module, fields, x, path or "0")

    def node(
        self,
        op: str,
        path: str,
        x: str | tuple[str, ...],
        tensors: Fields | None = None,
        **given: Any,
    ) -> str:
        """Add a node; `tensors` are its constants by name, None where one is left out."""
        names = []
        for name, value in (tensors or {}).items():
            if value is None:
                names.append("")
            else:
                self.tensors[f"{path}.{name}"] = np.asarray(value, np.float32)
                names.append(f"{path}.{name}")
        while names and not names[-1]:
            names.pop()
        inputs = (x,) if isinstance(x, str) else x
        out = f"{path}:{len(self.nodes)}"
        self.nodes.append(
            Node(op=op, name=path, inputs=(*inputs, *names), outputs=(out,), attributes=given)
        )
        return out


def _branches(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    """Concat and DepthConcat: every branch reads the same; their maps are joined."""
    axis = int(fields.get("dimension") or 2) - 1
    if module.kind.endswith("DepthConcat"):
        raise ToolboxError(f"Layer {path} pads branches of different sizes (DepthConcat).")
    parts = tuple(made.add(inner, x, f"{path}.{k}") for k, inner in enumerate(_inner(fields, path)))
    return made.node("concat", path or "0", parts, axis=axis)


def _table(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    raise ToolboxError(
        f"Layer {path or '0'} ({module.kind}) gives a table that no layer joins; only ConcatTable "
        "followed by CAddTable, CMulTable or JoinTable is known."
    )


def _inner(fields: Fields, path: str) -> list[LuaObject]:
    modules = fields.get("modules")
    listed = modules.listed() if isinstance(modules, LuaTable) else []
    if not listed or not all(isinstance(inner, LuaObject) for inner in listed):
        raise ToolboxError(f"The container {path or '0'} holds no modules.")
    return listed


def _sequential(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    """A Sequential in which a ConcatTable may be followed by what joins its branches."""
    modules = _inner(fields, path)
    number = 0
    while number < len(modules):
        inner = modules[number]
        kind = inner.kind.rpartition(".")[2]
        place = f"{path}.{number}" if path else f"{number}"
        if kind == "ConcatTable" and number + 1 < len(modules):
            parts = tuple(
                made.add(branch, x, f"{place}.{k}")
                for k, branch in enumerate(_inner(inner.fields, place))
            )
            number += 1
            joiner = modules[number]
            kind = joiner.kind.rpartition(".")[2]
            place = f"{path}.{number}" if path else f"{number}"
            x = _join(made, joiner, parts, place)
        else:
            x = made.add(inner, x, place)
        if not path:
            made.layers[f"{number:02d}_{kind}"] = x
        made.layers[place] = x
        number += 1
    return x


def _join(made: _Maker, joiner: LuaObject, parts: tuple[str, ...], path: str) -> str:
    kind = joiner.kind.rpartition(".")[2]
    if kind == "JoinTable":
        axis = int(joiner.fields.get("dimension") or 1)
        batched = int(joiner.fields.get("nInputDims") or 0)
        return made.node("concat", path, parts, axis=axis if batched else axis - 1)
    op = JOINERS.get(kind)
    if op is None:
        raise ToolboxError(f"Layer {path} ({joiner.kind}) joins branches in a way not known.")
    x = parts[0]
    for other in parts[1:]:
        x = made.node(op, path, (x, other))
    return x


def _number(fields: Fields, name: str, default: float = 0) -> int:
    value = fields.get(name)
    return int(default if value is None else value)


def _window(fields: Fields) -> dict[str, Any]:
    down, right = _number(fields, "padH"), _number(fields, "padW")
    return {
        "stride": (_number(fields, "dH", 1), _number(fields, "dW", 1)),
        "pads": (right, right, down, down),
    }


def _convolution(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    weight = np.asarray(fields.get("weight"))
    groups = _number(fields, "groups", 1)
    height, width = _number(fields, "kH"), _number(fields, "kW")
    planes = _number(fields, "nInputPlane")
    if weight.ndim != 4:  # SpatialConvolutionMM keeps O x (I · kH · kW)
        weight = weight.reshape(-1, planes // groups, height, width)
    dilation = (_number(fields, "dilationH", 1), _number(fields, "dilationW", 1))
    return made.node(
        "conv",
        path,
        x,
        {"weight": weight, "bias": _filled(fields.get("bias"))},
        groups=groups,
        dilation=dilation,
        **_window(fields),
    )


def _transposed(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    return made.node(
        "conv_transpose",
        path,
        x,
        {"weight": fields["weight"], "bias": _filled(fields.get("bias"))},
        groups=_number(fields, "groups", 1),
        output_padding=(_number(fields, "adjH"), _number(fields, "adjW")),
        **_window(fields),
    )


def _depthwise(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    """SpatialDepthWiseConvolution keeps multiplier x channels x kH x kW."""
    weight = np.asarray(fields["weight"]).reshape(
        _number(fields, "nOutputPlane"),
        _number(fields, "nInputPlane"),
        _number(fields, "kH"),
        _number(fields, "kW"),
    )
    channels = weight.shape[1]
    laid = weight.transpose(1, 0, 2, 3).reshape(-1, 1, *weight.shape[2:])
    bias = _filled(fields.get("bias"))
    if bias is not None:
        bias = bias.reshape(weight.shape[0], channels).T.reshape(-1)
    return made.node(
        "conv", path, x, {"weight": laid, "bias": bias}, groups=channels, **_window(fields)
    )


def _filled(value: Any) -> Array | None:
    return None if value is None or not np.size(value) else np.asarray(value, np.float32)


def _linear(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    given = {"weight": fields["weight"], "bias": _filled(fields.get("bias"))}
    return made.node("linear", path, x, given)


def _batch_norm(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    epsilon = float(fields.get("eps") or 1e-5)
    mean = np.asarray(fields["running_mean"], np.float64)
    if "running_var" in fields:
        variance = np.asarray(fields["running_var"], np.float64)
    elif "running_std" in fields:  # version 1 keeps 1 / sqrt(variance + eps)
        variance = np.asarray(fields["running_std"], np.float64) ** -2 - epsilon
    else:
        raise ToolboxError(f"Layer {path} ({module.kind}) has no running variance.")
    tensors = {
        "weight": _filled(fields.get("weight")),
        "bias": _filled(fields.get("bias")),
        "mean": mean,
        "variance": variance,
    }
    return made.node("batch_norm", path, x, tensors, epsilon=epsilon)


def _max_pool(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    return made.node(
        "max_pool",
        path,
        x,
        kernel=(_number(fields, "kH"), _number(fields, "kW")),
        ceil_mode=bool(fields.get("ceil_mode")),
        **_window(fields),
    )


def _average_pool(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    height, width = _number(fields, "kH"), _number(fields, "kW")
    counted = fields.get("count_include_pad")
    x = made.node(
        "avg_pool",
        path,
        x,
        kernel=(height, width),
        ceil_mode=bool(fields.get("ceil_mode")),
        count_include_pad=True if counted is None else bool(counted),
        divisor=1 if fields.get("divide") is False else 0,
        **_window(fields),
    )
    return x


def _adaptive(op: str) -> "Layer":
    def make(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
        return made.node(op, path, x, size=(_number(fields, "H"), _number(fields, "W")))

    return make


def _lrn(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    return made.node(
        "lrn",
        path,
        x,
        size=_number(fields, "size", 5),
        alpha=float(fields.get("alpha") or 1e-4),
        beta=float(fields.get("beta") or 0.75),
        k=float(fields.get("k") or fields.get("K") or 1),
    )


def _dropout(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    p = float(fields.get("p", 0.5))
    # Version 1 scales at test time; version 2 did it in the training.
    spatial = module.kind.endswith("SpatialDropout")
    scale = 1.0 if fields.get("v2") or (spatial and fields.get("v2") is None) else 1.0 - p
    return made.node("dropout", path, x, p=p, test_scale=scale)


def _view(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    size = [int(n) for n in np.asarray(fields.get("size"), np.int64).flatten()]
    if size and size[0] == -1 and len(size) > 1 and not module.kind.endswith("Reshape"):
        size = size[1:]
    return made.node("reshape", path, x, shape=(0, *size) if -1 in size else (-1, *size))


def _elementwise(op: str, **renamed: str) -> "Layer":
    def make(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
        given = {
            ours: float(fields[theirs])
            for ours, theirs in renamed.items()
            if fields.get(theirs) is not None
        }
        return made.node(op, path, x, None, **given)

    return make


def _prelu(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    return made.node("prelu", path, x, {"slope": fields["weight"]})


def _constant(op: str, field: str) -> "Layer":
    def make(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
        return made.node(op, path, x, {"value": np.float32(fields[field])})

    return make


def _padding(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    sides = [_number(fields, f"pad_{side}") for side in "ltrb"]
    left, top, right, bottom = sides
    mode = {"SpatialReflectionPadding": "reflect", "SpatialReplicationPadding": "edge"}
    kind = module.kind.rpartition(".")[2]
    pads = ((0, 0), (0, 0), (top, bottom), (left, right))
    return made.node("pad", path, x, pads=pads, mode=mode.get(kind, "constant"))


def _mean(made: _Maker, module: LuaObject, fields: Fields, x: str, path: str) -> str:
    axis = _number(fields, "dimension", 1)
    batched = _number(fields, "nInputDims", 0) > 0
    return made.node(
        "reduce", path, x, mode="mean", axes=(axis if batched else axis - 1,), keepdims=False
    )


JOINERS = {"CAddTable": "add", "CMulTable": "mul", "CSubTable": "sub", "CMaxTable": "maximum"}
Layer = Callable[[_Maker, LuaObject, Fields, str, str], str]
CONTAINERS: dict[str, Layer] = {
    "Sequential": _sequential,
    "Concat": _branches,
    "DepthConcat": _branches,
    "ConcatTable": _table,
    "DataParallelTable": lambda made, module, fields, x, path: made.add(
        _inner(fields, path)[0], x, path
    ),
}
LAYERS: dict[str, Layer] = {
    **dict.fromkeys(
        ("SpatialConvolution", "SpatialConvolutionMM", "SpatialDilatedConvolution"), _convolution
    ),
    "SpatialFullConvolution": _transposed,
    "SpatialDepthWiseConvolution": _depthwise,
    "Linear": _linear,
    **dict.fromkeys(("SpatialBatchNormalization", "BatchNormalization"), _batch_norm),
    "SpatialMaxPooling": _max_pool,
    "SpatialDilatedMaxPooling": _max_pool,
    "SpatialAveragePooling": _average_pool,
    "SpatialAdaptiveMaxPooling": _adaptive("adaptive_max_pool"),
    "SpatialAdaptiveAveragePooling": _adaptive("adaptive_avg_pool"),
    **dict.fromkeys(("SpatialCrossMapLRN", "SpatialCrossMapLRN_temp"), _lrn),
    **dict.fromkeys(("Dropout", "SpatialDropout"), _dropout),
    **dict.fromkeys(("View", "Reshape"), _view),
    "ReLU": _elementwise("relu"),
    "ReLU6": lambda made, module, fields, x, path: made.node("clip", path, x, low=0.0, high=6.0),
    "Tanh": _elementwise("tanh"),
    "Sigmoid": _elementwise("sigmoid"),
    "ELU": _elementwise("elu", alpha="alpha"),
    "LeakyReLU": _elementwise("leaky_relu", slope="negval"),
    "SoftPlus": _elementwise("softplus", beta="beta"),
    "Square": _elementwise("square"),
    "Sqrt": _elementwise("sqrt"),
    "Abs": _elementwise("abs"),
    "Exp": _elementwise("exp"),
    "PReLU": _prelu,
    "SoftMax": _elementwise("softmax"),
    "SpatialSoftMax": _elementwise("softmax"),
    "LogSoftMax": _elementwise("log_softmax"),
    "SpatialLogSoftMax": _elementwise("log_softmax"),
    "MulConstant": _constant("mul", "constant_scalar"),
    "AddConstant": _constant("add", "constant_scalar"),
    **dict.fromkeys(
        ("SpatialZeroPadding", "SpatialReflectionPadding", "SpatialReplicationPadding"), _padding
    ),
    "Mean": _mean,
    **dict.fromkeys(("Identity", "Copy", "Contiguous"), _elementwise("identity")),
}
TOOLBOX = Toolbox(name="Torch7", endings=(".t7", ".net"), detect=detect_torch7, read=read_torch7)
