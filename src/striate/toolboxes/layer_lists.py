"""Lists of layers, for files that hold weights alone: a TOML file, and tensors laid on it.

A list has keys `input` (shape with 0 for any number), `layout`, `scale`, `mean`, `std`,
`channels`, and a `[[layer]]` for each layer in order: `op` of `graph.OPERATIONS` with its
attributes, `name`, `from` (names of layers; the one before by default), `activation`, and
`weights` (role to tensor's name) where names do not tell. `same_as` names another list.
"""

import fnmatch
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes import NamedTensors
from striate.toolboxes.graph import (
    OPERATIONS,
    Array,
    Graph,
    GraphInput,
    InputScaling,
    Node,
    ToolboxError,
)


@dataclass(slots=True)
class _Fitting:
    """Tensors on their way to layers: which are taken, and by whom."""

    file: NamedTensors
    settings: Mapping[str, Any]
    tensors: dict[str, Array] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    layers: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


def find_layer_list(name: str) -> Path | None:
    """The list that is meant: a file, or the name of one among those that come with striate."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    stem = path.name.removesuffix(".toml")
    for folder in LIST_FOLDERS:
        for pattern in (f"{stem}.toml", f"{stem}.*.toml"):
            found = sorted(folder.glob(pattern))
            if found:
                return found[0]
    return None


def lay_on_list(file: NamedTensors, path: Path) -> Graph:
    """The graph that a list and a file's tensors make together.

    Tensors are found by their names (layer, then role); where no name of the file is one of the
    list's, in their order. Raises `ToolboxError` naming what is missing, left over, or of a shape
    that does not fit.
    """
    settings = _read_list(path)
    fitting = _Fitting(file=file, settings=settings)
    layers = settings.get("layer", [])
    by_name = _named_share(file, layers) > 0
    find = _by_name if by_name else _by_order
    shape = tuple(int(n) or None for n in settings.get("input", (0, 1, 0, 0)))
    layout = settings.get("layout", "NCHW")
    value = INPUT
    if layout == "NHWC":
        value = _emit(fitting, "permute", "to_maps", [value], {"axes": (0, 3, 1, 2)})
    for number, layer in enumerate(layers):
        value = _add_layer(fitting, dict(layer), number, value, layout, find)
    _account(fitting, path, by_name)
    outputs = [fitting.layers[name] for name in settings.get("outputs", [])] or [value]
    return Graph(
        nodes=tuple(fitting.nodes),
        tensors=fitting.tensors,
        inputs=(GraphInput(name=INPUT, shape=shape, layout=layout),),
        outputs=tuple(outputs),
        toolbox=file.toolbox,
        version=file.version,
        preprocessing=_scaling_of(settings),
        classes=tuple(settings.get("classes", ())),
        layers=fitting.layers,
        layers_layout=layout,
        notes=(*file.notes, f"{len(fitting.taken)} tensors fitted onto {path.name}"),
    )


def _read_list(path: Path, depth: int = 0) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ToolboxError(f"{path} is no list of layers: {error}.") from error
    other = found.get("same_as")
    if other is None:
        return found
    if depth > 4 or "/" in other or "\\" in other:
        raise ToolboxError(f"{path} names {other!r}, which is no list beside it.")
    return {**_read_list(path.with_name(f"{other}.toml"), depth + 1), **found}


def _scaling_of(settings: Mapping[str, Any]) -> InputScaling:
    return InputScaling(
        scale=float(settings.get("scale", 1 / 255)),
        mean=tuple(float(m) for m in settings.get("mean", (0.0,))),
        std=tuple(float(s) for s in settings.get("std", (1.0,))),
        channels=settings.get("channels", "RGB"),
        known="scale" in settings,
    )


def _add_layer(
    fitting: _Fitting,
    layer: dict[str, Any],
    number: int,
    before: str,
    layout: str,
    find: Callable[[_Fitting, str, str, Mapping[str, str]], Array | None],
) -> str:
    """Adds the nodes of a layer; gives the value that comes out."""
    op = layer.pop("op", "")
    name = layer.pop("name", f"{op}_{number}")
    if op not in OPERATIONS:
        raise ToolboxError(f"Layer {name!r} of the list is a {op!r}, which is not known.")
    inputs = [fitting.layers[given] if given else INPUT for given in layer.pop("from", [])]
    inputs = inputs or [before]
    activation = layer.pop("activation", "")
    named = layer.pop("weights", {})
    without = set(layer.pop("without", ()))
    flip = bool(layer.pop("flip", fitting.settings.get("flip", False)))
    if op == "flatten" and layout == "NHWC":
        inputs = [_emit(fitting, "permute", f"{name}:rows", inputs, {"axes": (0, 2, 3, 1)})]
    extra: list[str] = []
    found: dict[str, Array | None] = {}
    for role in _roles(op, fitting.settings):
        found[role] = None if role in without else find(fitting, name, role, named)
        if found[role] is None and role in NEEDED.get(op, ()):
            fitting.missing.append(f"{name}.{role}")
    settings = _tidy_settings(op, layer)
    for role in ROLES.get(op, ()):
        array = found.get(role)
        if array is None:
            extra.append("")
            continue
        full = f"{name}.{role}"
        fitting.tensors[full] = _turn(op, role, array, settings, fitting.settings, flip, name)
        extra.append(full)
    while extra and not extra[-1]:
        extra.pop()
    if fitting.missing:
        return before  # told of all together
    value = _emit(fitting, op, name, [*inputs, *extra], settings)
    if activation:
        value = _emit(fitting, activation, f"{name}:{activation}", [value], {})
        fitting.layers[name] = value
    return value


def _emit(
    fitting: _Fitting, op: str, name: str, inputs: Sequence[str], settings: Mapping[str, Any]
) -> str:
    value = f"{name}:out"
    fitting.nodes.append(
        Node(op=op, name=name, inputs=tuple(inputs), outputs=(value,), attributes=settings)
    )
    fitting.layers[name] = value
    return value


def _tidy_settings(op: str, layer: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as nodes take them: one number for both directions is two."""
    found: dict[str, Any] = {}
    for name, value in layer.items():
        if name in ("stride", "kernel", "dilation", "size", "output_padding") and op != "lrn":
            value = (value, value) if isinstance(value, int) else tuple(value)
        elif name == "pads" and isinstance(value, int):
            value = (value,) * 4
        elif isinstance(value, list):
            value = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        found[name] = value
    return found


def _roles(op: str, settings: Mapping[str, Any]) -> Sequence[str]:
    """The tensors of a layer in the order in which the file's toolbox keeps them."""
    order: Mapping[str, Any] = settings.get("order", {})
    return tuple(order.get(op, ROLES.get(op, ())))


def _turn(
    op: str,
    role: str,
    array: Array,
    layer: dict[str, Any],
    settings: Mapping[str, Any],
    flip: bool,
    name: str,
) -> Array:
    """A tensor in torch's order of axes and meaning."""
    axes: Mapping[str, str] = settings.get("axes", {})
    if role == "weight" and op == "conv":
        order = axes.get("conv", "OIHW")
        if order == "HWIO":
            if layer.get("groups", 1) == array.shape[2] and axes.get("depthwise") == "HWIM":
                h, w, c, m = array.shape
                array = array.transpose(2, 3, 0, 1).reshape(c * m, 1, h, w)
            else:
                array = array.transpose(3, 2, 0, 1)
        elif order == "HWCM":
            h, w, c, m = array.shape
            array = array.transpose(2, 3, 0, 1).reshape(c * m, 1, h, w)
        if array.ndim == 5:  # groups are an axis of their own
            array = array.reshape(-1, *array.shape[2:])
        if flip:
            array = array[..., ::-1, ::-1]
        if array.ndim != 4:
            raise ToolboxError(f"The weight of layer {name!r} has {array.ndim} axes.")
    elif role == "weight" and op == "linear":
        if array.ndim != 2:
            array = array.reshape(array.shape[0], -1)
        if axes.get("linear", "OI") == "IO":
            array = array.T
    elif role == "variance":
        kind = settings.get("statistic", "variance")
        epsilon = layer.get("epsilon", 1e-5)
        wide = array.astype(np.float64)
        if kind == "inverse_deviation":
            array = (1 / wide**2 - epsilon).astype(np.float32)
        elif kind == "deviation":
            array = (wide**2 - epsilon).astype(np.float32)
    if array.ndim > 1 and role in ("bias", "gamma", "beta", "mean", "variance"):
        array = array.reshape(-1)
    return np.ascontiguousarray(array)


def _by_name(fitting: _Fitting, layer: str, role: str, named: Mapping[str, str]) -> Array | None:
    tensors = fitting.file.tensors
    if role in named:
        name: str | None = named[role] if named[role] in tensors else None
    else:
        candidates = [n for n in tensors if n not in fitting.taken and _is_role(n, layer, role)]
        if len(candidates) > 1:
            shortest = min(candidates, key=len)
            if not all(n.endswith(shortest) or n == shortest for n in candidates):
                raise ToolboxError(
                    f"The {role} of layer {layer!r} may be {' or '.join(candidates)}.",
                    "Say which in the list: weights = { role = 'NAME' }.",
                )
            candidates = [shortest]
        name = candidates[0] if candidates else None
    if name is None:
        return None
    fitting.taken.add(name)
    return tensors[name]


def _is_role(name: str, layer: str, role: str) -> bool:
    """Whether a tensor's name is a layer's name and one of the words for a role."""
    parts = [part for part in re.split(r"[./:]+", re.sub(r":\d+$", "", name)) if part]
    words = ROLE_WORDS[role]
    if len(parts) > 1 and parts[-1] in words:
        return ".".join(parts[:-1]).endswith(layer) and (
            ".".join(parts[:-1]) == layer or ".".join(parts[:-1]).endswith(f".{layer}")
        )
    return any(name in (f"{layer}_{word}", f"{layer}.{word}") for word in words)


def _by_order(fitting: _Fitting, layer: str, role: str, named: Mapping[str, str]) -> Array | None:
    tensors = fitting.file.tensors
    if role in named:
        return _by_name(fitting, layer, role, named)
    for name, array in tensors.items():
        if name in fitting.taken or _is_bookkeeping(name, fitting.settings):
            continue
        wide = role == "weight"
        if (array.ndim > 1) != wide and array.ndim != 4:
            return None  # the next in line is of another kind: this layer has none
        fitting.taken.add(name)
        return array
    return None


def _named_share(file: NamedTensors, layers: Sequence[Mapping[str, Any]]) -> int:
    return sum(
        any(_is_role(name, str(layer.get("name", "?")), role) for name in file.tensors)
        for layer in layers
        for role in ROLES.get(layer.get("op", ""), ())[:1]
    ) + sum(bool(layer.get("weights")) for layer in layers)


def _is_bookkeeping(name: str, settings: Mapping[str, Any]) -> bool:
    patterns = (*BOOKKEEPING, *settings.get("ignore", ()))
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _account(fitting: _Fitting, path: Path, by_name: bool) -> None:
    """Every tensor is fitted or said to be left over; raises `ToolboxError` otherwise."""
    left = [
        name
        for name in fitting.file.tensors
        if name not in fitting.taken and not _is_bookkeeping(name, fitting.settings)
    ]
    if fitting.missing or left:
        how = "by name" if by_name else "by order"
        parts = []
        if fitting.missing:
            parts.append(f"missing are {_some(fitting.missing)}")
        if left:
            parts.append(f"left over are {_some(left)}")
        raise ToolboxError(
            f"The tensors do not fit {path.name} ({len(fitting.taken)} fitted {how}): "
            f"{'; '.join(parts)}.",
            "Name the list of the layers that these weights were trained in.",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{', '.join(names[:4])}{more}"


INPUT = "images"
HERE = Path(__file__).resolve()
LIST_FOLDERS = (
    Path("docs/how-to/layer-lists"),
    HERE.parents[3] / "docs" / "how-to" / "layer-lists",
    HERE.parent / "layer-lists",  # in a wheel
)
ROLES: dict[str, tuple[str, ...]] = {
    "conv": ("weight", "bias"),
    "conv_transpose": ("weight", "bias"),
    "linear": ("weight", "bias"),
    "batch_norm": ("gamma", "beta", "mean", "variance"),
    "prelu": ("slope",),
}
NEEDED = {
    "conv": ("weight",),
    "conv_transpose": ("weight",),
    "linear": ("weight",),
    "batch_norm": ("mean", "variance"),
    "prelu": ("slope",),
}
ROLE_WORDS = {
    "weight": ("weight", "W", "kernel", "weights", "depthwise_kernel", "w_0", "filters"),
    "bias": ("bias", "b", "b_0", "biases"),
    "gamma": ("gamma", "weight", "scale"),
    "beta": ("beta", "bias", "offset"),
    "mean": ("mean", "running_mean", "_mean", "moving_mean"),
    "variance": (
        "variance",
        "running_var",
        "_variance",
        "moving_variance",
        "var",
        "inv_std",
        "running_std",
    ),
    "slope": ("slope", "weight", "alpha"),
}
BOOKKEEPING = (
    "*num_batches_tracked",
    "optimizer*",
    "global_step",
    "*learning_rate*",
    "moments.*",
    "momentum",
)
