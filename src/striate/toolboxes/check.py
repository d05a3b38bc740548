"""A network against what its own toolbox answered: `x` in, `y` and layers out, errors told."""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from striate.toolboxes.build import GraphNetwork
from striate.toolboxes.graph import Array, ToolboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One array of a reference: the largest difference and the largest absolute value there.

    `quantum` is the step of whole numbers, 0 for floating-point ones; `agreement` the share of
    rows with the same largest entry, where it is an output. `missing` is a layer that the file
    does not name: an exporter leaves out what does nothing at test time, or all names.
    """

    name: str
    difference: float
    largest: float
    quantum: float = 0.0
    agreement: float = 1.0
    missing: bool = False

    @property
    def relative(self) -> float:
        """The difference as a share of the largest value."""
        return self.difference / self.largest if self.largest else self.difference

    @property
    def passes(self) -> bool:
        """Within 1e-5 of the largest value; of whole numbers one, and 99 % equal labels."""
        if self.quantum:
            return self.difference <= self.quantum and self.agreement >= SAME_LABELS
        return bool(self.difference <= TOLERANCE * self.largest)


def compare_with_reference(network: GraphNetwork, path: Path) -> tuple[Comparison, ...]:
    """What the network gives for the reference's `x`, against its `y` and its layers.

    Raises `ToolboxError` where the reference has no `x` or no `y`.
    """
    reference = read_arrays(path)
    outputs = _wanted_outputs(network, reference)
    layers, unknown = _wanted_layers(network, reference)
    if "x" not in reference or not outputs:
        raise ToolboxError(
            f"{path} has no array {'y' if 'x' in reference else 'x'}.",
            "Give a reference: numpy.savez(FILE, x=inputs, y=outputs).",
        )
    given = reference["x"].astype(np.float32, copy=False)
    hwcn = network.graph.layers_layout == "HWCN" and given.ndim == 4
    x = torch.from_numpy(np.ascontiguousarray(given.transpose(3, 2, 0, 1) if hwcn else given))
    with torch.no_grad():
        values = network.run([x], {*outputs.values(), *layers.values()})
    found = []
    for name, value in {**outputs, **layers}.items():
        want = reference[name]
        got = values[value].numpy()
        if hwcn and want.ndim == 4:
            got = got[: want.shape[-1]].transpose(2, 3, 1, 0)
        elif name in layers:
            got = _in_layout(got[: len(want)], network.graph.layers_layout)
        each = _compare(name, got, want, output=name in outputs)
        if name in outputs and not each.passes and _are_probabilities(want, got):
            got = torch.softmax(torch.from_numpy(np.ascontiguousarray(got)), 1).numpy()
            each = _compare(f"{name} (softmax of the output)", got, want, output=True)
        found.append(each)
    for name in unknown:
        found.append(Comparison(name=name, difference=0.0, largest=0.0, missing=True))
    return tuple(found)


def _are_probabilities(want: Array, got: Array) -> bool:
    """Whether a reference has probabilities where the file's network ends in logits."""
    if want.shape != got.shape or want.ndim != 2 or want.dtype.kind != "f":
        return False
    sums = want.sum(1)
    return bool(want.min() >= 0 and np.allclose(sums, 1, atol=1e-3)) and bool(got.min() < 0)


def compare_tensors(tensors: Mapping[str, Array], path: Path) -> tuple[Comparison, ...]:
    """Tensors of a file without layers, against a reference's arrays of the same names."""
    reference = read_arrays(path)
    if "x" in reference or not set(reference) <= set(tensors):
        raise ToolboxError(
            "The file holds weights and no layers, so it gives no answers to compare.",
            "Name the list of its layers with --net.",
        )
    found = []
    for name, want in reference.items():
        got = tensors[name]
        if want.dtype.kind == "b":
            got, want = got.astype(np.float32), want.astype(np.float32)
        found.append(_compare(name, got, want, output=False))
    return tuple(found)


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz, without unpickling; `ToolboxError` where it is none."""
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
        if total > MOST_UNPACKED * len(content) + 2**28:
            raise ToolboxError(f"{path} would unpack to {total:,} bytes.")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except ToolboxError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ToolboxError(
            f"{path} is no .npz of numbers: {error}.",
            "Give a reference: numpy.savez(FILE, x=inputs, y=outputs).",
        ) from error


def _wanted_outputs(network: GraphNetwork, reference: Mapping[str, Array]) -> dict[str, str]:
    outputs = network.graph.outputs
    if "y" in reference:
        return {"y": outputs[0]}
    return {f"y{k}": value for k, value in enumerate(outputs) if f"y{k}" in reference}


def _wanted_layers(
    network: GraphNetwork, reference: Mapping[str, Array]
) -> tuple[dict[str, str], list[str]]:
    """Arrays `layer_NAME` and `t_NAME` with the value of each, and those of no layer here."""
    exact = network.graph.layers
    plain = {_plain(name): value for name, value in exact.items()}
    # A constant that was worked out beforehand is no value of the run.
    given = {value for node in network.graph.nodes for value in node.outputs}
    found: dict[str, str] = {}
    unknown: list[str] = []
    for name in reference:
        match = re.fullmatch(r"(?:layer|t)_(.+)", name)
        if match is None:
            continue
        value = exact.get(match[1], plain.get(_plain(match[1])))
        if value is not None and value in given:
            found[name] = value
        else:
            unknown.append(name)
    return found, unknown


def _plain(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_").removesuffix("_output")


def _in_layout(array: Array, layout: str) -> Array:
    return np.moveaxis(array, 1, -1) if layout == "NHWC" and array.ndim == 4 else array


def _compare(name: str, got: Array, want: Array, *, output: bool) -> Comparison:
    whole = want.dtype.kind in "iu"
    if got.shape != want.shape and got.size == want.size:
        got = got.reshape(want.shape)
    if got.shape != want.shape:
        raise ToolboxError(
            f"{name} has the shape {want.shape} in the reference and {got.shape} here."
        )
    a, b = got.astype(np.float64), want.astype(np.float64)
    gap = float(np.abs(a - b).max(initial=0.0))
    same = 1.0
    if output and a.ndim >= 2:
        same = float((a.argmax(-1) == b.argmax(-1)).mean())
    if not np.isfinite(gap):
        gap = float("inf")
    return Comparison(
        name=name,
        difference=gap,
        largest=float(np.abs(b).max(initial=0.0)),
        quantum=1.0 if whole else 0.0,
        agreement=same,
    )


TOLERANCE = 1e-5
SAME_LABELS = 0.99
MOST_UNPACKED = 1000
