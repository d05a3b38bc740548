"""MatConvNet (MATLAB): SimpleNN and DagNN networks in `.mat` files."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, InputScaling, Node, ToolboxError
from striate.toolboxes.wire.matlab import is_matlab, read_matlab

Fields = dict[str, Any]


def detect_matconvnet(files: Sequence[GivenFile]) -> int:
    """2 for a MATLAB file: no other toolbox here uses them."""
    return 2 if is_matlab(files[0].head) else int(files[0].ending == ".mat")


def read_matconvnet(files: Sequence[GivenFile]) -> Graph:
    """The network of a file: its variable `net`, or its variables themselves."""
    found = read_matlab(files[0].read())
    net = found.get("net", found)
    if not isinstance(net, dict) or "layers" not in net:
        raise ToolboxError(
            f"It holds no network, but {', '.join(map(repr, list(found)[:6])) or 'nothing'}.",
            "Save the network as the variable net.",
        )
    layers = [layer for layer in _listed(net["layers"]) if isinstance(layer, dict)]
    maker = _Maker(_flatten_meta(net))
    if "params" in net or any("block" in layer for layer in layers):
        outputs = _add_dag(maker, net, layers)
    else:
        outputs = _add_chain(maker, layers)
    return maker.finish(outputs)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _flatten_meta(net: Fields) -> Fields:
    """What is told of the network: `meta`, or the fields of old files."""
    meta = net.get("meta")
    meta = meta[0] if isinstance(meta, list) and meta else meta
    return meta if isinstance(meta, dict) else net


class _Maker:
    """Collects nodes; values go by the names of MatConvNet's own variables."""

    def __init__(self, meta: Fields) -> None:
        self.meta = meta
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.layers: dict[str, str] = {}
        self.channels: dict[str, int] = {}
        self.notes: list[str] = []
        self.inputs: list[str] = []

    def add(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        output: str,
        tensors: dict[str, Array | None] | None = None,
        **given: Any,
    ) -> None:
        """Add a node; `tensors` are its constants by name, None where one is left out."""
        read = list(inputs)
        for key, value in (tensors or {}).items():
            read.append("" if value is None else f"{name}.{key}")
            if value is not None:
                self.tensors[f"{name}.{key}"] = np.ascontiguousarray(value, np.float32)
        while not read[-1]:
            read.pop()
        self.nodes.append(
            Node(op=op, name=name, inputs=tuple(read), outputs=(output,), attributes=given)
        )

    def finish(self, outputs: tuple[str, ...]) -> Graph:
        """The graph, with preprocessing and class names."""
        size = _numbers(self._input_size())
        channels = size[2] if len(size) > 2 else None
        shape = (None, channels, *(size[:2] if len(size) > 1 else (None, None)))
        return Graph(
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(GraphInput(name=name, shape=shape, layout="HWCN") for name in self.inputs),
            outputs=outputs,
            toolbox="MatConvNet",
            preprocessing=_find_preprocessing(self.meta, channels),
            classes=_find_classes(self.meta),
            layers=self.layers,
            layers_layout="HWCN",
            notes=tuple(self.notes),
        )

    def _input_size(self) -> Any:
        inputs = _listed(self.meta.get("inputs") or [])
        if inputs and isinstance(inputs[0], dict) and "size" in inputs[0]:
            return inputs[0]["size"]
        normalization = _first(self.meta.get("normalization"))
        return self.meta.get("inputSize", normalization.get("imageSize"))


def _first(value: Any) -> Fields:
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, dict) else {}


def _numbers(value: Any) -> list[int]:
    if value is None or isinstance(value, (str, dict, list)):
        return []
    return [int(number) for number in np.asarray(value).flatten(order="F")]


def _find_preprocessing(meta: Fields, channels: int | None) -> InputScaling:
    normalization = _first(meta.get("normalization"))
    average = np.asarray(normalization.get("averageImage", []), np.float64)
    if not average.size:
        return InputScaling(scale=1.0, note="Images of 0 to 255, by habit.")
    axes = tuple(range(min(2, average.ndim)))
    mean = average.mean(axis=axes).flatten() if average.ndim == 3 else average.flatten()
    if channels and len(mean) not in (1, channels):
        mean = np.full(1, average.mean())
    note = "The mean of the average image of the file." if average.size > 4 else ""
    if not np.any(mean):
        return InputScaling(note="The file subtracts nothing; its scale is not told.")
    return InputScaling(scale=1.0, mean=tuple(float(m) for m in mean), known=True, note=note)


def _find_classes(meta: Fields) -> tuple[str, ...]:
    classes = _first(meta.get("classes"))
    names = classes.get("description") or classes.get("name") or []
    return tuple(names) if all(isinstance(name, str) for name in _listed(names)) else ()


def _add_chain(maker: _Maker, layers: list[Fields]) -> tuple[str, ...]:
    """A SimpleNN: each layer reads what the one before it gives."""
    maker.inputs.append("input")
    value = "input"
    for number, layer in enumerate(layers):
        kind = str(layer.get("type", ""))
        name = str(layer.get("name") or f"layer{number + 1}")
        make = CHAIN.get(kind)
        if make is None:
            raise ToolboxError(
                f"Layer {name!r} has the type {kind!r}, which is not known; "
                f"{number} of {len(layers)} layers before it are."
            )
        out = f"{name}:{number}"
        weights = layer.get("weights")
        weights = weights if isinstance(weights, list) else []
        if not weights and "filters" in layer:
            weights = [layer["filters"], layer.get("biases")]
        make(maker, name, [value], out, {**layer, "size_of": layer.get("pool")}, weights)
        maker.layers[name] = value = out
    return (value,)


def _add_dag(maker: _Maker, net: Fields, layers: list[Fields]) -> tuple[str, ...]:
    """A DagNN: layers name the variables that they read and give; run in an order that fits."""
    params = {str(p["name"]): p.get("value") for p in _listed(net.get("params") or [])}
    layers = [layer for layer in layers if str(layer.get("type")) not in LOSSES]
    given = {name for layer in layers for name in _names(layer.get("outputs"))}
    known: set[str] = set()
    for layer in layers:
        for name in _names(layer.get("inputs")):
            if name not in given and name not in known:
                known.add(name)
                maker.inputs.append(name)
    waiting = list(layers)
    while waiting:
        ready = [layer for layer in waiting if known.issuperset(_names(layer.get("inputs")))]
        if not ready:
            raise ToolboxError(f"Layer {waiting[0].get('name')!r} waits for itself.")
        for layer in ready:
            _add_dag_layer(maker, layer, params, len(maker.nodes), len(layers))
            known.update(_names(layer.get("outputs")))
        done = {id(layer) for layer in ready}
        waiting = [layer for layer in waiting if id(layer) not in done]
    read = {name for layer in layers for name in _names(layer.get("inputs"))}
    return tuple(name for layer in layers for name in _names(layer["outputs"]) if name not in read)


def _add_dag_layer(maker: _Maker, layer: Fields, params: Fields, done: int, whole: int) -> None:
    kind, name = str(layer.get("type", "")), str(layer.get("name", ""))
    make = DAG.get(kind.removeprefix("dagnn."))
    if make is None:
        raise ToolboxError(
            f"Layer {name!r} has the type {kind!r}, which is not known; "
            f"{done} of {whole} layers before it are."
        )
    block = _first(layer.get("block"))
    missing = [p for p in _names(layer.get("params")) if p not in params]
    if missing:
        raise ToolboxError(f"Layer {name!r} lacks its parameter {missing[0]!r}.")
    weights = [params[p] for p in _names(layer.get("params"))]
    (output,) = _names(layer["outputs"])
    fields = {**block, "size_of": block.get("poolSize")}
    make(maker, name, _names(layer["inputs"]), output, fields, weights)
    maker.layers[name] = maker.layers[output] = output


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(name) for name in value] if isinstance(value, list) else []


def _pair(value: Any, default: int = 1) -> tuple[int, int]:
    numbers = _numbers(value) or [default]
    return (numbers[0], numbers[-1])


def _pads(value: Any) -> tuple[int, int, int, int]:
    """[top bottom left right], or one for all, as (left, right, top, bottom)."""
    numbers = _numbers(value) or [0]
    top, bottom, left, right = numbers if len(numbers) == 4 else numbers[:1] * 4
    return (left, right, top, bottom)


def _conv(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    if not weights or not np.size(weights[0]):
        raise ToolboxError(f"Layer {name!r} has no filters.")
    filters = _four_axes(weights[0])
    groups = _count_groups(maker, inputs[0], filters.shape[2], name)
    bias = weights[1] if len(weights) > 1 and np.size(weights[1]) else None
    maker.add(
        "conv",
        name,
        inputs,
        out,
        {
            "weight": filters.transpose(3, 2, 0, 1),
            "bias": None if bias is None else np.asarray(bias).flatten(),
        },
        stride=_pair(fields.get("stride")),
        pads=_pads(fields.get("pad")),
        dilation=_pair(fields.get("dilate")),
        groups=groups,
    )
    maker.channels[out] = filters.shape[3]


def _four_axes(value: Any) -> Array:
    """Filters as height, width, in, out: MATLAB drops last axes of length one."""
    filters: Array = np.asarray(value)
    return filters.reshape([*filters.shape, *[1] * (4 - filters.ndim)])


def _count_groups(maker: _Maker, value: str, depth: int, name: str) -> int:
    """A filter that is shallower than the map it reads is one of several groups."""
    known = maker.channels.get(value)
    if known is None:
        maker.channels[value] = depth
        return 1
    if depth < 1 or known % depth:
        raise ToolboxError(f"Layer {name!r} reads {known} channels by filters of {depth}.")
    return known // depth


def _conv_transpose(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    filters = _four_axes(weights[0])
    groups = (_numbers(fields.get("numGroups")) or [1])[0]
    bias = weights[1] if len(weights) > 1 and np.size(weights[1]) else None
    maker.add(
        "conv_transpose",
        name,
        inputs,
        out,
        {
            "weight": filters.transpose(3, 2, 0, 1),  # kept as height, width, out, in
            "bias": None if bias is None else np.asarray(bias).flatten(),
        },
        stride=_pair(fields.get("upsample", fields.get("stride"))),
        pads=_pads(fields.get("crop")),
        groups=groups,
    )
    maker.channels[out] = filters.shape[2] * groups


def _batch_norm(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    if len(weights) < 3 or not np.size(weights[2]):
        raise ToolboxError(f"Layer {name!r} keeps no moments: it cannot be evaluated.")
    moments: Array = np.asarray(weights[2], np.float64)
    if moments.ndim != 2 or moments.shape[1] != 2 or not np.all(moments[:, 1] > 0):
        raise ToolboxError(f"The moments of layer {name!r} are no means and deviations.")
    # The deviations are the roots of variance + epsilon already.
    maker.add(
        "batch_norm",
        name,
        inputs,
        out,
        {
            "weight": np.asarray(weights[0]).flatten(),
            "bias": np.asarray(weights[1]).flatten(),
            "mean": moments[:, 0],
            "variance": moments[:, 1] ** 2,
        },
        epsilon=0.0,
    )
    _keep_channels(maker, inputs, out)


def _pool(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    method = str(fields.get("method") or "max")
    if method not in ("max", "avg"):
        raise ToolboxError(f"Layer {name!r} pools by {method!r}, which is not known.")
    maker.add(
        f"{method}_pool",
        name,
        inputs,
        out,
        kernel=_pair(fields.get("size_of")),
        stride=_pair(fields.get("stride")),
        pads=_pads(fields.get("pad")),
    )
    _keep_channels(maker, inputs, out)


def _relu(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    leak = np.asarray(fields.get("leak", 0.0), np.float64)
    slope = float(leak.flat[0]) if leak.size else 0.0
    if slope:
        maker.add("leaky_relu", name, inputs, out, slope=slope)
    else:
        maker.add("relu", name, inputs, out)
    _keep_channels(maker, inputs, out)


def _lrn(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    numbers = np.asarray(fields["param"], np.float64).flatten()
    size, kappa, alpha, beta = (float(number) for number in numbers[:4])
    # MatConvNet does not divide alpha by the number of channels in the window.
    maker.add("lrn", name, inputs, out, size=int(size), alpha=alpha * int(size), beta=beta, k=kappa)
    _keep_channels(maker, inputs, out)


def _dropout(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    rate = np.asarray(fields.get("rate", 0.5), np.float64)
    maker.add("dropout", name, inputs, out, p=float(rate.flat[0]) if rate.size else 0.5)
    _keep_channels(maker, inputs, out)


def _plain(op: str, **given: Any) -> "Layer":
    def make(
        maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
    ) -> None:
        maker.add(op, name, inputs[:1], out, **given)
        _keep_channels(maker, inputs, out)

    return make


def _sum(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    value = inputs[0]
    for number, other in enumerate(inputs[1:], 1):
        step = out if number == len(inputs) - 1 else f"{out}:{number}"
        maker.add("add", name if step == out else f"{name}:{number}", [value, other], step)
        value = step
    _keep_channels(maker, inputs, out)


def _concat(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    dim = (_numbers(fields.get("dim")) or [3])[0]
    maker.add("concat", name, inputs, out, axis=HWCN_TO_NCHW[dim - 1])
    known = [maker.channels.get(value) for value in inputs]
    if dim == 3 and None not in known:
        maker.channels[out] = sum(n for n in known if n is not None)
    else:
        _keep_channels(maker, inputs, out)


def _scale(
    maker: _Maker, name: str, inputs: list[str], out: str, fields: Fields, weights: list[Any]
) -> None:
    """A factor a channel, and a bias where there is one."""
    tensors = [np.asarray(w, np.float32).flatten().reshape(-1, 1, 1) for w in weights]
    step = out if len(tensors) == 1 else f"{out}:scaled"
    maker.add("mul", name, inputs[:1], step, {"factor": tensors[0]})
    if len(tensors) > 1:
        maker.add("add", f"{name}:bias", [step], out, {"bias": tensors[1]})
    _keep_channels(maker, inputs, out)


def _keep_channels(maker: _Maker, inputs: list[str], out: str) -> None:
    if inputs[0] in maker.channels:
        maker.channels[out] = maker.channels[inputs[0]]


Layer = Callable[[_Maker, str, list[str], str, Fields, list[Any]], None]
HWCN_TO_NCHW = (2, 3, 1, 0)
LOSSES = ("dagnn.Loss", "dagnn.SegmentationLoss", "dagnn.SegmentationAccuracy")
CHAIN: dict[str, Layer] = {
    "conv": _conv,
    "convt": _conv_transpose,
    "bnorm": _batch_norm,
    "pool": _pool,
    "relu": _relu,
    "sigmoid": _plain("sigmoid"),
    "normalize": _lrn,
    "lrn": _lrn,
    "dropout": _dropout,
    "softmax": _plain("softmax"),
    "softmaxloss": _plain("softmax"),
}
DAG: dict[str, Layer] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNorm": _batch_norm,
    "Pooling": _pool,
    "ReLU": _relu,
    "Sigmoid": _plain("sigmoid"),
    "LRN": _lrn,
    "DropOut": _dropout,
    "SoftMax": _plain("softmax"),
    "Sum": _sum,
    "Concat": _concat,
    "Scale": _scale,
}
TOOLBOX = Toolbox(
    name="MatConvNet", endings=(".mat",), detect=detect_matconvnet, read=read_matconvnet
)
