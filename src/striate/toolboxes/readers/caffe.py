"""Caffe: a prototxt that says the layers and a caffemodel that holds their weights.

Layers are matched to weights by name. Kernels are as torch's; pooling rounds up, and layers may
work in place, so that one name stands for several values one after another.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import (
    WEIGHTS_HINT,
    Array,
    Graph,
    GraphInput,
    InputScaling,
    Node,
    ToolboxError,
)
from striate.toolboxes.wire.protobuf import DAMAGED, looks_like_message, read_message
from striate.toolboxes.wire.prototext import read_prototext

Fields = dict[str, Any]


class _Layer:
    """A layer with its parameters, its weights, and the values that it reads and writes."""

    def __init__(self, fields: Fields, blobs: list[Array], inputs: list[str], outputs: list[str]):
        self.name = _one(fields, "name", "")
        self.kind = _layer_type(fields)
        self.fields, self.blobs = fields, blobs
        self.inputs, self.outputs = inputs, outputs
        self.tensors: dict[str, Array] = {}

    def parameters(self, name: str) -> Fields:
        """The message with the layer's own settings."""
        found: Fields = _one(self.fields, name, {})
        return found

    def tensor(self, name: str, array: Array) -> str:
        """Keeps a weight; gives the name under which nodes read it."""
        full = f"{self.name}.{name}"
        self.tensors[full] = np.ascontiguousarray(array)
        return full

    def blob(self, place: int) -> Array:
        """A weight. Raises `ToolboxError` where the file of weights has none."""
        if place >= len(self.blobs):
            raise ToolboxError(
                f"Layer {self.name!r} ({self.kind}) has no weights in the caffemodel.", WEIGHTS_HINT
            )
        return self.blobs[place]

    def node(self, op: str, extra: Sequence[str] = (), **attributes: Any) -> Node:
        """The node that does what the layer does."""
        return Node(
            op=op,
            name=self.name,
            inputs=(*self.inputs[:1], *extra),
            outputs=tuple(self.outputs[:1]),
            attributes=attributes,
        )

    def refuse(self, why: str) -> ToolboxError:
        """The error that says why this layer cannot be read."""
        return ToolboxError(f"Layer {self.name!r} ({self.kind}) cannot be read: {why}.")


def _read(files: Sequence[GivenFile]) -> Graph:
    text_file, weights_file = _pair(files)
    try:
        text = text_file.read().decode("utf-8")
    except UnicodeDecodeError:
        raise ToolboxError(f"{text_file.path} is no text.", WEIGHTS_HINT) from None
    net = read_prototext(text)
    trained = read_message(weights_file.read(), NET)
    blobs = {
        _one(fields, "name", ""): [_read_blob(blob) for blob in fields.get("blobs", [])]
        for fields in _layers_of(trained)
    }
    form = "V2" if trained.get("layer") else "V1" if trained.get("layers") else ""
    if not form:
        raise ToolboxError(f"{weights_file.path} holds no layers.", DAMAGED)
    if form == "V1" and any("layer" in fields for fields in trained["layers"]):
        form = "V0"
    return _Assembly(net, blobs).graph(form)


def _pair(files: Sequence[GivenFile]) -> tuple[GivenFile, GivenFile]:
    """The text and the weights; the one that is not named may lie beside under the same stem."""
    texts = [file for file in files if file.ending in TEXT_ENDINGS]
    weights = [file for file in files if file.ending not in TEXT_ENDINGS]
    if len(texts) > 1 or len(weights) > 1:
        raise ToolboxError("A network is one prototxt and one caffemodel.", WEIGHTS_HINT)
    if not texts:
        texts = [_beside(weights[0].path, ".prototxt", "no layers stand in a caffemodel alone")]
    if not weights:
        weights = [_beside(texts[0].path, ".caffemodel", "a prototxt alone has no weights")]
    return texts[0], weights[0]


def _beside(path: Path, ending: str, why: str) -> GivenFile:
    other = path.with_suffix(ending)
    if not other.is_file():
        raise ToolboxError(
            f"{other.name} is not beside it, and {why}.", "Name both files: NET.prototxt FILE."
        )
    return GivenFile(path=other, head=b"", size=other.stat().st_size)


class _Assembly:
    """Goes through the layers in order and keeps what value each blob's name stands for."""

    def __init__(self, net: Fields, blobs: dict[str, list[Array]]) -> None:
        self.net, self.blobs = net, blobs
        self.current: dict[str, str] = {}
        self.inputs: list[GraphInput] = []
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.layers: dict[str, str] = {}
        self.preprocessing = InputScaling(
            scale=1.0,
            channels="BGR",
            note="Caffe's habit: BGR, 0 to 255; a mean is in no file but the training prototxt.",
        )

    def graph(self, form: str) -> Graph:
        self._add_top_inputs()
        read: set[str] = set()
        unknown: list[_Layer] = []
        fields_of_layers = [f for f in _layers_of(self.net) if _runs_at_test(f)]
        for fields in fields_of_layers:
            kind = _layer_type(fields)
            bottoms, tops = _texts(fields, "bottom"), _texts(fields, "top")
            if kind in DATA_LAYERS:
                self._add_data(fields, kind, tops)
                continue
            if kind in SKIPPED:
                continue
            bottoms = [
                name for name in bottoms if name in self.current or kind != "SoftmaxWithLoss"
            ]
            for name in bottoms:
                if name not in self.current:
                    raise ToolboxError(
                        f"Layer {_one(fields, 'name', '')!r} reads {name!r}, which nothing before "
                        "it gives.",
                        DAMAGED,
                    )
            inputs = [self.current[name] for name in bottoms]
            read.update(inputs)
            name = _one(fields, "name", "") or kind
            tops = tops or [name]
            outputs = [self._fresh(top, name) for top in tops]
            layer = _Layer(fields, self.blobs.get(name, []), inputs, outputs)
            if kind not in RULES:
                unknown.append(layer)
            else:
                made = RULES[kind](layer)
                self.nodes += made if isinstance(made, list) else [made]
                self.tensors.update(layer.tensors)
            for top, value in zip(tops, outputs, strict=True):
                self.current[top] = self.layers[top] = value
            self.layers[name] = outputs[0]
        if unknown:
            kinds = ", ".join(sorted({layer.kind for layer in unknown}))
            raise ToolboxError(
                f"Layer {unknown[0].name!r} is a {unknown[0].kind}, which is not known; "
                f"{len(fields_of_layers) - len(unknown)} of {len(fields_of_layers)} layers were "
                f"understood (not known: {kinds})."
            )
        # A blob's name shows what stands in it in the end; a layer's own name what it gives.
        self.layers.update(self.current)
        results = tuple(
            value
            for node in self.nodes
            for value in node.outputs
            if value not in read and value in self.current.values()
        )
        if not self.inputs:
            raise ToolboxError("It names no input.", "Take the deploy prototxt.")
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(self.inputs),
            outputs=results,
            toolbox="Caffe",
            version=form,
            preprocessing=self.preprocessing,
            layers=self.layers,
        )

    def _fresh(self, top: str, layer: str) -> str:
        """A name for a value: the blob's own for its first, with the layer's for later ones."""
        taken = {value for node in self.nodes for value in node.outputs}
        taken |= {given.name for given in self.inputs}
        return top if top not in taken else f"{top}:{layer}"

    def _add_top_inputs(self) -> None:
        names = _texts(self.net, "input")
        lengths = [int(length) for length in self.net.get("input_dim", [])]
        shapes = [tuple(int(n) for n in s.get("dim", [])) for s in self.net.get("input_shape", [])]
        for k, name in enumerate(names):
            shape = shapes[k] if k < len(shapes) else tuple(lengths[4 * k : 4 * k + 4])
            self._add_input(name, shape)

    def _add_input(self, name: str, shape: Sequence[int]) -> None:
        batchless = (None, *shape[1:]) if shape else ()
        self.inputs.append(GraphInput(name=name, shape=batchless))
        self.current[name] = name

    def _add_data(self, fields: Fields, kind: str, tops: list[str]) -> None:
        shapes = _one(fields, "input_param", {}).get("shape", [])
        change = _one(fields, "transform_param", {})
        if change:
            self._add_transform(change)
        for k, top in enumerate(tops):
            if kind != "Input" and k:
                continue  # labels
            shape = [
                int(n) for n in (shapes[min(k, len(shapes) - 1)] if shapes else {}).get("dim", [])
            ]
            self._add_input(top, shape)

    def _add_transform(self, change: Fields) -> None:
        mean = tuple(float(value) for value in change.get("mean_value", [])) or (0.0,)
        scale = float(_one(change, "scale", 1.0))
        note = f"mean image {change['mean_file'][0]!r}" if change.get("mean_file") else ""
        self.preprocessing = InputScaling(
            scale=scale,
            mean=tuple(value * scale for value in mean),
            channels="BGR",
            known=not note,
            note=note,
        )


def _layers_of(net: Fields) -> list[Fields]:
    return list(net.get("layer", [])) or [_unwrap(layer) for layer in net.get("layers", [])]


def _unwrap(fields: Fields) -> Fields:
    """A layer of V0, whose settings lie flat in a `layer` inside, in the form of V1."""
    inner = _one(fields, "layer", None)
    if inner is None:
        return fields
    kind = V0_TYPES.get(str(_one(inner, "type", "")).lower(), str(_one(inner, "type", "")))
    own = {name: values for name, values in inner.items() if name not in ("name", "type", "blobs")}
    renamed = {V0_FIELDS.get(name, name): values for name, values in own.items()}
    return {
        "name": inner.get("name", []),
        "type": [kind],
        "blobs": inner.get("blobs", []),
        "bottom": fields.get("bottom", []),
        "top": fields.get("top", []),
        **{name: [renamed] for name in V0_MESSAGES},
    }


def _layer_type(fields: Fields) -> str:
    kind = _one(fields, "type", "")
    if isinstance(kind, int):
        return V1_TYPES.get(kind, f"type {kind}")
    return V1_NAMES.get(kind, str(kind))


def _runs_at_test(fields: Fields) -> bool:
    if _one(fields, "phase", None) in ("TRAIN", 0):
        return False
    phases = [_one(rule, "phase", None) for rule in fields.get("include", [])]
    if phases and all(phase in ("TRAIN", 0) for phase in phases if phase is not None):
        return not any(phase is not None for phase in phases)
    excluded = [_one(rule, "phase", None) for rule in fields.get("exclude", [])]
    return not any(phase in ("TEST", 1) for phase in excluded)


def _read_blob(blob: Fields) -> Array:
    data = blob.get("data", blob.get("double_data"))
    if data is None:
        return np.zeros(0, np.float32)
    shapes = blob.get("shape")
    if shapes:
        shape = tuple(int(n) for n in shapes[0].get("dim", []))
    else:
        named = [_one(blob, name, 0) for name in ("num", "channels", "height", "width")]
        shape = tuple(int(n) for n in named) if any(named) else (len(data),)
    if min(shape, default=0) < 0 or int(np.prod(shape, dtype=object)) != len(data):
        raise ToolboxError(f"A blob of shape {shape} has {len(data):,} numbers.", DAMAGED)
    return np.asarray(data, np.float32).reshape(shape)


def _one(fields: Fields, name: str, default: Any) -> Any:
    values = fields.get(name)
    return values[-1] if values is not None and len(values) else default


def _texts(fields: Fields, name: str) -> list[str]:
    return [str(value) for value in fields.get(name, [])]


def _two(p: Fields, name: str, default: int, short: str = "") -> tuple[int, int]:
    """(vertical, horizontal) of a setting that is one number, two, or one with _h and _w."""
    stem = short or name
    if f"{stem}_h" in p or f"{stem}_w" in p:
        return int(_one(p, f"{stem}_h", default)), int(_one(p, f"{stem}_w", default))
    values = [int(value) for value in p.get(name, [])] or [default]
    return values[0], values[-1]


# Rules: one for each kind of layer ---------------------------------------------------------------


def _convolution(layer: _Layer) -> Node:
    p = layer.parameters("convolution_param")
    weight = layer.blob(0)
    top, left = _two(p, "pad", 0)
    groups = int(_one(p, "group", 1))
    transposed = layer.kind == "Deconvolution"
    kernel = _two(p, "kernel_size", 1, "kernel")
    if weight.ndim != 4 or tuple(weight.shape[2:]) != kernel:
        raise layer.refuse(f"its kernels are {weight.shape} where the text says {kernel}")
    given = [layer.tensor("weight", weight)]
    if _one(p, "bias_term", True):
        given.append(layer.tensor("bias", layer.blob(1).reshape(-1)))
    return layer.node(
        "conv_transpose" if transposed else "conv",
        given,
        stride=_two(p, "stride", 1),
        pads=(left, left, top, top),
        dilation=_two(p, "dilation", 1),
        groups=groups,
    )


def _inner_product(layer: _Layer) -> list[Node]:
    p = layer.parameters("inner_product_param")
    weight = layer.blob(0)
    matrix = weight.reshape(weight.shape[-2], weight.shape[-1]) if weight.ndim != 2 else weight
    if _one(p, "transpose", False):
        matrix = matrix.T
    flat = f"{layer.outputs[0]}:flat"
    given = [flat, layer.tensor("weight", matrix)]
    if _one(p, "bias_term", True):
        given.append(layer.tensor("bias", layer.blob(1).reshape(-1)))
    axis = int(_one(p, "axis", 1))
    return [
        Node(
            op="flatten",
            name=f"{layer.name}:flat",
            inputs=(layer.inputs[0],),
            outputs=(flat,),
            attributes={"axis": axis},
        ),
        Node(op="linear", name=layer.name, inputs=tuple(given), outputs=(layer.outputs[0],)),
    ]


def _pooling(layer: _Layer) -> Node:
    p = layer.parameters("pooling_param")
    kind = _one(p, "pool", "MAX")
    if kind not in ("MAX", "AVE", 0, 1):
        raise layer.refuse(f"its pooling {kind!r} is drawn at random")
    average = kind in ("AVE", 1)
    if _one(p, "global_pooling", False):
        return layer.node("reduce", mode="mean" if average else "max", axes=(2, 3))
    top, left = _two(p, "pad", 0)
    window: dict[str, Any] = {
        "kernel": _two(p, "kernel_size", 1, "kernel"),
        "stride": _two(p, "stride", 1),
        "pads": (left, left, top, top),
        "ceil_mode": _one(p, "round_mode", "CEIL") in ("CEIL", 0),
    }
    if average:
        return layer.node("avg_pool", **window, count_include_pad=True)
    return layer.node("max_pool", **window)


def _batch_norm(layer: _Layer) -> Node:
    p = layer.parameters("batch_norm_param")
    factor = float(layer.blob(2).reshape(-1)[0])
    scale = np.float32(1 / factor if factor else 0)
    mean = layer.tensor("mean", layer.blob(0).reshape(-1) * scale)
    variance = layer.tensor("variance", layer.blob(1).reshape(-1) * scale)
    return layer.node("batch_norm", ["", "", mean, variance], epsilon=float(_one(p, "eps", 1e-5)))


def _scale(layer: _Layer) -> list[Node]:
    p = layer.parameters("scale_param")
    axis, name = int(_one(p, "axis", 1)), layer.name
    if len(layer.inputs) > 1:
        raise layer.refuse("its factors come from another layer")
    gamma = _aligned(layer.blob(0), axis)
    biased = _one(p, "bias_term", False)
    between = f"{layer.outputs[0]}:{name}:scaled" if biased else layer.outputs[0]
    times = layer.tensor("weight", gamma)
    nodes = [
        Node(op="mul", name=name, inputs=(layer.inputs[0], times), outputs=(between,)),
    ]
    if biased:
        shift = layer.tensor("bias", _aligned(layer.blob(1), axis))
        nodes = [
            Node(op="mul", name=f"{name}:scale", inputs=nodes[0].inputs, outputs=(between,)),
            Node(op="add", name=name, inputs=(between, shift), outputs=(layer.outputs[0],)),
        ]
    return nodes


def _aligned(array: Array, axis: int) -> Array:
    """Numbers a channel in a shape that broadcasts over maps N x C x H x W."""
    return array.reshape(-1, 1, 1) if array.ndim == 1 and axis == 1 else array


def _lrn(layer: _Layer) -> Node:
    p = layer.parameters("lrn_param")
    return layer.node(
        "lrn",
        size=int(_one(p, "local_size", 5)),
        alpha=float(_one(p, "alpha", 1.0)),
        beta=float(_one(p, "beta", 0.75)),
        k=float(_one(p, "k", 1.0)),
        within=_one(p, "norm_region", 0) in ("WITHIN_CHANNEL", 1),
    )


def _relu(layer: _Layer) -> Node:
    slope = float(_one(layer.parameters("relu_param"), "negative_slope", 0.0))
    return layer.node("leaky_relu", slope=slope) if slope else layer.node("relu")


def _prelu(layer: _Layer) -> Node:
    return layer.node("prelu", [layer.tensor("slope", layer.blob(0).reshape(-1))])


def _eltwise(layer: _Layer) -> list[Node]:
    p = layer.parameters("eltwise_param")
    kind = _one(p, "operation", "SUM")
    factors = [float(factor) for factor in p.get("coeff", [])]
    op = {"PROD": "mul", 0: "mul", "SUM": "add", 1: "add", "MAX": "maximum", 2: "maximum"}[kind]
    nodes, values = [], list(layer.inputs)
    for k, factor in enumerate(factors):
        if factor != 1.0 and op == "add":
            out = f"{layer.outputs[0]}:{layer.name}:{k}"
            times = layer.tensor(f"factor{k}", np.array(factor, np.float32))
            nodes.append(Node(op="mul", name=out, inputs=(values[k], times), outputs=(out,)))
            values[k] = out
    return nodes + _chain(layer, op, values)


def _chain(layer: _Layer, op: str, values: list[str]) -> list[Node]:
    """An operation of two on many values, one after another."""
    nodes, total = [], values[0]
    for k, value in enumerate(values[1:], 2):
        last = k == len(values)
        out = layer.outputs[0] if last else f"{layer.outputs[0]}:{layer.name}:sum{k}"
        name = layer.name if last else f"{layer.name}:sum{k}"
        nodes.append(Node(op=op, name=name, inputs=(total, value), outputs=(out,)))
        total = out
    return nodes or [layer.node("identity")]


def _concat(layer: _Layer) -> Node:
    p = layer.parameters("concat_param")
    axis = int(_one(p, "axis", _one(p, "concat_dim", 1)))
    return layer.node("concat", layer.inputs[1:], axis=axis)


def _softmax(layer: _Layer) -> Node:
    return layer.node("softmax", axis=int(_one(layer.parameters("softmax_param"), "axis", 1)))


def _power(layer: _Layer) -> list[Node]:
    p = layer.parameters("power_param")
    value, nodes = layer.inputs[0], []
    for op, name, rest in (("mul", "scale", 1.0), ("add", "shift", 0.0), ("pow", "power", 1.0)):
        number = float(_one(p, name, rest))
        if number != rest:
            out = f"{layer.outputs[0]}:{layer.name}:{name}"
            given = layer.tensor(name, np.array(number, np.float32))
            nodes.append(
                Node(op=op, name=f"{layer.name}:{name}", inputs=(value, given), outputs=(out,))
            )
            value = out
    return [
        *nodes,
        Node(op="identity", name=layer.name, inputs=(value,), outputs=(layer.outputs[0],)),
    ]


def _reshape(layer: _Layer) -> Node:
    p = layer.parameters("reshape_param")
    if _one(p, "axis", 0) or _one(p, "num_axes", -1) != -1:
        raise layer.refuse("it reshapes some axes alone")
    shape = tuple(int(n) for n in _one(p, "shape", {}).get("dim", []))
    return layer.node("reshape", shape=shape)


def _slice(layer: _Layer) -> Node:
    p = layer.parameters("slice_param")
    points = [int(n) for n in p.get("slice_point", [])]
    axis = int(_one(p, "axis", _one(p, "slice_dim", 1)))
    if points:
        raise layer.refuse("it cuts at named points")
    return Node(
        op="split",
        name=layer.name,
        inputs=(layer.inputs[0],),
        outputs=tuple(layer.outputs),
        attributes={"axis": axis},
    )


def _copies(layer: _Layer) -> list[Node]:
    return [
        Node(
            op="identity",
            name=layer.name if not k else f"{layer.name}:{k}",
            inputs=(layer.inputs[0],),
            outputs=(out,),
        )
        for k, out in enumerate(layer.outputs)
    ]


def _plain(op: str, **fixed: Any) -> Callable[[_Layer], Node]:
    return lambda layer: layer.node(op, **fixed)


RULES: dict[str, Callable[[_Layer], Node | list[Node]]] = {
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "Bias": lambda layer: layer.node("add", [layer.tensor("bias", _aligned(layer.blob(0), 1))]),
    "LRN": _lrn,
    "ReLU": _relu,
    "PReLU": _prelu,
    "ELU": lambda layer: layer.node(
        "elu", alpha=float(_one(layer.parameters("elu_param"), "alpha", 1.0))
    ),
    "Sigmoid": _plain("sigmoid"),
    "TanH": _plain("tanh"),
    "AbsVal": _plain("abs"),
    "Exp": _plain("exp"),
    "Power": _power,
    "Eltwise": _eltwise,
    "Concat": _concat,
    "Softmax": _softmax,
    "SoftmaxWithLoss": _softmax,
    "Dropout": lambda layer: layer.node(
        "dropout", p=float(_one(layer.parameters("dropout_param"), "dropout_ratio", 0.5))
    ),
    "Flatten": lambda layer: layer.node(
        "flatten", axis=int(_one(layer.parameters("flatten_param"), "axis", 1))
    ),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _copies,
}
DATA_LAYERS = {"Input", "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData"}
SKIPPED = {"Accuracy", "Silence", "HDF5Output"}
TEXT_ENDINGS = (".prototxt", ".pbtxt", ".txt")

V1_TYPES = {
    1: "Accuracy",
    3: "Concat",
    4: "Convolution",
    5: "Data",
    6: "Dropout",
    8: "Flatten",
    9: "HDF5Data",
    12: "ImageData",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    19: "Sigmoid",
    20: "Softmax",
    21: "SoftmaxWithLoss",
    22: "Split",
    23: "TanH",
    25: "Eltwise",
    26: "Power",
    29: "MemoryData",
    33: "Slice",
    35: "AbsVal",
    36: "Silence",
    38: "Exp",
    39: "Deconvolution",
}
V1_NAMES = {
    "".join(
        "_" + c if c.isupper() and k and not n[k - 1].isupper() else c for k, c in enumerate(n)
    ).upper(): n
    for n in V1_TYPES.values()
}
V1_NAMES |= {"TANH": "TanH", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "ABSVAL": "AbsVal"}
V0_TYPES = {
    "conv": "Convolution",
    "innerproduct": "InnerProduct",
    "pool": "Pooling",
    "relu": "ReLU",
    "lrn": "LRN",
    "dropout": "Dropout",
    "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss",
    "concat": "Concat",
    "flatten": "Flatten",
    "sigmoid": "Sigmoid",
    "tanh": "TanH",
    "split": "Split",
    "padding": "Padding",
    "data": "Data",
    "accuracy": "Accuracy",
}
V0_FIELDS = {"kernelsize": "kernel_size", "biasterm": "bias_term"}
V0_MESSAGES = (
    "convolution_param",
    "inner_product_param",
    "pooling_param",
    "lrn_param",
    "dropout_param",
    "concat_param",
)

BLOB = {
    1: ("num", "int"),
    2: ("channels", "int"),
    3: ("height", "int"),
    4: ("width", "int"),
    5: ("data", "floats"),
    7: ("shape", {1: ("dim", "ints")}),
    8: ("double_data", "doubles"),
}
NET = {
    1: ("name", "text"),
    2: (
        "layers",
        {
            1: ("layer", {1: ("name", "text"), 2: ("type", "text"), 50: ("blobs", BLOB)}),
            4: ("name", "text"),
            5: ("type", "int"),
            6: ("blobs", BLOB),
        },
    ),
    100: ("layer", {1: ("name", "text"), 2: ("type", "text"), 7: ("blobs", BLOB)}),
}
"""Of a caffemodel only names and weights: what its layers do is told by the prototxt."""


def _detect(files: Sequence[GivenFile]) -> int:
    endings = {file.ending for file in files}
    if ".caffemodel" not in endings and ".prototxt" not in endings:
        return 0
    binary = [file for file in files if file.ending == ".caffemodel"]
    return 2 if all(looks_like_message(file.head, range(1, 201)) for file in binary) else 1


TOOLBOX = Toolbox(name="Caffe", endings=(".caffemodel", ".prototxt"), detect=_detect, read=_read)
