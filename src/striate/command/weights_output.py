"""What `striate weights` tells: the network in files of another toolbox, and how it answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.command.prediction_rows import table_lines
from striate.toolboxes import NamedTensors, read_files
from striate.toolboxes.build import GraphNetwork, build_graph
from striate.toolboxes.check import Comparison, compare_tensors, compare_with_reference
from striate.toolboxes.graph import Graph, InputScaling, Node, ToolboxError
from striate.toolboxes.layer_lists import find_layer_list, lay_on_list


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightsFound:
    """What lies in the files: a graph with its network, or tensors alone."""

    content: Graph | NamedTensors
    network: GraphNetwork | None


def examine_weights(files: Sequence[str], net: str | None = None) -> WeightsFound:
    """Reads the files and builds their network; raises `ToolboxError` where that cannot be.

    `net` names the list of layers for files that hold weights alone; a list that is named after
    the toolbox's folder and the file is found without it.
    """
    content = read_files([Path(file) for file in files])
    if isinstance(content, NamedTensors):
        layers = find_layer_list(net or f"{content.toolbox.lower()}-{Path(files[0]).name}")
        if net and layers is None:
            raise ToolboxError(
                f"There is no list of layers {net!r}.",
                "Name a .toml file, or one of docs/how-to/layer-lists.",
            )
        if layers is not None:
            content = lay_on_list(content, layers)
    network = build_graph(content) if isinstance(content, Graph) else None
    return WeightsFound(content=content, network=network)


def check_weights(found: WeightsFound, reference: str | None) -> tuple[Comparison, ...]:
    """The network against a reference's answers; nothing where none is named."""
    if reference is None:
        return ()
    if found.network is None:
        assert isinstance(found.content, NamedTensors)
        return compare_tensors(found.content.tensors, Path(reference))
    return compare_with_reference(found.network, Path(reference))


def weights_lines(found: WeightsFound, compared: Sequence[Comparison]) -> Iterator[str]:
    """Toolbox, inputs, preprocessing, layers, parameters; then every comparison."""
    content = found.content
    yield f"{content.toolbox} {content.version}".strip()
    if isinstance(content, Graph):
        yield from _graph_lines(content)
    else:
        yield f"{len(content.tensors)} tensors, and no layers: name their list with --net"
        yield from table_lines(
            [["tensor", "shape"]] + [[n, _shape(t.shape)] for n, t in content.tensors.items()]
        )
    yield from (f"note: {note}" for note in content.notes)
    if compared:
        yield ""
        yield from _comparison_lines(compared)


def _graph_lines(graph: Graph) -> Iterator[str]:
    for given in graph.inputs:
        yield f"input {given.name}: {_shape(given.shape)} {given.layout}".rstrip()
    yield f"output {', '.join(graph.outputs)}" + (
        f": {len(graph.classes)} classes ({', '.join(graph.classes[:5])} ...)"
        if graph.classes
        else ""
    )
    yield _preprocessing_line(graph.preprocessing)
    yield f"{len(graph.nodes)} layers, {graph.count_parameters():,} parameters"
    yield ""
    yield from table_lines(
        [["layer", "operation", "weights", "settings"]]
        + [[node.name, node.op, _weights(graph, node), _settings(node)] for node in graph.nodes]
    )


def _preprocessing_line(given: InputScaling) -> str:
    sure = "known from the file" if given.known else "guessed, the file does not say"
    scale = f"(pixel x {given.scale:.6g} - {_numbers(given.mean)}) / {_numbers(given.std)}"
    note = f"; {given.note}" if given.note else ""
    return f"preprocessing {scale}, {given.channels}: {sure}{note}"


def _numbers(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values)
    return shown if len(values) == 1 else f"({shown})"


def _weights(graph: Graph, node: Node) -> str:
    return " ".join(_shape(graph.tensors[n].shape) for n in node.inputs if n in graph.tensors)


def _settings(node: Node) -> str:
    return " ".join(f"{name}={value}".replace(", ", ",") for name, value in node.attributes.items())


def _shape(lengths: Sequence[int | None]) -> str:
    return "x".join("N" if length is None else str(length) for length in lengths) or "1"


def _comparison_lines(compared: Sequence[Comparison]) -> Iterator[str]:
    rows = [["compared", "max|d|", "max|ref|", "relative", ""]]
    for each in compared:
        if each.missing:
            rows.append([each.name, "", "", "", "not named in the file"])
            continue
        verdict = "ok" if each.passes else "differs"
        rows.append(
            [
                each.name,
                f"{each.difference:.2e}",
                f"{each.largest:.2e}",
                f"{each.relative:.1e}",
                verdict,
            ]
        )
    yield from table_lines(rows)
