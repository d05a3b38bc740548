"""Networks read from other toolboxes' files, by names such as `cnn@1f3a9c02`.

The name is the file's with a checksum of its structure. The structure travels with the weights, as
a buffer, so that a model can be loaded where the file is no more.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.errors import ModelError
from striate.nets import NetFamily, count_multiply_adds
from striate.toolboxes import NamedTensors, read_files
from striate.toolboxes.build import GraphNetwork, build_graph, simplify
from striate.toolboxes.graph import Graph, GraphInput, InputScaling, Node, ToolboxError
from striate.toolboxes.layer_lists import find_layer_list, lay_on_list
from striate.values import RANDOM, NetCard, NetSettings


class GraphBackbone(nn.Module):
    """A network of another toolbox without its last layer, its stages found by resolution.

    A stage is the last map before a smaller one; the top is what the last layer with weights
    reads. Images of another size are resized to the file's, where that is fixed; grey and three
    colours are turned into each other.
    """

    structure: Tensor

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.network = build_graph(graph)
        self.given = _complete_input(self.network.graph)
        self.size, self.fixed = _find_size(self.network, self.given)
        outline = _find_outline(self.network, _blank(self.given, self.size))
        self.values, self.ranks = outline.values, outline.ranks
        self.stage_names, self.stage_channels = outline.names, outline.channels
        self.flip = self.network.graph.preprocessing.channels == "BGR"
        text = json.dumps(structure_of(self.network.graph)).encode()
        self.register_buffer("structure", torch.frombuffer(bytearray(text), dtype=torch.uint8))

    def stages(self, images_NCHW: Tensor) -> list[Tensor]:
        """Maps N x C x H x W from shallow to deep; a vector is a map of one pixel."""
        given = self._as_given(images_NCHW)
        values = self.network.run([given], self.values, until=self.values[-1])
        return [
            _as_map(values[name], rank) for name, rank in zip(self.values, self.ranks, strict=True)
        ]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """The top's map."""
        return self.stages(images_NCHW)[-1]

    def depth_groups(self) -> list[list[nn.Parameter]]:
        """A group a layer, in the order of the graph; the last layer's are not used."""
        seen: set[int] = set()
        groups = []
        for layer in self.network.layers.values():
            own = [p for p in layer.parameters() if id(p) not in seen]
            seen.update(id(p) for p in own)
            groups.append(own)
        return [group for group in groups if group]

    def _as_given(self, images_NCHW: Tensor) -> Tensor:
        channels = _channels_of(self.given)
        if images_NCHW.shape[1] == 3 and channels == 1:
            luma = torch.tensor(LUMA, device=images_NCHW.device, dtype=images_NCHW.dtype)
            images_NCHW = (images_NCHW * luma[:, None, None]).sum(1, keepdim=True)
        elif images_NCHW.shape[1] == 1 and channels == 3:
            images_NCHW = images_NCHW.expand(-1, 3, -1, -1)
        if self.flip and channels == 3:
            images_NCHW = images_NCHW.flip(1)
        if self.fixed and tuple(images_NCHW.shape[2:]) != self.size:
            # In float32: torch resizes no bfloat16 with antialiasing.
            images_NCHW = F.interpolate(
                images_NCHW.float(), self.size, mode="bilinear", antialias=True
            ).to(images_NCHW.dtype)
        return images_NCHW.permute(0, 2, 3, 1) if self.given.layout == "NHWC" else images_NCHW


@dataclass(frozen=True, slots=True)
class _Outline:
    """The values that are stages, shallow to deep, with their axes and channels."""

    values: tuple[str, ...]
    ranks: tuple[int, ...]
    names: tuple[str, ...]
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LastLayer:
    """The weights K x D and biases K of the layer that a network ends in."""

    weights_KD: Tensor
    bias_K: Tensor


def read_last_layer(graph: Graph) -> LastLayer:
    """The last layer of a classifier: linear on features, with nothing behind but a softmax.

    Raises `ToolboxError` where a network ends in something else.
    """
    graph = simplify(graph)
    makers = {name: node for node in graph.nodes for name in node.outputs}
    value, bias = graph.outputs[0], None
    while value in makers:
        node = makers[value]
        if node.op == "linear" and node.inputs[1] in graph.tensors:
            weights = torch.from_numpy(np.array(graph.tensors[node.inputs[1]], np.float32))
            if len(node.inputs) > 2:
                own = torch.from_numpy(np.array(graph.tensors[node.inputs[2]], np.float32))
                bias = own if bias is None else own + bias
            bias = torch.zeros(len(weights)) if bias is None else bias
            return LastLayer(weights, bias.reshape(-1).expand(len(weights)))
        constants = [name for name in node.inputs if name in graph.tensors]
        if node.op == "add" and len(constants) == 1 and bias is None:
            bias = torch.from_numpy(np.array(graph.tensors[constants[0]], np.float32))
        elif node.op not in ("softmax", "log_softmax", "identity", "dropout"):
            break
        value = next(name for name in node.inputs if name not in graph.tensors)
    raise ToolboxError(
        "The network does not end in a linear layer on features, so its answers are no classes.",
        "Fit a head of your own on it: striate fit SOURCE --weights FILE.",
    )


def read_foreign(path: Path) -> Graph | None:
    """The graph in a file of any toolbox; None where it holds tensors that no list of layers fits.

    Raises `ToolboxError` where it is of no known toolbox, or damaged.
    """
    content = read_files([path])
    if isinstance(content, NamedTensors):
        found = find_layer_list(f"{content.toolbox.lower()}-{path.name}")
        return None if found is None else lay_on_list(content, found)
    return content


def remember_foreign(path: Path, graph: Graph) -> str:
    """Makes a network known; gives the name under which it is found."""
    structure = structure_of(simplify(graph))
    digest = hashlib.sha256(json.dumps(structure).encode()).hexdigest()[:8]
    name = f"{path.stem}@{digest}"
    _KNOWN[name] = structure
    return name


def remember_structure(name: str, buffer: Tensor) -> None:
    """Makes the network of a stored model known; `ModelError` where its structure is damaged."""
    try:
        structure = json.loads(bytes(buffer.to(torch.uint8).tolist()))
        _graph_of(structure)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The structure of the network {name} is damaged.") from error
    _KNOWN[name] = structure


def structure_of(graph: Graph) -> dict[str, Any]:
    """A graph as plain values, its floating-point tensors by shape alone."""
    given = graph.inputs[0]
    scaling = graph.preprocessing
    return {
        "nodes": [
            [node.op, node.name, node.inputs, node.outputs, dict(node.attributes)]
            for node in graph.nodes
        ],
        "tensors": {
            name: [str(array.dtype), array.shape]
            + ([] if array.dtype.kind == "f" else [array.ravel().tolist()])
            for name, array in graph.tensors.items()
        },
        "input": [given.name, given.shape, given.layout],
        "outputs": graph.outputs,
        "toolbox": graph.toolbox,
        "scaling": [scaling.scale, scaling.mean, scaling.std, scaling.channels],
    }


def _graph_of(structure: Mapping[str, Any]) -> Graph:
    """The graph of a structure, its floating-point tensors at one."""
    tensors = {}
    for name, (kind, shape, *numbers) in structure["tensors"].items():
        filled = np.ones(shape, kind) if not numbers else np.array(numbers[0], kind).reshape(shape)
        tensors[name] = filled
    name, shape, layout = structure["input"]
    scale, mean, std, channels = structure["scaling"]
    return Graph(
        nodes=tuple(
            Node(
                op=op,
                name=node,
                inputs=tuple(inputs),
                outputs=tuple(outputs),
                attributes={k: _as_tuple(v) for k, v in attributes.items()},
            )
            for op, node, inputs, outputs, attributes in structure["nodes"]
        ),
        tensors=tensors,
        inputs=(GraphInput(name=name, shape=tuple(shape), layout=layout),),
        outputs=tuple(structure["outputs"]),
        toolbox=structure["toolbox"],
        preprocessing=InputScaling(
            scale=scale, mean=tuple(mean), std=tuple(std), channels=channels
        ),
    )


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(each) for each in value) if isinstance(value, list) else value


def _complete_input(graph: Graph) -> GraphInput:
    """The input with its four axes; channels that the file does not tell are the first layer's.

    Raises `ToolboxError` where the network takes no images.
    """
    given = graph.inputs[0]
    if not given.layout or len(graph.inputs) != 1 or len(given.shape) not in (0, 4):
        raise ToolboxError(
            f"The network takes {given.shape or 'no images'}, and images have four axes."
        )
    place = 3 if given.layout == "NHWC" else 1
    shape = list(given.shape or (None,) * 4)
    if shape[place] is None:
        first = next((node for node in graph.nodes if node.op == "conv"), None)
        weight = graph.tensors.get(first.inputs[1]) if first else None
        if first is None or weight is None:
            raise ToolboxError("The network has no convolution that tells its channels.")
        shape[place] = weight.shape[1] * first.settings()["groups"]
    return replace(given, shape=tuple(shape))


def _channels_of(given: GraphInput) -> int:
    return given.shape[3 if given.layout == "NHWC" else 1] or 1


def _find_size(network: GraphNetwork, given: GraphInput) -> tuple[tuple[int, int], bool]:
    """The size of images, and whether the network takes no other.

    It is the file's, or the first usual one that passes through.
    """
    height, width = given.shape[1:3] if given.layout == "NHWC" else given.shape[2:4]
    if height is not None and width is not None:
        return (height, width), True
    sizes = (28, *USUAL_SIZES) if _channels_of(given) == 1 else USUAL_SIZES
    passing = [side for side in dict.fromkeys(sizes) if _passes(network, given, side)]
    if not passing:
        raise ToolboxError("The network takes images of no usual size.")
    return (passing[0], passing[0]), len(passing) < len(USUAL_SIZES) // 2


def _passes(network: GraphNetwork, given: GraphInput, side: int) -> bool:
    """Whether images of a side pass through, and come out as many."""
    blank = _blank(given, (side, side))
    two = torch.cat([blank, blank])
    try:
        with torch.no_grad():
            found = network.run([two], ())[network.graph.outputs[0]]
    except ToolboxError:
        return False
    return len(found) == len(two)


def _blank(given: GraphInput, size: tuple[int, int]) -> Tensor:
    batch = given.shape[0] if given.shape and given.shape[0] else 1
    shape = (batch, _channels_of(given), *size)
    blank = torch.zeros(shape)
    return blank.permute(0, 2, 3, 1) if given.layout == "NHWC" else blank


def _find_outline(network: GraphNetwork, blank: Tensor) -> _Outline:
    """The stages of a network, by what comes out of each node for a blank image."""
    graph = network.graph
    top = _find_top(network)
    with torch.no_grad():
        every = [name for node in graph.nodes for name in node.outputs]
        values = network.run([blank], every)
    leading = _ancestors(graph, top)
    stages: dict[tuple[int, int], str] = {}
    smallest = blank[0].numel() + 1
    for node in graph.nodes:
        name = node.outputs[0]
        value = values.get(name)
        if name not in leading or value is None or value.ndim != 4 or node.op == "permute":
            continue
        height, width = int(value.shape[2]), int(value.shape[3])
        if height * width <= smallest and height * width > 1 and node.op != "pad":
            smallest = height * width
            stages[height, width] = name
    chosen = [name for name in stages.values() if name != top]
    if values[top].ndim not in (2, 4):
        raise ToolboxError(f"What the last layer reads has {values[top].ndim} axes.")
    found = (*chosen, top)
    names = (*(f"stage{k}" for k in range(1, len(chosen) + 1)), "top")
    return _Outline(
        values=found,
        ranks=tuple(values[name].ndim for name in found),
        names=names,
        channels=tuple(int(values[name].shape[1]) for name in found),
    )


def _find_top(network: GraphNetwork) -> str:
    """The value that the last layer with weights reads: the features of the network."""
    graph = network.graph
    makers = {name: node for node in graph.nodes for name in node.outputs}
    value = graph.outputs[0]
    while value in makers:
        node = makers[value]
        if node.op in ("linear", "conv", "matmul"):
            value = node.inputs[0]
            break
        reads = [name for name in node.inputs if name and name not in graph.tensors]
        if len(reads) != 1:
            break
        value = reads[0]
    while value in makers and makers[value].op in ("dropout", "identity"):
        value = makers[value].inputs[0]
    if value not in makers:
        raise ToolboxError("The network has one layer, and no features before it.")
    return value


def _ancestors(graph: Graph, top: str) -> set[str]:
    wanted = {top}
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            wanted.update(node.inputs)
    return wanted


def _as_map(value: Tensor, rank: int) -> Tensor:
    return value[:, :, None, None] if rank == 2 else value


def _build(name: str, settings: NetSettings, channels: int, weights: str | None) -> nn.Module:
    if weights in (None, RANDOM):
        return GraphBackbone(_graph_of(_KNOWN[name])).eval()
    assert weights is not None
    graph = read_foreign(Path(weights))
    if graph is None:
        raise ModelError(f"The file {weights} holds tensors and no layers.")
    return GraphBackbone(graph).eval()


def _card(name: str) -> NetCard:
    if name not in _CARDS:
        graph = _graph_of(_KNOWN[name])
        backbone = GraphBackbone(graph)
        scaling, channels = graph.preprocessing, _channels_of(backbone.given)
        unit = 255 * scaling.scale
        mean = [scaling.mean[k % len(scaling.mean)] / unit for k in range(channels)]
        std = [scaling.std[k % len(scaling.std)] / unit for k in range(channels)]
        if scaling.channels == "BGR":
            mean, std = mean[::-1], std[::-1]
        card = NetCard(
            name=name,
            family="foreign",
            title=f"{name.partition('@')[0]} ({graph.toolbox})",
            parameters=sum(p.numel() for p in backbone.parameters()),
            multiply_adds=0,
            input_size=max(backbone.size),
            mean=tuple(mean),
            std=tuple(std),
            stages=backbone.stage_names,
            pretrained=graph.toolbox,
            weights_at_hand=True,
        )
        count = count_multiply_adds(backbone, max(backbone.size), channels)
        _CARDS[name] = replace(card, multiply_adds=count)
    return _CARDS[name]


LUMA = (0.299, 0.587, 0.114)
USUAL_SIZES = (64, 32, 28, 96, 128, 160, 224, 227, 256, 299)
_KNOWN: dict[str, dict[str, Any]] = {}
_CARDS: dict[str, NetCard] = {}

NET = NetFamily(
    name="foreign",
    cards=lambda: (),
    matches=lambda name: name in _KNOWN,
    card=_card,
    build=_build,
)
