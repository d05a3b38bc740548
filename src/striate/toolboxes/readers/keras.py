"""Keras 2 and 3: `.keras` archives, whole models in HDF5, and files of weights alone.

Images are N x H x W x C and kernels H x W x I x O; values of the graph are N x C x H x W, with a
permute at the images and before what flattens. 'same' puts the odd cell at the end. Layers that
carry code (Lambda) and classes of one's own are refused.
"""

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import (
    Array,
    Graph,
    GraphInput,
    InputScaling,
    Node,
    ToolboxError,
)
from striate.toolboxes.wire.hdf5 import SIGNATURE, SafeFile, parse_json

Weights = dict[str, list[Array]]


def _read(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    if len(files) != 1:
        raise ToolboxError("One file is a whole network here.", "Name it alone.")
    content = files[0].read()
    if content.startswith(b"PK"):
        return _read_archive(content)
    opened = SafeFile(content)
    version = f"{opened.attribute('', 'keras_version') or ''}".strip()
    described = opened.attribute("", "model_config")
    if described is not None:
        model = parse_json(described)
        return _Assembly(model, _legacy_weights(opened, "model_weights"), version).graph()
    return _weights_alone(opened, version)


def _read_archive(content: bytes) -> Graph:
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sum(members.values()) > 1000 * len(content) + 2**26:
        raise ToolboxError("The archive would unpack to more than memory holds.")
    for name in ("config.json", "model.weights.h5"):
        if name not in members:
            raise ToolboxError(f"The archive has no {name}.", "Take a copy that is whole.")
    facts = parse_json(archive.read("metadata.json")) if "metadata.json" in members else {}
    weights = _tree_weights(SafeFile(archive.read("model.weights.h5")))
    model = parse_json(archive.read("config.json"))
    return _Assembly(model, weights, str(facts.get("keras_version", ""))).graph()


def _tree_weights(opened: SafeFile, path: str = "", depth: int = 0) -> Weights:
    """Arrays in their order for each layer's name; of nested models `OUTER/INNER`."""
    found: Weights = {}
    if depth > 16:
        raise ToolboxError("Models lie in each other more than 16 deep.")
    place = f"{path}/layers" if "layers" in opened.names(path) else f"{path}/_layer_checkpoint"
    for group in opened.names(place):
        here = f"{place}/{group}"
        name = opened.attribute(f"{here}/vars", "name") or group
        found[name] = _numbered(opened, f"{here}/vars")
        for part in opened.names(here):
            if part in ("depthwise_conv2d", "depthwise", "pointwise"):
                found[name] += _numbered(opened, f"{here}/{part}/vars")
        if "layers" in opened.names(here):
            inner = _tree_weights(opened, here, depth + 1)
            found.update({f"{name}/{each}": arrays for each, arrays in inner.items()})
    return found


def _numbered(opened: SafeFile, path: str) -> list[Array]:
    names = sorted(opened.names(path), key=lambda name: int(name) if name.isdigit() else 0)
    return [opened.array(f"{path}/{name}") for name in names]


def _legacy_weights(opened: SafeFile, root: str) -> Weights:
    """Arrays in the order of each layer's `weight_names`."""
    found: Weights = {}
    names = opened.attribute(root, "layer_names")
    if names is None:
        raise ToolboxError("It holds no weights.", "Save the whole model: model.save(FILE).")
    for layer in names:
        listed = opened.attribute(f"{root}/{layer}", "weight_names") or []
        found[layer] = []
        for name in listed:
            array = opened.array(f"{root}/{layer}/{name}")
            found[layer].append(array)
            inner = str(name).split("/")[0]
            if inner != layer:  # of a model inside
                found.setdefault(f"{layer}/{inner}", []).append(array)
    return found


def _weights_alone(opened: SafeFile, version: str) -> NamedTensors:
    tensors: dict[str, Array] = {}
    if opened.attribute("", "layer_names") is not None:
        for layer, arrays in _legacy_weights(opened, "").items():
            for number, array in enumerate(arrays):
                tensors[f"{layer}/{number}"] = array
    else:
        for layer, arrays in _tree_weights(opened).items():
            for number, array in enumerate(arrays):
                tensors[f"{layer}/{number}"] = array
    if not tensors:
        raise ToolboxError("It holds no weights of layers.")
    return NamedTensors(tensors=tensors, toolbox="Keras", version=version)


class _Layer:
    """A layer: its settings, its weights, and the values that it reads."""

    def __init__(self, kind: str, name: str, config: Mapping[str, Any], weights: list[Array]):
        self.kind, self.name, self.config, self.weights = kind, name, config, weights
        self.tensors: dict[str, Array] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []
        self.ranks: list[int] = []
        self.rank = 4
        self.last = True

    def get(self, name: str, default: Any = None) -> Any:
        return self.config.get(name, default)

    def weight(self, place: int) -> Array:
        if place >= len(self.weights):
            raise ToolboxError(
                f"Layer {self.name!r} ({self.kind}) has {len(self.weights)} weights in the file "
                "and needs more.",
                "Take a copy that is whole.",
            )
        return self.weights[place]

    def tensor(self, name: str, array: Array) -> str:
        full = f"{self.name}.{name}"
        self.tensors[full] = np.ascontiguousarray(array)
        return full

    def add(self, op: str, inputs: Sequence[str], part: str = "", **settings: Any) -> str:
        """Keeps a node; gives its value."""
        name = f"{self.name}:{part}" if part else self.name
        out = f"{name}:out"
        self.nodes.append(
            Node(op=op, name=name, inputs=tuple(inputs), outputs=(out,), attributes=settings)
        )
        return out

    def refuse(self, why: str) -> ToolboxError:
        return ToolboxError(f"Layer {self.name!r} ({self.kind}) cannot be read: {why}.")


class _Assembly:
    """Goes through the layers of a model's description."""

    def __init__(self, model: Mapping[str, Any], weights: Weights, version: str) -> None:
        self.model, self.weights, self.version = model, weights, version
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.layers: dict[str, str] = {}
        self.inputs: list[GraphInput] = []
        self.ranks: dict[str, int] = {}
        self.unknown: list[_Layer] = []
        self.count = 0
        self.last = not _has_channels_first(model)

    def graph(self) -> Graph:
        outputs = self._model(self.model, "", None, 0)
        if self.unknown:
            kinds = ", ".join(sorted({layer.kind for layer in self.unknown}))
            first = self.unknown[0]
            raise ToolboxError(
                f"Layer {first.name!r} is a {first.kind}, which is not known; "
                f"{self.count - len(self.unknown)} of {self.count} layers were understood "
                f"(not known: {kinds}).",
                "A Lambda or a class of one's own is code, and no code of a file is run.",
            )
        outputs = [self._as_toolbox_shows(value) for value in outputs]
        rescaled = any(layer["class_name"] == "Rescaling" for layer in _all_layers(self.model))
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(self.inputs),
            outputs=tuple(outputs),
            toolbox="Keras",
            version=self.version,
            preprocessing=InputScaling(scale=1.0 if rescaled else 1 / 255, known=rescaled),
            layers=self.layers,
            layers_layout="NHWC" if self.last else "NCHW",
        )

    def _as_toolbox_shows(self, value: str) -> str:
        if not self.last or self.ranks.get(value, 2) != 4:
            return value
        out = f"{value}:rows"
        self.nodes.append(
            Node(
                op="permute",
                name=out,
                inputs=(value,),
                outputs=(out,),
                attributes={"axes": (0, 2, 3, 1)},
            )
        )
        return out

    def _model(
        self, model: Mapping[str, Any], path: str, given: list[str] | None, depth: int
    ) -> list[str]:
        """The values that a model gives; `given` are its inputs where it lies in another."""
        if depth > 8:
            raise ToolboxError("Models lie in each other more than 8 deep.")
        config = model["config"]
        described = config if isinstance(config, list) else config["layers"]
        values: dict[str, list[str]] = {}
        left = list(given) if given is not None else None
        before: list[str] = list(given or [])
        sequential = model["class_name"] == "Sequential"
        for entry in described:
            name = entry.get("name") or entry["config"]["name"]
            full = f"{path}{name}"
            if entry["class_name"] == "InputLayer":
                if left:
                    values[name] = before = [left.pop(0)]
                elif not sequential or not before:
                    values[name] = before = [self._add_input(name, entry["config"])]
                continue
            if sequential and not before:
                shape = _shape_of(entry["config"])
                if shape is None:
                    raise ToolboxError(
                        "The model does not say what it takes in.", "Save it after it was built."
                    )
                before = [self._add_input("images", entry["config"])]
            if sequential:
                inputs = before
            else:
                inputs = [values[source][place] for source, place in _inbound(entry)]
            if entry["class_name"] in ("Functional", "Model", "Sequential"):
                before = self._model(entry, f"{full}/", inputs, depth + 1)
            else:
                before = [self._layer(entry, full, inputs)]
            values[name] = before
        if sequential:
            return before
        ends = config.get("output_layers", [])
        return [values[source][place] for source, place in _endpoints(ends)]

    def _add_input(self, name: str, config: Mapping[str, Any]) -> str:
        shape = _shape_of(config) or (None,)
        layout = ("NHWC" if self.last else "NCHW") if len(shape) == 4 else ""
        self.inputs.append(GraphInput(name=name, shape=(None, *shape[1:]), layout=layout))
        if layout != "NHWC":
            self.ranks[name] = len(shape)
            return name
        out = f"{name}:maps"
        self.nodes.append(
            Node(
                op="permute",
                name=out,
                inputs=(name,),
                outputs=(out,),
                attributes={"axes": (0, 3, 1, 2)},
            )
        )
        self.ranks[out] = 4
        return out

    def _layer(self, entry: Mapping[str, Any], name: str, inputs: list[str]) -> str:
        kind = entry["class_name"]
        self.count += 1
        layer = _Layer(kind, name, entry["config"], self.weights.get(name, []))
        layer.inputs, layer.last = inputs, self.last
        layer.ranks = [self.ranks.get(value, 2) for value in inputs]
        layer.rank = layer.ranks[0]
        registered = entry.get("registered_name")
        if kind not in RULES or (registered and ">" in str(registered)):
            self.unknown.append(layer)
            return inputs[0]
        value = RULES[kind](layer)
        if kind not in WITHOUT_ACTIVATION:
            value = _activate(layer, value, layer.get("activation"))
        self.nodes += layer.nodes
        self.tensors.update(layer.tensors)
        self.ranks[value] = layer.rank
        self.layers[name] = value
        return value


def _all_layers(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    config = model["config"]
    found: list[Mapping[str, Any]] = []
    for entry in config if isinstance(config, list) else config.get("layers", []):
        found.append(entry)
        if isinstance(entry["config"], dict) and "layers" in entry["config"]:
            found += _all_layers(entry)
    return found


def _has_channels_first(model: Mapping[str, Any]) -> bool:
    formats = {
        entry["config"].get("data_format")
        for entry in _all_layers(model)
        if isinstance(entry["config"], dict)
    }
    if {"channels_first", "channels_last"} <= formats:
        raise ToolboxError("Some of its layers have channels first, and some last.")
    return "channels_first" in formats


def _shape_of(config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    return None if shape is None else tuple(shape)


def _inbound(entry: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The layers whose values a layer reads: Keras 3 writes tensors, Keras 2 lists."""
    nodes = entry.get("inbound_nodes", [])
    if len(nodes) != 1:
        raise ToolboxError(f"Layer {entry.get('name')!r} is used {len(nodes)} times.")
    node = nodes[0]
    if isinstance(node, dict):
        found: list[tuple[str, int]] = []
        _collect_tensors(node.get("args", []), found, 0)
        return found
    return [
        (str(each[0]), int(each[2])) for each in (node if isinstance(node[0], list) else [node])
    ]


def _collect_tensors(value: Any, found: list[tuple[str, int]], depth: int) -> None:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        source, _, place = value["config"]["keras_history"]
        found.append((str(source), int(place)))
    elif isinstance(value, list) and depth < 8:
        for each in value:
            _collect_tensors(each, found, depth + 1)


def _endpoints(ends: Any) -> list[tuple[str, int]]:
    if ends and isinstance(ends[0], str):
        ends = [ends]
    return [(str(end[0]), int(end[2])) for end in ends]


# Rules: one for each kind of layer; each gives the value that comes out ---------------------------


def _two(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _pads(layer: _Layer) -> Any:
    padding = layer.get("padding", "valid")
    if padding not in ("same", "valid"):
        raise layer.refuse(f"its padding {padding!r} is not known")
    return "same_upper" if padding == "same" else (0, 0, 0, 0)


def _bias(layer: _Layer, place: int = 1) -> list[str]:
    return [layer.tensor("bias", layer.weight(place))] if layer.get("use_bias", True) else []


def _conv(layer: _Layer) -> str:
    kernel = layer.weight(0).transpose(3, 2, 0, 1)
    given = [layer.inputs[0], layer.tensor("weight", kernel), *_bias(layer)]
    return layer.add(
        "conv",
        given,
        stride=_two(layer.get("strides", 1)),
        pads=_pads(layer),
        dilation=_two(layer.get("dilation_rate", 1)),
        groups=int(layer.get("groups", 1)),
    )


def _depthwise_kernel(kernel: Array) -> Array:
    h, w, channels, multiplier = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, h, w)


def _depthwise(layer: _Layer) -> str:
    kernel = layer.weight(0)
    weight = layer.tensor("weight", _depthwise_kernel(kernel))
    return layer.add(
        "conv",
        [layer.inputs[0], weight, *_bias(layer)],
        stride=_two(layer.get("strides", 1)),
        pads=_pads(layer),
        dilation=_two(layer.get("dilation_rate", 1)),
        groups=int(kernel.shape[2]),
    )


def _separable(layer: _Layer) -> str:
    kernel, point = layer.weight(0), layer.weight(1)
    deep = layer.tensor("depthwise", _depthwise_kernel(kernel))
    maps = layer.add(
        "conv",
        [layer.inputs[0], deep],
        "depthwise",
        stride=_two(layer.get("strides", 1)),
        pads=_pads(layer),
        dilation=_two(layer.get("dilation_rate", 1)),
        groups=int(kernel.shape[2]),
    )
    weight = layer.tensor("pointwise", point.transpose(3, 2, 0, 1))
    return layer.add("conv", [maps, weight, *_bias(layer, 2)])


def _conv_transpose(layer: _Layer) -> str:
    kernel, stride = layer.weight(0), _two(layer.get("strides", 1))
    if layer.get("output_padding") is not None or _two(layer.get("dilation_rate", 1)) != (1, 1):
        raise layer.refuse("its output_padding or dilation is not known")
    weight = layer.tensor("weight", kernel.transpose(3, 2, 0, 1))
    pads, extra = [], []
    for length, step in zip(kernel.shape[:2], stride, strict=True):
        cut = max(length - step, 0) if layer.get("padding") == "same" else 0
        pads.append((cut // 2, cut - cut // 2))
        extra.append(max(step - length, 0))
    (top, bottom), (left, right) = pads
    return layer.add(
        "conv_transpose",
        [layer.inputs[0], weight, *_bias(layer)],
        stride=stride,
        pads=(left, right, top, bottom),
        output_padding=tuple(extra),
    )


def _dense(layer: _Layer) -> str:
    value = layer.inputs[0]
    weight = layer.tensor("weight", layer.weight(0).T)
    if layer.rank == 4 and layer.last:
        value = layer.add("permute", [value], "rows", axes=(0, 2, 3, 1))
        value = layer.add("linear", [value, weight, *_bias(layer)], "rows_out")
        return layer.add("permute", [value], axes=(0, 3, 1, 2))
    return layer.add("linear", [value, weight, *_bias(layer)])


def _batch_norm(layer: _Layer) -> str:
    axis = layer.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    wanted = (-1, layer.rank - 1) if layer.last or layer.rank != 4 else (1,)
    if axis not in wanted:
        raise layer.refuse(f"it normalises axis {axis}")
    weights = list(layer.weights)
    gamma = weights.pop(0) if layer.get("scale", True) and weights else None
    beta = weights.pop(0) if layer.get("center", True) and weights else None
    if len(weights) != 2:
        raise layer.refuse(f"it has {len(layer.weights)} weights")
    names = [
        "" if array is None else layer.tensor(name, array)
        for name, array in zip(
            ("gamma", "beta", "mean", "variance"), (gamma, beta, *weights), strict=True
        )
    ]
    return layer.add(
        "batch_norm", [layer.inputs[0], *names], epsilon=float(layer.get("epsilon", 1e-3))
    )


def _pool(op: str) -> Callable[[_Layer], str]:
    def rule(layer: _Layer) -> str:
        kernel = _two(layer.get("pool_size", 2))
        stride = _two(layer.get("strides") or kernel)
        return layer.add(op, layer.inputs, kernel=kernel, stride=stride, pads=_pads(layer))

    return rule


def _global_pool(mode: str) -> Callable[[_Layer], str]:
    def rule(layer: _Layer) -> str:
        keep = bool(layer.get("keepdims", False))
        layer.rank = 4 if keep else 2
        return layer.add("reduce", layer.inputs, mode=mode, axes=(2, 3), keepdims=keep)

    return rule


def _flatten(layer: _Layer) -> str:
    value = layer.inputs[0]
    if layer.rank == 4 and layer.last:
        value = layer.add("permute", [value], "rows", axes=(0, 2, 3, 1))
    layer.rank = 2
    return layer.add("flatten", [value])


def _reshape(layer: _Layer) -> str:
    value, shape = layer.inputs[0], [int(n) for n in layer.get("target_shape")]
    if layer.rank == 4 and layer.last:
        value = layer.add("permute", [value], "rows", axes=(0, 2, 3, 1))
    layer.rank = len(shape) + 1
    value = layer.add("reshape", [value], "shape", shape=(0, *shape), zero_copies=True)
    if layer.rank == 4 and layer.last:
        return layer.add("permute", [value], axes=(0, 3, 1, 2))
    return layer.add("identity", [value])


def _relu(layer: _Layer) -> str:
    most, slope = layer.get("max_value"), float(layer.get("negative_slope") or 0.0)
    if float(layer.get("threshold") or 0.0):
        raise layer.refuse("it has a threshold")
    if most is not None:
        if slope:
            raise layer.refuse("it has a slope and a largest value")
        return layer.add("clip", layer.inputs, low=0.0, high=float(most))
    return (
        layer.add("leaky_relu", layer.inputs, slope=slope)
        if slope
        else layer.add("relu", layer.inputs)
    )


def _leaky(layer: _Layer) -> str:
    slope = layer.get("negative_slope", layer.get("alpha", 0.3))
    return layer.add("leaky_relu", layer.inputs, slope=float(slope))


def _prelu(layer: _Layer) -> str:
    slope = layer.weight(0)
    if layer.rank == 4 and layer.last and slope.ndim == 3:
        slope = slope.transpose(2, 0, 1)
    return layer.add("prelu", [layer.inputs[0], layer.tensor("slope", slope)])


def _softmax(layer: _Layer) -> str:
    axis = int(layer.get("axis", -1))
    return layer.add("softmax", layer.inputs, axis=_axis(layer, axis))


def _axis(layer: _Layer, axis: int) -> int:
    """An axis of the toolbox's as one of ours."""
    if layer.rank != 4 or not layer.last:
        return axis
    return (0, 2, 3, 1)[axis % 4]


def _merge(op: str) -> Callable[[_Layer], str]:
    def rule(layer: _Layer) -> str:
        value = layer.inputs[0]
        for number, other in enumerate(layer.inputs[1:], 1):
            last = number == len(layer.inputs) - 1
            value = layer.add(op, [value, other], "" if last else str(number))
        return value

    return rule


def _average(layer: _Layer) -> str:
    total = layer.inputs[0]
    for number, other in enumerate(layer.inputs[1:], 1):
        total = layer.add("add", [total, other], str(number))
    count = layer.tensor("count", np.array(len(layer.inputs), np.float32))
    return layer.add("div", [total, count])


def _concatenate(layer: _Layer) -> str:
    return layer.add("concat", layer.inputs, axis=_axis(layer, int(layer.get("axis", -1))))


def _zero_padding(layer: _Layer) -> str:
    (top, bottom), (left, right) = _margins(layer.get("padding", 1))
    return layer.add("pad", layer.inputs, pads=((0, 0), (0, 0), (top, bottom), (left, right)))


def _cropping(layer: _Layer) -> str:
    (top, bottom), (left, right) = _margins(layer.get("cropping", 0))
    return layer.add("pad", layer.inputs, pads=((0, 0), (0, 0), (-top, -bottom), (-left, -right)))


def _margins(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(value, int):
        return (value, value), (value, value)
    return _two(value[0]), _two(value[1])


def _upsampling(layer: _Layer) -> str:
    mode = {"nearest": "nearest", "bilinear": "linear"}.get(layer.get("interpolation", "nearest"))
    if mode is None:
        raise layer.refuse("its interpolation is not known")
    scales = tuple(float(n) for n in _two(layer.get("size", 2)))
    return layer.add("resize", [layer.inputs[0]], mode=mode, scales=scales)


def _rescaling(layer: _Layer) -> str:
    scale, offset = layer.get("scale"), layer.get("offset", 0.0)
    value = layer.add("mul", [layer.inputs[0], _a_channel(layer, "scale", scale)], "times")
    return layer.add("add", [value, _a_channel(layer, "offset", offset)])


def _normalization(layer: _Layer) -> str:
    if layer.get("mean") is not None:
        mean, variance = layer.get("mean"), layer.get("variance")
    else:
        mean, variance = layer.weight(0), layer.weight(1)
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float32)), 1e-7)
    centred = layer.add("sub", [layer.inputs[0], _a_channel(layer, "mean", mean)], "centred")
    return layer.add("div", [centred, _a_channel(layer, "deviation", deviation)])


def _a_channel(layer: _Layer, name: str, numbers: Any) -> str:
    array = np.asarray(numbers, np.float32)
    if array.size == 1:
        array = array.reshape(())
    elif layer.rank == 4 and layer.last:
        array = array.reshape(-1, 1, 1)
    return layer.tensor(name, array)


def _activation(layer: _Layer) -> str:
    return _activate(layer, layer.inputs[0], layer.get("activation"), own=True)


def _activate(layer: _Layer, value: str, asked: Any, own: bool = False) -> str:
    """The value behind an activation that a layer names; `own` where it is all the layer does."""
    if asked is None or asked == "linear":
        return layer.add("identity", [value]) if own else value
    settings: dict[str, Any] = {}
    if isinstance(asked, dict):
        own_config = asked.get("config")
        settings = own_config if isinstance(own_config, dict) else {}
        asked = asked.get("class_name") if "class_name" in asked else asked.get("config")
        asked = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(asked)).lower()
    if asked not in ACTIVATIONS:
        raise layer.refuse(f"its activation {asked!r} is not known")
    op, fixed = ACTIVATIONS[asked]
    if op in ("softmax", "log_softmax"):
        fixed = {"axis": _axis(layer, -1)}
    if op == "leaky_relu" and "negative_slope" in settings:
        fixed = {"slope": float(settings["negative_slope"])}
    return layer.add(op, [value], "" if own else "activation", **fixed)


def _keep(layer: _Layer) -> str:
    return layer.add("identity", layer.inputs[:1])


def _dropout(layer: _Layer) -> str:
    return layer.add("dropout", layer.inputs[:1], p=float(layer.get("rate", 0.5)))


def _elu(layer: _Layer) -> str:
    return layer.add("elu", layer.inputs, alpha=float(layer.get("alpha", 1.0)))


ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("relu", {}),
    "relu6": ("clip", {"low": 0.0, "high": 6.0}),
    "leaky_relu": ("leaky_relu", {"slope": 0.2}),
    "sigmoid": ("sigmoid", {}),
    "hard_sigmoid": ("hard_sigmoid", {"alpha": 1 / 6}),
    "hard_silu": ("hard_swish", {}),
    "hard_swish": ("hard_swish", {}),
    "tanh": ("tanh", {}),
    "softmax": ("softmax", {}),
    "log_softmax": ("log_softmax", {}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "gelu": ("gelu", {}),
    "swish": ("silu", {}),
    "silu": ("silu", {}),
    "softplus": ("softplus", {}),
    "softsign": ("softsign", {}),
    "mish": ("mish", {}),
    "exponential": ("exp", {}),
}
WITHOUT_ACTIVATION = {"Activation", "PReLU", "LeakyReLU"}
RULES: dict[str, Callable[[_Layer], str]] = {
    "Conv2D": _conv,
    "Convolution2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _conv_transpose,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "MaxPooling2D": _pool("max_pool"),
    "AveragePooling2D": _pool("avg_pool"),
    "GlobalAveragePooling2D": _global_pool("mean"),
    "GlobalMaxPooling2D": _global_pool("max"),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "PReLU": _prelu,
    "ELU": _elu,
    "Softmax": _softmax,
    "Activation": _activation,
    "Add": _merge("add"),
    "Subtract": _merge("sub"),
    "Multiply": _merge("mul"),
    "Maximum": _merge("maximum"),
    "Minimum": _merge("minimum"),
    "Average": _average,
    "Concatenate": _concatenate,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "UpSampling2D": _upsampling,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Dropout": _dropout,
    "SpatialDropout2D": _dropout,
    "GaussianNoise": _keep,
    "GaussianDropout": _keep,
    "AlphaDropout": _keep,
    "ActivityRegularization": _keep,
    "RandomFlip": _keep,
    "RandomRotation": _keep,
    "RandomZoom": _keep,
    "RandomTranslation": _keep,
    "RandomContrast": _keep,
}


def _detect(files: Sequence[GivenFile]) -> int:
    head, ending = files[0].head, files[0].ending
    if head.startswith(b"PK"):
        return 2 if b"config.json" in head[:200] or b"metadata.json" in head[:200] else 0
    if head.startswith(SIGNATURE):
        return 2 if ending in TOOLBOX.endings else 1
    return 1 if ending in TOOLBOX.endings else 0


TOOLBOX = Toolbox(name="Keras", endings=(".keras", ".h5", ".hdf5"), detect=_detect, read=_read)
