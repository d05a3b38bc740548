"""TensorFlow 1 and 2: SavedModel, frozen graphs, checkpoints with or without their meta graph."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, ToolboxError
from striate.toolboxes.traced_nodes import NhwcNodes
from striate.toolboxes.wire.protobuf import Message, looks_like_message, read_message
from striate.toolboxes.wire.tensor_bundle import (
    SHAPE,
    TENSOR,
    is_table,
    read_checkpoint,
    shape_of,
    tensor_of,
)

_VALUE = {
    1: ("list", {2: ("texts", "bytes"), 3: ("ints", "ints"), 4: ("floats", "floats")}),
    2: ("text", "bytes"),
    3: ("int", "int"),
    4: ("float", "float"),
    5: ("truth", "int"),
    6: ("type", "int"),
    7: ("shape", SHAPE),
    8: ("tensor", TENSOR),
    10: ("function", {1: ("name", "text")}),
}
_NODE = {
    1: ("name", "text"),
    2: ("op", "text"),
    3: ("inputs", "text"),
    5: ("attributes", {1: ("key", "text"), 2: ("value", _VALUE)}),
}
_ARGUMENT = {1: ("name", "text"), 2: ("description", "text")}
_FUNCTION = {
    1: (
        "signature",
        {1: ("name", "text"), 2: ("inputs", _ARGUMENT), 3: ("outputs", _ARGUMENT)},
    ),
    3: ("nodes", _NODE),
    4: ("returns", {1: ("key", "text"), 2: ("value", "text")}),
}
_GRAPH = {1: ("nodes", _NODE), 2: ("library", {1: ("functions", _FUNCTION)})}
_ENDS = {1: ("key", "text"), 2: ("value", {1: ("name", "text")})}
_SIGNATURE = {1: ("key", "text"), 2: ("value", {1: ("inputs", _ENDS), 2: ("outputs", _ENDS)})}
_META = {2: ("graph", _GRAPH), 5: ("signatures", _SIGNATURE)}
_SAVED = {1: ("version", "int"), 2: ("metas", _META)}


def detect_tensorflow(files: Sequence[GivenFile]) -> int:
    """2 for a folder of a SavedModel and for tables, 1 by the ending."""
    path = files[0].path
    if path.is_dir():
        return 2 * (path / "saved_model.pb").is_file()
    if path.name == "saved_model.pb" or files[0].ending in (".meta", ".index"):
        return 2
    if files[0].ending in (".ckpt", "") and _ends_as_table(path):
        return 2
    named = files[0].ending in (".pb", ".pbtxt")
    return int(named or ".ckpt" in path.name or path.with_name(f"{path.name}.index").is_file())


def _ends_as_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 48))
        return is_table(file.read(48))


def read_tensorflow(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    """The network of a SavedModel, a frozen graph or a meta graph; else the tensors alone."""
    paths = [each.path for each in files]
    for path in paths:
        if path.is_dir() or path.name == "saved_model.pb":
            return _read_saved_model(path if path.is_dir() else path.parent)
    meta = next((p for p in paths if p.suffix == ".meta"), None)
    index = next((p for p in paths if p.suffix == ".index"), None)
    plain = next((p for p in paths if p.suffix not in (".meta", ".index")), None)
    if plain is not None and ".data-" in plain.name:
        index = index or plain.with_name(f"{plain.name.rpartition('.data-')[0]}.index")
        plain = None
    if plain is not None and not _ends_as_table(plain):
        content = plain.read_bytes()
        if not looks_like_message(content):
            raise ToolboxError("It is no graph of TensorFlow.")
        return _read_graph_def(read_message(content, _GRAPH), {}, "frozen graph")
    stem = next(p for p in (meta, index, plain) if p is not None)
    prefix = stem.with_suffix("") if stem.suffix in (".meta", ".index") else stem
    table = plain or index or prefix.with_name(f"{prefix.name}.index")
    if not table.is_file():
        raise ToolboxError(
            f"{table.name} with the weights is missing.", "Put it beside the .meta file."
        )
    variables = read_checkpoint(table)
    meta = meta or prefix.with_name(f"{prefix.name}.meta")
    if meta.is_file():
        message = read_message(meta.read_bytes(), _META)
        graph = message.get("graph", [{}])[0]
        return _read_graph_def(graph, variables, "meta graph and checkpoint")
    return NamedTensors(tensors=_own_tensors(variables), toolbox="TensorFlow", version="checkpoint")


def _own_tensors(variables: Mapping[str, Array]) -> dict[str, Array]:
    """Each variable once, by its layer's name where it has one; no slots of an optimizer."""
    ends = "/.ATTRIBUTES/VARIABLE_VALUE"
    named = {id(a) for name, a in variables.items() if not name.endswith(ends)}
    return {
        name: array
        for name, array in variables.items()
        if array.dtype.kind == "f"
        and not (name.endswith(ends) and id(array) in named)
        and "/.OPTIMIZER_SLOT/" not in name
    }


def _read_saved_model(folder: Path) -> Graph:
    message = read_message((folder / "saved_model.pb").read_bytes(), _SAVED)
    meta = message.get("metas", [{}])[0]
    index = folder / "variables" / "variables.index"
    variables = read_checkpoint(index) if index.is_file() else {}
    signatures = {
        entry["key"][0]: entry["value"][0]
        for entry in meta.get("signatures", [])
        if "value" in entry
    }
    chosen = signatures.get("serving_default") or next(
        (s for name, s in signatures.items() if s.get("inputs") and not name.startswith("__")), None
    )
    if chosen is None:
        raise ToolboxError("The SavedModel has no signature that takes images.")
    outputs = [end["value"][0]["name"][0] for end in chosen.get("outputs", [])]
    inputs = [end["value"][0]["name"][0] for end in chosen.get("inputs", [])]
    graph = meta.get("graph", [{}])[0]
    shared = _restored_variables(graph, variables)
    return _Reader(graph, {**variables, **shared}).read(inputs, outputs, "SavedModel")


def _restored_variables(graph: Message, variables: Mapping[str, Array]) -> dict[str, Array]:
    """Tensors by the names of the graph's variables, as the graph itself restores them.

    Its names need not be those of the checkpoint: a variable that is kept twice gets a number.
    """
    functions = {
        f["signature"][0]["name"][0]: f
        for f in graph.get("library", [{}])[0].get("functions", [])
        if "signature" in f
    }
    nodes = {node["name"][0]: node for node in graph.get("nodes", [])}
    found: dict[str, Array] = {}
    for node in nodes.values():
        step = Step(node, [], "")
        function = functions.get(step.called())
        if step.op not in CALLS or function is None:
            continue
        arguments = [a["name"][0] for a in function["signature"][0].get("inputs", [])]
        given = dict(zip(arguments, node.get("inputs", []), strict=False))
        for argument, key in _find_restores(function.get("nodes", [])).items():
            handle = nodes.get(_bare(given.get(argument, "")))
            if handle is not None and key in variables:
                found[Step(handle, [], "").text("shared_name")] = variables[key]
    return found


def _find_restores(nodes: Sequence[Message]) -> dict[str, str]:
    """Names of variables to the keys of the checkpoint that are assigned to them."""
    by_name = {node["name"][0]: node for node in nodes}
    found: dict[str, str] = {}
    for node in nodes:
        if node["op"][0] != "AssignVariableOp":
            continue
        variable, value = node["inputs"][:2]
        source = by_name.get(_bare(value), {})
        while source and source["op"][0] == "Identity":
            value = source["inputs"][0]
            source = by_name.get(_bare(value), {})
        if not source or source["op"][0] != "RestoreV2":
            continue
        names = by_name.get(_bare(source["inputs"][1]))
        if names is not None and names["op"][0] == "Const":
            keys = tensor_of(Step(names, [], "").attributes["value"]["tensor"][0])
            place = _value_name(value)[1]
            if place < len(keys):
                found[_bare(variable)] = keys[place].decode("utf-8", "replace")
    return found


def _read_graph_def(graph: Message, variables: Mapping[str, Array], version: str) -> Graph:
    nodes = graph.get("nodes", [])
    if not nodes:
        raise ToolboxError("It holds no graph.")
    read = {_value_name(name)[0] for node in nodes for name in node.get("inputs", [])}
    ends = [
        node["name"][0]
        for node in nodes
        if node["name"][0] not in read and node["op"][0] not in SIDE_EFFECTS
    ]
    useful = [name for name in ends if not _in_a_side_branch(name)]
    inputs = [n["name"][0] for n in nodes if n["op"][0] in ("Placeholder", "PlaceholderV2")]
    reader = _Reader(graph, variables)
    return reader.read(inputs, reader.reached_from(inputs, useful or ends), version)


def _in_a_side_branch(name: str) -> bool:
    return name.startswith(("save/", "gradients/", "init", "Adam", "train/", "report_"))


def _value_name(name: str) -> tuple[str, int]:
    """`node:k` as (node, k); a dependency `^node` as (node, -1)."""
    if name.startswith("^"):
        return name[1:], -1
    node, _, place = name.partition(":")
    place = place.rpartition(":")[2]
    return node, int(place) if place.isdigit() else 0


class Step:
    """A node of TensorFlow with its attributes, and the names of the values that it reads."""

    def __init__(self, message: Message, inputs: list[str], output: str) -> None:
        self.op = str(message["op"][0])
        self.name = str(message["name"][0])
        self.inputs, self.output = inputs, output
        self.attributes = {
            entry["key"][0]: entry["value"][0]
            for entry in message.get("attributes", [])
            if "value" in entry
        }

    def number(self, key: str, default: float = 0) -> float:
        value = self.attributes.get(key, {})
        for kind in ("int", "float", "truth", "type"):
            if kind in value:
                return float(value[kind][0])
        return default

    def truth(self, key: str, default: bool = False) -> bool:
        return bool(self.number(key, default))

    def text(self, key: str, default: str = "") -> str:
        value = self.attributes.get(key, {})
        return bytes(value["text"][0]).decode() if "text" in value else default

    def called(self) -> str:
        """The name of the function that it calls, if any."""
        given = self.attributes.get("f", {}).get("function", [{}])[0]
        return str(given.get("name", [""])[0])

    def ints(self, key: str) -> list[int]:
        value = self.attributes.get(key, {}).get("list", [{}])[0]
        return [int(number) for number in value.get("ints", [])]


class _Reader:
    """Makes nodes from the outputs backwards, through functions that the graph calls."""

    def __init__(self, graph: Message, variables: Mapping[str, Array]) -> None:
        self.graph, self.variables = graph, variables
        self.functions = {
            f["signature"][0]["name"][0]: f
            for f in graph.get("library", [{}])[0].get("functions", [])
            if "signature" in f
        }
        self.made = NhwcNodes()
        self.inputs: list[GraphInput] = []
        self.layers: dict[str, str] = {}
        self.count = 0

    def reached_from(self, inputs: Sequence[str], ends: Sequence[str]) -> list[str]:
        """Those ends that depend on an input, the last one by its place in the file."""
        nodes = {node["name"][0]: node for node in self.graph.get("nodes", [])}
        depends: dict[str, bool] = dict.fromkeys(inputs, True)
        for start in ends:
            stack = [start]
            while stack:
                name = stack[-1]
                parents = [_value_name(each)[0] for each in nodes.get(name, {}).get("inputs", [])]
                waiting = [p for p in parents if p not in depends and p not in stack]
                if waiting and len(stack) < MOST_DEPTH:
                    stack.append(waiting[0])
                else:
                    depends.setdefault(name, any(depends.get(p) for p in parents))
                    stack.pop()
        found = [name for name in ends if depends.get(name)]
        if not found:
            raise ToolboxError("No output of the graph depends on an input.")
        return found[-1:]

    def read(self, inputs: Sequence[str], outputs: Sequence[str], version: str) -> Graph:
        """The graph of some outputs."""
        scope = _Scope(self, self.graph.get("nodes", []), {}, "", set(map(_bare, inputs)))
        names = tuple(scope.value(*_value_name(name)) for name in outputs)
        return Graph(
            nodes=tuple(self.made.nodes),
            tensors=self.made.tensors,
            inputs=tuple(self.inputs),
            outputs=names,
            toolbox="TensorFlow",
            version=version,
            layers=self.layers,
        )


def _bare(name: str) -> str:
    return _value_name(name)[0]


class _Scope:
    """The nodes of a graph or of one call of a function, with the values of its arguments."""

    def __init__(
        self,
        reader: _Reader,
        nodes: Sequence[Message],
        arguments: Mapping[str, str],
        path: str,
        inputs: set[str],
        depth: int = 0,
    ) -> None:
        if depth > MOST_CALLS:
            raise ToolboxError("Functions call each other too deep.")
        self.reader, self.path, self.inputs, self.depth = reader, path, inputs, depth
        self.nodes = {node["name"][0]: node for node in nodes}
        self.values: dict[tuple[str, int], str] = {}
        self.resources: dict[str, str] = {}
        self.arguments = arguments

    def value(self, node: str, place: int) -> str:
        """The name of a value, made with all that it reads."""
        stack = [node]
        while stack:
            name = stack[-1]
            if (name, 0) in self.values or name in self.arguments:
                stack.pop()
                continue
            message = self.nodes.get(name)
            if message is None:
                raise ToolboxError(f"The node {name!r} is read, but is not in the graph.")
            waiting = [
                each
                for each, k in map(_value_name, message.get("inputs", []))
                if k >= 0 and (each, 0) not in self.values and each not in self.arguments
            ]
            if waiting and len(stack) < MOST_DEPTH and message["op"][0] not in LEAVES:
                if waiting[0] in stack:
                    raise ToolboxError(f"The node {name!r} reads itself: loops are not known.")
                stack.append(waiting[0])
                continue
            self._make(name, message)
            stack.pop()
        if node in self.arguments:
            return self.arguments[node]
        found = self.values.get((node, place))
        if found is None:
            raise ToolboxError(f"The node {node!r} has no value {place}.")
        return found

    def _make(self, name: str, message: Message) -> None:
        reader = self.reader
        reader.count += 1
        if reader.count > MOST_NODES:
            raise ToolboxError(f"The graph has more than {MOST_NODES:,} nodes.")
        op = message["op"][0]
        pairs = [_value_name(each) for each in message.get("inputs", [])]
        inputs = [] if op in LEAVES else [self.value(*pair) for pair in pairs if pair[1] >= 0]
        full = f"{self.path}{name}"
        step = Step(message, inputs, full)
        if op in CALLS:
            self._call(name, step, full)
            return
        make = RULES.get(op)
        if make is None:
            raise ToolboxError(
                f"The operation {op!r} of {full!r} is not known; {len(reader.made.nodes)} nodes "
                "before it are."
            )
        if op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
            self._add_input(name, step)
        elif op in VARIABLES:
            self._add_variable(name, step, full)
        else:
            made = make(reader.made, step)
            outputs = made if isinstance(made, (list, tuple)) else [made]
            for place, value in enumerate(outputs):
                self.values[name, place] = value
        self._name_layer(name, step)

    def _name_layer(self, name: str, step: Step) -> None:
        """Keep the last value made within a layer under the layer's name, and every node's."""
        value = self.values[name, 0]
        layers = self.reader.layers
        layers.setdefault(name.replace("/", "."), value)
        for part in step.name.split("/")[:-1]:
            if value not in self.reader.made.tensors:
                layers[part] = layers[re.sub(r"_\d+$", "", part)] = value

    def _add_input(self, name: str, step: Step) -> None:
        shape = tuple(
            length if length > 0 else None
            for length in shape_of(step.attributes.get("shape", {}).get("shape", [{}])[0])
        )
        if not shape:
            shape = (None, None, None, 3)
        filled = [1, *(length or USUAL_SIDE for length in shape[1:])]
        self.reader.made.add_input(name, filled)
        layout = "NHWC" if len(shape) == 4 else ""
        self.reader.inputs.append(GraphInput(name=name, shape=(None, *shape[1:]), layout=layout))
        self.values[name, 0] = name

    def _add_variable(self, name: str, step: Step, full: str) -> None:
        if step.op in ("ReadVariableOp", "Identity"):
            self.values[name, 0] = step.inputs[0]
            return
        shared = step.text("shared_name") or step.name
        for key in (shared, step.name):
            if key in self.reader.variables:
                array = self.reader.variables[key]
                self.values[name, 0] = self.reader.made.add_tensor(full, array)
                return
        raise ToolboxError(
            f"The variable {shared!r} has no numbers in these files.",
            "Name the file of the weights as well.",
        )

    def _call(self, name: str, step: Step, full: str) -> None:
        function = self.reader.functions.get(step.called())
        if function is None:
            raise ToolboxError(f"The node {full!r} calls a function that is not in the file.")
        signature = function["signature"][0]
        names = [argument["name"][0] for argument in signature.get("inputs", [])]
        inner = _Scope(
            self.reader,
            function.get("nodes", []),
            dict(zip(names, step.inputs, strict=False)),
            f"{full}/",
            set(),
            self.depth + 1,
        )
        returns = {entry["key"][0]: entry["value"][0] for entry in function.get("returns", [])}
        for place, output in enumerate(signature.get("outputs", [])):
            wanted = returns[output["name"][0]]
            self.values[name, place] = inner.value(*_value_name(wanted))


Rule = Callable[[NhwcNodes, Step], Any]


def _constant(made: NhwcNodes, step: Step) -> str:
    return made.add_tensor(step.output, tensor_of(step.attributes["value"]["tensor"][0]))


def _pass(made: NhwcNodes, step: Step) -> str:
    return step.inputs[0]


def _plain(op: str, **given: Any) -> Rule:
    def make(made: NhwcNodes, step: Step) -> str:
        return made.add(op, step.name, step.inputs, step.output, **given)

    return make


def _layout(step: Step) -> None:
    if step.text("data_format", "NHWC") != "NHWC":
        raise ToolboxError(f"Layer {step.name!r} runs on {step.text('data_format')}, not NHWC.")


def _weights(made: NhwcNodes, step: Step, place: int) -> Array:
    found = made.constant(step.inputs[place])
    if found is None:
        raise ToolboxError(f"Layer {step.name!r} ({step.op}) reads no constant weights.")
    return np.asarray(found, np.float32)


def _conv(made: NhwcNodes, step: Step) -> str:
    _layout(step)
    kernel = _weights(made, step, 1)  # kh, kw, in, out
    return _add_conv(made, step, kernel.transpose(3, 2, 0, 1), None)


def _depthwise(made: NhwcNodes, step: Step) -> str:
    _layout(step)
    kernel = _weights(made, step, 1)  # kh, kw, in, multiplier
    height, width, channels, multiplier = kernel.shape
    weight = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _add_conv(made, step, weight, channels)


def _add_conv(made: NhwcNodes, step: Step, weight: Array, groups: int | None) -> str:
    x = step.inputs[0]
    channels = made.shape(x)[-1]
    stride = (step.ints("strides") or [1, 1, 1, 1])[1:3]
    dilation = (step.ints("dilations") or [1, 1, 1, 1])[1:3]
    padding = step.text("padding", "VALID")
    window = dict(made.window(x, weight.shape[2:], stride, padding == "SAME", dilation))
    if padding == "EXPLICIT":
        explicit = step.ints("explicit_paddings")
        window["pads"] = (explicit[4], explicit[5], explicit[2], explicit[3])
    name = made.add_tensor(f"{step.output}:weight", np.ascontiguousarray(weight))
    if groups is None:
        groups = channels // weight.shape[1] if weight.shape[1] else 1
    return made.add_window("conv", step.name, (x, name), step.output, groups=groups, **window)


def _batch_norm(made: NhwcNodes, step: Step) -> list[str]:
    _layout(step)
    if step.truth("is_training", True):
        raise ToolboxError(f"Layer {step.name!r} normalises by the batch: it is a training graph.")
    x, scale, offset, mean, variance = step.inputs[:5]
    given = {"epsilon": step.number("epsilon", 1e-4)}
    inputs = (x, scale, offset, mean, variance)
    if len(made.shape(x)) == 4:
        return [made.add_window("batch_norm", step.name, inputs, step.output, **given)]
    return [made.add("batch_norm", step.name, inputs, step.output, **given)]


def _pool(op: str) -> Rule:
    def make(made: NhwcNodes, step: Step) -> str:
        _layout(step)
        kernel, stride = step.ints("ksize")[1:3], step.ints("strides")[1:3]
        same = step.text("padding") == "SAME"
        window = made.window(step.inputs[0], kernel, stride, same)
        given = {"kernel": tuple(kernel), **window}
        return made.add_window(op, step.name, step.inputs[:1], step.output, **given)

    return make


def _matmul(made: NhwcNodes, step: Step) -> str:
    a, b = step.inputs
    if step.truth("transpose_a") or step.truth("adj_x"):
        a = made.add("permute", f"{step.name}/a", (a,), f"{step.output}:a", axes=(1, 0))
    if step.truth("transpose_b") or step.truth("adj_y"):
        b = made.add("permute", f"{step.name}/b", (b,), f"{step.output}:b", axes=(1, 0))
    matrix = made.constant(b)
    if matrix is not None and matrix.ndim == 2:
        weight = made.add_tensor(f"{step.output}:weight", np.ascontiguousarray(matrix.T))
        return made.add("linear", step.name, (a, weight), step.output)
    return made.add("matmul", step.name, (a, b), step.output)


def _softmax(op: str) -> Rule:
    def make(made: NhwcNodes, step: Step) -> str:
        return made.add(op, step.name, step.inputs, step.output, axis=-1)

    return make


def _leaky_relu(made: NhwcNodes, step: Step) -> str:
    slope = step.number("alpha", 0.2)
    return made.add("leaky_relu", step.name, step.inputs, step.output, slope=slope)


def _reshape(made: NhwcNodes, step: Step) -> str:
    given: dict[str, Any] = {"zero_copies": False}
    shape = made.constant(step.inputs[1])
    if shape is None:
        return made.add("reshape", step.name, step.inputs, step.output, **given)
    lengths = tuple(int(n) for n in shape)
    return made.add("reshape", step.name, step.inputs[:1], step.output, shape=lengths, **given)


def _reduce(mode: str) -> Rule:
    def make(made: NhwcNodes, step: Step) -> str:
        axes = made.constant(step.inputs[1])
        if axes is None:
            raise ToolboxError(f"The axes of layer {step.name!r} are no constants.")
        given = {
            "mode": mode,
            "axes": tuple(int(axis) for axis in np.atleast_1d(axes)),
            "keepdims": step.truth("keep_dims"),
        }
        return made.add("reduce", step.name, step.inputs[:1], step.output, **given)

    return make


def _concat(made: NhwcNodes, step: Step) -> str:
    parts, axis = step.inputs[:-1], made.constant(step.inputs[-1])
    if step.op == "Concat":
        parts, axis = step.inputs[1:], made.constant(step.inputs[0])
    if axis is None:
        raise ToolboxError(f"The axis of layer {step.name!r} is no constant.")
    return made.add("concat", step.name, parts, step.output, axis=int(axis))


def _pad(made: NhwcNodes, step: Step) -> str:
    pads = made.constant(step.inputs[1])
    if pads is None:
        raise ToolboxError(f"The pads of layer {step.name!r} are no constants.")
    given: dict[str, Any] = {"pads": tuple((int(a), int(b)) for a, b in pads)}
    if step.op == "PadV2":
        value = made.constant(step.inputs[2])
        given["value"] = float(value) if value is not None else 0.0
    if step.op == "MirrorPad":
        given["mode"] = step.text("mode").lower()
    return made.add("pad", step.name, step.inputs[:1], step.output, **given)


def _strided_slice(made: NhwcNodes, step: Step) -> str:
    bounds = [made.constant(name) for name in step.inputs[1:4]]
    if any(bound is None for bound in bounds):
        raise ToolboxError(f"The bounds of layer {step.name!r} are no constants.")
    begin, end, by = ([int(n) for n in bound] for bound in bounds if bound is not None)
    masks = {
        key: int(step.number(f"{key}_mask"))
        for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if masks["ellipsis"] or masks["new_axis"]:
        raise ToolboxError(f"The slice {step.name!r} has an ellipsis or a new axis.")
    starts, ends, axes, steps, dropped = [], [], [], [], []
    for axis, (first, last, stride) in enumerate(zip(begin, end, by, strict=True)):
        if masks["shrink_axis"] >> axis & 1:
            last, stride = (first + 1) or 2**31 - 1, 1
            dropped.append(axis)
        else:
            first = 0 if masks["begin"] >> axis & 1 else first
            last = 2**31 - 1 if masks["end"] >> axis & 1 else last
        starts.append(first)
        ends.append(last)
        axes.append(axis)
        steps.append(stride)
    given = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    if not dropped:
        return made.add("slice", step.name, step.inputs[:1], step.output, **given)
    part = made.add("slice", step.name, step.inputs[:1], f"{step.output}:part", **given)
    return made.add("squeeze", f"{step.name}/drop", (part,), step.output, axes=tuple(dropped))


def _pack(made: NhwcNodes, step: Step) -> str:
    axis = int(step.number("axis"))
    parts = [
        made.add("unsqueeze", f"{step.name}/{k}", (name,), f"{step.output}:{k}", axes=(axis,))
        for k, name in enumerate(step.inputs)
    ]
    same = [
        made.add("cast", f"{step.name}/cast{k}", (part,), f"{step.output}:cast{k}", type="int64")
        if np.dtype(_kind(made, part)).kind in "iu"
        else part
        for k, part in enumerate(parts)
    ]
    return made.add("concat", step.name, same, step.output, axis=axis)


def _kind(made: NhwcNodes, name: str) -> str:
    if name in made.tensors:
        return made.tensors[name].dtype.str
    return "f4" if made.examples[name].is_floating_point() else "i8"


def _transpose(made: NhwcNodes, step: Step) -> str:
    axes = made.constant(step.inputs[1])
    if axes is None:
        raise ToolboxError(f"The axes of layer {step.name!r} are no constants.")
    order = tuple(int(axis) for axis in axes)
    return made.add("permute", step.name, step.inputs[:1], step.output, axes=order)


def _squeeze(made: NhwcNodes, step: Step) -> str:
    axes = tuple(step.ints("squeeze_dims") or step.ints("axis")) or None
    return made.add("squeeze", step.name, step.inputs[:1], step.output, axes=axes)


def _expand_dims(made: NhwcNodes, step: Step) -> str:
    axis = made.constant(step.inputs[1])
    if axis is None:
        raise ToolboxError(f"The axis of layer {step.name!r} is no constant.")
    return made.add("unsqueeze", step.name, step.inputs[:1], step.output, axes=(int(axis),))


def _squared_difference(made: NhwcNodes, step: Step) -> str:
    part = made.add("sub", f"{step.name}/sub", step.inputs, f"{step.output}:sub")
    return made.add("square", step.name, (part,), step.output)


def _clip(low: float, high: float) -> Rule:
    return _plain("clip", low=low, high=high)


def _lrn(made: NhwcNodes, step: Step) -> str:
    radius = int(step.number("depth_radius", 5))
    size = 2 * radius + 1
    given = {
        "size": size,
        "alpha": step.number("alpha", 1.0) * size,  # not divided by the size there
        "beta": step.number("beta", 0.5),
        "k": step.number("bias", 1.0),
    }
    return made.add_window("lrn", step.name, step.inputs[:1], step.output, **given)


def _cast(made: NhwcNodes, step: Step) -> str:
    kinds = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 10: "bool", 19: "float16"}
    kind = kinds.get(int(step.number("DstT", 1)))
    if kind is None:
        raise ToolboxError(f"Layer {step.name!r} casts to a type that is not known.")
    return made.add("cast", step.name, step.inputs, step.output, type=kind)


MOST_DEPTH, MOST_CALLS, MOST_NODES = 100_000, 50, 200_000
USUAL_SIDE = 224  # px, where the file leaves the size of images open
LEAVES = ("Const", "Placeholder", "PlaceholderV2", "VarHandleOp", "Variable", "VariableV2")
VARIABLES = ("VarHandleOp", "Variable", "VariableV2", "ReadVariableOp")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
SIDE_EFFECTS = (
    "NoOp Assign AssignVariableOp SaveV2 RestoreV2 Save Restore MergeV2Checkpoints Const "
    "VarIsInitializedOp Placeholder PlaceholderV2 ShardedFilename VarHandleOp"
).split()
RULES: dict[str, Rule] = {
    "Const": _constant,
    **dict.fromkeys((*VARIABLES, "Placeholder", "PlaceholderV2", "PlaceholderWithDefault"), _pass),
    **dict.fromkeys(("Identity", "StopGradient", "PreventGradient", "Snapshot"), _pass),
    "IdentityN": lambda made, step: list(step.inputs),
    "NoOp": lambda made, step: made.add_tensor(step.output, np.zeros(0, np.float32)),
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    **dict.fromkeys(("BiasAdd", "BiasAddV1", "Add", "AddV2"), _plain("add")),
    "Sub": _plain("sub"),
    "Mul": _plain("mul"),
    **dict.fromkeys(("RealDiv", "Div"), _plain("div")),
    "Maximum": _plain("maximum"),
    "Minimum": _plain("minimum"),
    "Pow": _plain("pow"),
    "SquaredDifference": _squared_difference,
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    "Relu": _plain("relu"),
    "Relu6": _clip(0.0, 6.0),
    "Elu": _plain("elu"),
    "Selu": _plain("selu"),
    "LeakyRelu": _leaky_relu,
    "Sigmoid": _plain("sigmoid"),
    "Tanh": _plain("tanh"),
    "Softplus": _plain("softplus"),
    "Softsign": _plain("softsign"),
    "Exp": _plain("exp"),
    "Log": _plain("log"),
    "Sqrt": _plain("sqrt"),
    "Rsqrt": _plain("rsqrt"),
    "Square": _plain("square"),
    "Neg": _plain("neg"),
    "Abs": _plain("abs"),
    "Erf": _plain("erf"),
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "MaxPool": _pool("max_pool"),
    "AvgPool": _pool("avg_pool"),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2"), _matmul),
    "Reshape": _reshape,
    "Mean": _reduce("mean"),
    "Sum": _reduce("sum"),
    "Max": _reduce("max"),
    "Min": _reduce("min"),
    "Prod": _reduce("prod"),
    **dict.fromkeys(("Concat", "ConcatV2"), _concat),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _pad),
    "Shape": _plain("shape"),
    "StridedSlice": _strided_slice,
    "Pack": _pack,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "ExpandDims": _expand_dims,
    "LRN": _lrn,
    "Cast": _cast,
}
TOOLBOX = Toolbox(
    name="TensorFlow",
    endings=(".pb", ".meta", ".index", ".ckpt"),
    detect=detect_tensorflow,
    read=read_tensorflow,
)
