"""A graph to a plain `torch.nn.Module`: a module a node, run in order.

Convolutions, linear layers and batch normalisations become torch's own classes, so that counting,
hooks and fine-tuning find them; everything else is an `Operation`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from striate.toolboxes.functions import FUNCTIONS
from striate.toolboxes.graph import Array, Graph, Node, ToolboxError


class Operation(nn.Module):
    """A node without a class of its own in torch; constants that it reads are its tensors."""

    def __init__(self, node: Node, constants: Mapping[int, nn.Parameter | Tensor]) -> None:
        super().__init__()
        self.op = node.op
        self.settings = _settings_of(node)
        self.places: list[str] = []
        for k, name in enumerate(node.inputs):
            constant = constants.get(k)
            place = f"constant_{k}" if constant is not None else ("" if not name else "given")
            self.places.append(place)
            if isinstance(constant, nn.Parameter):
                self.register_parameter(place, constant)
            elif constant is not None:
                self.register_buffer(place, constant)

    def forward(self, *given: Tensor) -> Any:
        """What the operation gives for the values that are not its constants."""
        values = iter(given)
        inputs = [
            None if not place else next(values) if place == "given" else getattr(self, place)
            for place in self.places
        ]
        return FUNCTIONS[self.op](*inputs, **self.settings)

    def extra_repr(self) -> str:
        """The operation and its attributes, as they are printed."""
        return ", ".join([self.op, *(f"{k}={v}" for k, v in self.settings.items())])


class PaddedConv2d(nn.Conv2d):
    """A convolution whose four pads (left, right, top, bottom) may differ."""

    def __init__(self, node: Node, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
        self.settings = node.settings()
        groups = self.settings["groups"]
        super().__init__(
            weight.shape[1] * groups,
            weight.shape[0],
            # A weight has four axes here, so these are two numbers.
            tuple(weight.shape[2:]),  # type: ignore[arg-type]
            tuple(self.settings["stride"]),
            padding=0,
            dilation=tuple(self.settings["dilation"]),
            groups=groups,
            bias=bias is not None,
            device="meta",
        )
        if not isinstance(self.settings["pads"], str):
            left, _, top, _ = self.settings["pads"]
            self.padding = (top, left)
        self.weight, self.bias = weight, bias

    def forward(self, input: Tensor) -> Tensor:
        """The maps N x O x H x W."""
        done: Tensor = FUNCTIONS["conv"](input, self.weight, self.bias, **self.settings)
        return done


class GraphNetwork(nn.Module):
    """A network read from a file, whole: what comes out is what the file's network gives."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        graph = simplify(graph)
        self.graph = graph
        self.layers = nn.ModuleDict()
        shared: dict[str, nn.Parameter | Tensor] = {}
        self._steps: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        for node in graph.nodes:
            key = _module_key(node, self.layers)
            module, reads = _make_module(node, graph.tensors, shared)
            self.layers[key] = module
            self._steps.append((key, reads, node.outputs))
        self._last_use = {name: k for k, (_, reads, _) in enumerate(self._steps) for name in reads}
        for name in graph.outputs:
            if name in graph.tensors:
                raise ToolboxError(f"The output {name!r} is a constant and depends on no image.")

    def forward(self, *inputs: Tensor) -> Any:
        """The outputs for inputs in the order of `graph.inputs`; a tuple where they are many."""
        values = self.run(inputs, ())
        outputs = tuple(values[name] for name in self.graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(
        self, inputs: Sequence[Tensor], keep: Collection[str], until: str = ""
    ) -> dict[str, Tensor]:
        """The outputs and the values of these names, for inputs as the file's network takes them.

        Ends behind the node that gives `until`, where that is named. A network that was saved for
        a fixed number of images gets as many at a time.
        """
        fixed = self._fixed_batch(inputs)
        if fixed:
            parts = [
                self.run([tensor[at : at + fixed] for tensor in inputs], keep, until)
                for at in range(0, len(inputs[0]), fixed)
            ]
            return {
                name: torch.cat([part[name] for part in parts]) if value.ndim else value
                for name, value in parts[0].items()
            }
        values = dict(zip((given.name for given in self.graph.inputs), inputs, strict=True))
        kept = {*keep, *self.graph.outputs, until}
        for k, (key, reads, writes) in enumerate(self._steps):
            module = self.layers[key]
            try:
                found = module(*(values[name] for name in reads))
            except (RuntimeError, IndexError, ValueError, KeyError) as error:
                if isinstance(error, ToolboxError):
                    raise
                raise ToolboxError(
                    f"Layer {self.graph.nodes[k].name!r} ({self.graph.nodes[k].op}) cannot take "
                    f"what comes before it: {_first_line(error)}.",
                    "Give inputs of the shape that the network was made for.",
                ) from error
            results = found if isinstance(found, tuple) else (found,)
            values.update(zip(writes, results, strict=False))
            if until in writes:
                break
            for name in reads:
                if self._last_use[name] == k and name not in kept:
                    values.pop(name, None)
        return values

    def _fixed_batch(self, inputs: Sequence[Tensor]) -> int:
        """How many images are to be given at a time; 0 where these are right as they are."""
        if not self.graph.inputs or not self.graph.inputs[0].shape:
            return 0
        fixed, given = self.graph.inputs[0].shape[0], len(inputs[0])
        return fixed if fixed and given > fixed and given % fixed == 0 else 0


def simplify(graph: Graph) -> Graph:
    """The same network without what can be worked out before any image is there.

    Nodes of constants alone become constants, and a product with a constant matrix becomes a
    linear layer.
    """
    tensors: dict[str, Array] = dict(graph.tensors)
    nodes: list[Node] = []
    for node in graph.nodes:
        node = _resolve_linear(node, tensors)
        constant = node.inputs and all(not name or name in tensors for name in node.inputs)
        if constant and not set(node.outputs) & set(graph.outputs):
            for name, value in zip(node.outputs, _evaluate(node, tensors), strict=False):
                tensors[name] = value
        else:
            nodes.append(node)
    read = {name for node in nodes for name in node.inputs}
    return replace(
        graph, nodes=tuple(nodes), tensors={n: t for n, t in tensors.items() if n in read}
    )


def build_graph(graph: Graph) -> GraphNetwork:
    """The network of a graph, in evaluation mode.

    Raises `ToolboxError` where a weight has not the shape that its layer needs.
    """
    return GraphNetwork(graph).eval()


def _evaluate(node: Node, tensors: Mapping[str, Array]) -> tuple[Array, ...]:
    inputs = [torch.from_numpy(np.array(tensors[n])) if n else None for n in node.inputs]
    try:
        found = FUNCTIONS[node.op](*inputs, **_settings_of(node))
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        if isinstance(error, ToolboxError):
            raise
        raise ToolboxError(
            f"The constant {node.name!r} ({node.op}) cannot be worked out: {_first_line(error)}."
        ) from error
    results = found if isinstance(found, tuple) else (found,)
    return tuple(result.numpy() for result in results)


def _resolve_linear(node: Node, tensors: dict[str, Array]) -> Node:
    """A product with a constant matrix, as a linear layer; other nodes as they are."""
    if node.op != "matmul" or node.inputs[0] in tensors:
        return node
    matrix = tensors.get(node.inputs[1])
    if matrix is None or matrix.ndim != 2:
        return node
    name = f"{node.inputs[1]}:transposed"
    tensors[name] = np.ascontiguousarray(matrix.T)
    return replace(node, op="linear", inputs=(node.inputs[0], name))


def _settings_of(node: Node) -> dict[str, Any]:
    settings = node.settings()
    return {**settings, "count": len(node.outputs)} if node.op == "split" else settings


def _make_module(
    node: Node, tensors: Mapping[str, Array], shared: dict[str, nn.Parameter | Tensor]
) -> tuple[nn.Module, tuple[str, ...]]:
    """The module of a node, and the values that it reads when it runs."""
    constants = {
        k: _constant(name, node, k, tensors, shared)
        for k, name in enumerate(node.inputs)
        if name in tensors
    }
    reads = tuple(name for name in node.inputs if name and name not in tensors)
    weighted = all(k in constants or not node.inputs[k] for k in range(1, len(node.inputs)))
    if weighted and reads and node.op in LAYER_MAKERS:
        _check_weight_rank(node, constants)
        made = LAYER_MAKERS[node.op](node, constants)
        if made is not None:
            return made, reads
    return Operation(node, constants), reads


def _check_weight_rank(node: Node, constants: Mapping[int, Tensor]) -> None:
    rank = {"conv": 4, "linear": 2, "batch_norm": 1}[node.op]
    weight = constants.get(1 if node.op != "batch_norm" else 3)
    if weight is None or weight.ndim != rank:
        shape = "no weight" if weight is None else f"a weight of shape {tuple(weight.shape)}"
        raise ToolboxError(f"Layer {node.name!r} ({node.op}) has {shape}; {rank} axes are needed.")


def _constant(
    name: str,
    node: Node,
    place: int,
    tensors: Mapping[str, Array],
    shared: dict[str, nn.Parameter | Tensor],
) -> nn.Parameter | Tensor:
    """A tensor of the file as a parameter, where training may change it, or as a buffer."""
    if name not in shared:
        array = tensors[name]
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        tensor = torch.from_numpy(np.array(array, order="C"))
        statistic = node.op == "batch_norm" and place > 2
        fixed = node.op in ("quantize", "dequantize", "clip", "resize", "pad")
        learnt = tensor.is_floating_point() and tensor.numel() > 1 and not (statistic or fixed)
        shared[name] = nn.Parameter(tensor) if learnt or _is_weight(node, place) else tensor
    return shared[name]


def _is_weight(node: Node, place: int) -> bool:
    return (node.op in ("conv", "linear") and place > 0) or (
        node.op == "batch_norm" and place in (1, 2)
    )


def _make_convolution(node: Node, constants: Mapping[int, Any]) -> nn.Module | None:
    weight, bias = constants[1], constants.get(2)
    groups = node.settings()["groups"]
    if weight.shape[0] % groups:
        raise ToolboxError(
            f"Layer {node.name!r} has {weight.shape[0]} kernels, which {groups} groups do not "
            "divide."
        )
    _check_length(node, "bias", bias, weight.shape[0])
    return PaddedConv2d(node, weight, bias)


def _make_linear(node: Node, constants: Mapping[int, Any]) -> nn.Module | None:
    weight, bias = constants[1], constants.get(2)
    _check_length(node, "bias", bias, weight.shape[0])
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight, made.bias = weight, cast(Any, bias)
    return made


def _make_batch_norm(node: Node, constants: Mapping[int, Any]) -> nn.Module | None:
    if 3 not in constants or 4 not in constants:
        return None
    mean, variance = constants[3], constants[4]
    gamma, beta = constants.get(1), constants.get(2)
    for what, given in (("gamma", gamma), ("beta", beta), ("variance", variance)):
        _check_length(node, what, given, mean.shape[0])
    made = MapNormalisation(mean.shape[0], eps=node.settings()["epsilon"], device="meta")
    made.running_mean, made.running_var = mean.detach().clone(), variance.detach().clone()
    made.num_batches_tracked = torch.zeros((), dtype=torch.int64)
    made.weight, made.bias = cast(Any, gamma), cast(Any, beta)
    return made


class MapNormalisation(nn.BatchNorm2d):
    """Batch normalisation of maps N x C x H x W, and of vectors N x C as well."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"{input.ndim} axes, and 2 or more are needed")


def _check_length(node: Node, what: str, tensor: Tensor | None, length: int) -> None:
    if tensor is not None and tensor.numel() != length:
        raise ToolboxError(
            f"The {what} of layer {node.name!r} has {tensor.numel()} numbers where {length} are "
            "needed."
        )


def _module_key(node: Node, taken: nn.ModuleDict) -> str:
    """A name of its own for the module of a node: no dots, and no name of torch's."""
    key = node.name.replace(".", "_").strip("/").replace("/", "_") or node.op
    if key in taken or hasattr(taken, key):
        number = 2
        while f"{key}_{number}" in taken or hasattr(taken, f"{key}_{number}"):
            number += 1
        key = f"{key}_{number}"
    return key


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


LAYER_MAKERS = {
    "conv": _make_convolution,
    "linear": _make_linear,
    "batch_norm": _make_batch_norm,
}
