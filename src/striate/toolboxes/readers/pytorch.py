"""PyTorch: state dictionaries old and new, whole modules, safetensors, TorchScript, `.pt2`.

A zip or a row of pickles, read by our own machine: tensors are views of storages, each checked
against the bytes that are there. Programs are walked as text, never run.
"""

import io
import json
import math
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors
import safetensors.torch

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import Array, Graph, GraphInput, ToolboxError
from striate.toolboxes.readers._aten import ALIASES, CallRecorder, Value
from striate.toolboxes.readers._torchscript import ScriptWalker
from striate.toolboxes.wire.pickles import Record, read_pickle

Storages = Callable[[str, str, int], Array]


def _read(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    if len(files) != 1:
        raise ToolboxError("One file is a whole network here.", "Name it alone.")
    file = files[0]
    if file.head.startswith(b"PK"):
        return _read_zip(file)
    if file.head[8:9] == b"{" and file.head[:1] != b"\x80":
        return _read_safetensors(file)
    return _read_legacy(file)


# The zip form ------------------------------------------------------------------------------------


class _Archive:
    """The members of a zip below its one top folder, each no larger than it may be."""

    def __init__(self, content: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(content))
        names = self.zip.namelist()
        total = sum(entry.file_size for entry in self.zip.infolist())
        if total > MOST_UNPACKED * len(content) + 2**26:
            raise ToolboxError(f"The archive would unpack to {total:,} bytes.")
        self.top = names[0].split("/")[0] if names else ""
        self.names = {name.removeprefix(f"{self.top}/") for name in names}

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise ToolboxError(f"The archive has no {name}.", "Take a copy that is whole.")
        return self.zip.read(f"{self.top}/{name}")


def _read_zip(file: GivenFile) -> Graph | NamedTensors:
    archive = _Archive(file.read())
    if "models/model.json" in archive.names:
        return _read_exported(archive)
    pickled = archive.read("data.pkl")
    storages = _zip_storages(archive, "data")
    value, _ = read_pickle(pickled, TORCH_NAMES, _persistent(storages))
    if any(name.startswith("code/") for name in archive.names) or "constants.pkl" in archive.names:
        return _read_script(archive, value)
    return _as_tensors(value, "zip")


def _zip_storages(archive: _Archive, folder: str) -> Storages:
    """Storages by their keys; each is read once."""
    order = "<"
    if "byteorder" in archive.names and archive.read("byteorder").strip() == b"big":
        order = ">"
    kept: dict[str, Array] = {}

    def find(key: str, kind: str, _: int) -> Array:
        if key not in kept:
            kept[key] = _numbers(archive.read(f"{folder}/{key}"), kind, order)
        return kept[key]

    return find


def _numbers(content: bytes, kind: str, order: str = "<") -> Array:
    """Raw bytes as numbers of a storage's type; bfloat16 is widened to float32."""
    name = kind.rsplit(".", 1)[-1]
    if name not in STORAGES:
        raise ToolboxError(f"Tensors of {name} are not read.")
    code = STORAGES[name]
    if code == "bf16":
        bits = np.frombuffer(content, f"{order}u2").astype(np.uint32) << 16
        return bits.view(np.float32)
    size = np.dtype(code).itemsize
    return np.frombuffer(content[: len(content) // size * size], f"{order}{code}").astype(code)


def _persistent(storages: Storages) -> Callable[[Any], Any]:
    def find(given: Any) -> Array:
        if not isinstance(given, tuple) or len(given) < 5 or given[0] != "storage":
            raise ToolboxError("A tensor refers to what is no storage.")
        kind = given[1] if isinstance(given[1], str) else "UntypedStorage"
        return storages(str(given[2]), kind, int(given[4]))

    return find


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Record:
    """A view of a storage, as an array of its own, every index checked."""
    if not isinstance(storage, np.ndarray) or len(size) != len(stride) or len(size) > 16:
        raise ToolboxError("A tensor is no view of a storage.")
    lengths, steps = [int(n) for n in size], [int(n) for n in stride]
    count = math.prod(lengths)
    last = offset + sum((n - 1) * s for n, s in zip(lengths, steps, strict=True))
    if offset < 0 or min([*lengths, *steps], default=0) < 0:
        raise ToolboxError("A tensor has a negative length, stride or offset.")
    if count and (last >= len(storage) or count > 4 * len(storage) + 1024):
        raise ToolboxError(
            f"A tensor of shape {tuple(lengths)} does not lie within its {len(storage):,} numbers."
        )
    width = storage.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage[offset:] if count else storage[:0],
        lengths,
        [step * width for step in steps],
        writeable=False,
    )
    made = Record("tensor")
    made.array = np.array(view)
    return made


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


TORCH_NAMES: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch.Size": lambda lengths=(): tuple(lengths),
    "torch.device": lambda *given: ":".join(map(str, given)),
    "torch.jit._pickle.build_intlist": list,
    "torch.jit._pickle.build_doublelist": list,
    "torch.jit._pickle.build_boollist": list,
    "torch.jit._pickle.build_tensorlist": list,
    "torch.jit._pickle.restore_type_tag": lambda value, _: value,
}


def _read_legacy(file: GivenFile) -> NamedTensors:
    """Five pickles in a row, then every storage: how many numbers, and the numbers."""
    content = file.read()
    magic, at = read_pickle(content)
    if magic != MAGIC:
        raise ToolboxError("It is a pickle, and not one of torch.save.")
    for _ in range(2):
        _, at = read_pickle(content, at=at)
    kinds: dict[str, tuple[str, int]] = {}

    def remember(given: Any) -> _Storage:
        kinds[str(given[2])] = (given[1], int(given[4]))
        return _Storage(str(given[2]))

    later: list[tuple[Record, Any]] = []

    def postpone(*given: Any) -> Record:
        made = Record("tensor")
        later.append((made, given))
        return made

    names = {**TORCH_NAMES, **dict.fromkeys(REBUILDS, postpone)}
    # Tensors come before their storages: the first reading only learns what there will be.
    start = at
    _, at = read_pickle(content, names, remember, at)
    keys, at = read_pickle(content, at=at)
    storages: dict[str, Array] = {}
    for key in keys:
        kind, _ = kinds[str(key)]
        code = STORAGES.get(kind.rsplit(".", 1)[-1], "u1")
        width = 2 if code == "bf16" else np.dtype(code).itemsize
        (count,) = struct.unpack_from("<q", content, at)
        at += 8
        if count < 0 or count * width > len(content) - at:
            raise ToolboxError(f"A storage of {count:,} numbers does not lie in the file.")
        storages[str(key)] = _numbers(content[at : at + count * width], kind)
        at += count * width
    value, _ = read_pickle(
        content, TORCH_NAMES, _persistent(lambda key, kind, size: storages[key]), start
    )
    return _as_tensors(value, "before 1.6")


class _Storage:
    """A storage that comes later in the file."""

    def __init__(self, key: str) -> None:
        self.key = key


def _read_safetensors(file: GivenFile) -> NamedTensors:
    try:
        tensors = safetensors.torch.load(file.read())
        with safetensors.safe_open(file.path, framework="pt") as opened:
            facts = opened.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ToolboxError(f"{error}.", "Take a copy that is whole.") from error
    arrays = {
        name: (t.float() if t.dtype.is_floating_point else t).numpy() for name, t in tensors.items()
    }
    notes = tuple(f"{name} = {value}" for name, value in list(facts.items())[:20])
    return NamedTensors(tensors=arrays, toolbox="PyTorch", version="safetensors", notes=notes)


def _as_tensors(value: Any, version: str) -> NamedTensors:
    """The tensors of a state dictionary, out of what it is wrapped in, or of a module's tree."""
    notes: list[str] = []
    if isinstance(value, Record):
        found = _module_tensors(value, "", 0)
        notes.append(f"a whole module ({value.name}): its tensors alone, its program is not in it")
    else:
        for wrap in WRAPPERS:
            if isinstance(value, dict) and isinstance(value.get(wrap), dict | Record):
                value = value[wrap]
                break
        if isinstance(value, Record):
            found = _module_tensors(value, "", 0)
        else:
            found = _flat_tensors(value) if isinstance(value, dict) else {}
    if not found:
        raise ToolboxError("It holds no tensors.", "Save net.state_dict().")
    return NamedTensors(tensors=found, toolbox="PyTorch", version=version, notes=tuple(notes))


def _flat_tensors(value: Mapping[Any, Any]) -> dict[str, Array]:
    return {str(name): each for name, each in value.items() if isinstance(each, np.ndarray)}


def _module_tensors(module: Record, path: str, depth: int) -> dict[str, Array]:
    found: dict[str, Array] = {}
    state = module.state if isinstance(module.state, dict) else {}
    if depth > 60:
        raise ToolboxError("Modules lie in each other more than 60 deep.")
    for group in ("_parameters", "_buffers"):
        for name, each in (state.get(group) or {}).items():
            if isinstance(each, np.ndarray):
                found[f"{path}{name}"] = each
    for name, each in (state.get("_modules") or {}).items():
        if isinstance(each, Record):
            found.update(_module_tensors(each, f"{path}{name}.", depth + 1))
    return found


# Programs ----------------------------------------------------------------------------------------


def _read_script(archive: _Archive, module: Any) -> Graph:
    if not isinstance(module, Record):
        raise ToolboxError("Its program has no module.")
    constants: dict[str, Any] = {}
    tensors: dict[str, Array] = {}
    recorder = CallRecorder(tensors)
    names: dict[int, str] = {}

    def weight_of(value: Any, path: str) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        name = names.setdefault(id(value), path)
        tensors[name] = value
        return Value(name)

    if "constants.pkl" in archive.names:
        found, _ = read_pickle(
            archive.read("constants.pkl"),
            TORCH_NAMES,
            _persistent(_zip_storages(archive, "constants")),
        )
        for number, value in enumerate(found if isinstance(found, tuple | list) else ()):
            constants[f"c{number}"] = weight_of(value, f"c{number}")

    def source_of(name: str) -> str:
        return archive.read(f"code/{name.replace('.', '/')}.py").decode("utf-8")

    walker = ScriptWalker(source_of, constants, recorder, weight_of)
    result = walker.forward(module, Value("images"))
    results = result if isinstance(result, list) else [result]
    return Graph(
        nodes=tuple(recorder.nodes),
        tensors=tensors,
        inputs=(GraphInput(name="images", shape=(None, _first_channels(recorder), None, None)),),
        outputs=tuple(each.name for each in results if isinstance(each, Value)),
        toolbox="PyTorch",
        version="TorchScript",
        layers={**{node.name: node.outputs[0] for node in recorder.nodes}, **walker.layers},
    )


def _first_channels(recorder: CallRecorder) -> int | None:
    for node in recorder.nodes:
        if node.op == "conv":
            return int(recorder.tensors[node.inputs[1]].shape[1] * node.settings()["groups"])
    return None


def _read_exported(archive: _Archive) -> Graph:
    """An `ExportedProgram`: nodes of aten with their arguments by name."""
    model = json.loads(archive.read("models/model.json"))
    program = model["graph_module"]
    graph, signature = program["graph"], program["signature"]
    weights = _exported_weights(archive)
    tensors: dict[str, Array] = {}
    inputs: list[str] = []
    for spec in signature["input_specs"]:
        (kind, content), *_ = spec.items()
        if kind == "user_input":
            inputs.append(content["arg"]["as_tensor"]["name"])
            continue
        key = {"parameter": "parameter_name", "buffer": "buffer_name"}.get(
            kind, "tensor_constant_name"
        )
        name = content["arg"]["name"]
        if content[key] not in weights:
            raise ToolboxError(f"The weight {content[key]!r} is not in the file.")
        tensors[name] = weights[content[key]]
    recorder = CallRecorder(tensors)
    layers: dict[str, str] = {}
    values = {name: Value(name) for name in (*tensors, *inputs)}
    for node in graph["nodes"]:
        target = node["target"].removeprefix("torch.ops.aten.").split(".")[0]
        named: dict[str, Any] = {}
        for argument in node["inputs"]:
            named[ALIASES.get(argument["name"], argument["name"])] = _argument(
                argument["arg"], values
            )
        if target in ("view", "reshape") and "size" in named:
            named["shape"] = named.pop("size")
        if "as_tensor" not in node["outputs"][0] and "as_sym_int" not in node["outputs"][0]:
            raise ToolboxError(f"{target} gives what is no tensor.")
        out = next(iter(node["outputs"][0].values()))
        out = out.get("name") or out.get("as_name")
        found = recorder.call(target, (), named, out)
        values[out] = found
        if isinstance(found, Value):
            layers[out] = found.name
            path = _module_path(node.get("metadata", {}))
            if path:
                layers[path] = found.name
    shape = graph["tensor_values"].get(inputs[0], {}).get("sizes", [])
    lengths = tuple(size.get("as_int") for size in shape)
    outputs = [values[each["as_tensor"]["name"]].name for each in graph["outputs"]]
    return Graph(
        nodes=tuple(recorder.nodes),
        tensors=tensors,
        inputs=tuple(GraphInput(name=name, shape=lengths) for name in inputs),
        outputs=tuple(outputs),
        toolbox="PyTorch",
        version=f"{model.get('torch_version', '')} ExportedProgram".strip(),
        layers=layers,
    )


def _module_path(metadata: Mapping[str, str]) -> str:
    """The path of the module that a node came from: `L__self___conv1,conv1,torch...;...`."""
    stack = str(metadata.get("nn_module_stack", "")).split(";")[-1].split(",")
    return stack[1] if len(stack) > 1 else ""


def _exported_weights(archive: _Archive) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for folder, config in (
        ("weights", "model_weights_config"),
        ("constants", "model_constants_config"),
    ):
        name = f"data/{folder}/{config}.json"
        if name not in archive.names:
            continue
        for tensor, entry in json.loads(archive.read(name)).get("config", {}).items():
            if entry.get("use_pickle"):
                raise ToolboxError(f"The weight {tensor!r} is a pickle.")
            meta, path = entry["tensor_meta"], str(entry["path_name"])
            if meta["dtype"] not in EXPORTED_TYPES or "/" in path:
                raise ToolboxError(f"The weight {tensor!r} is of type {meta['dtype']}.")
            raw = archive.read(f"data/{folder}/{path}")
            made = _rebuild_tensor(
                _numbers(raw, EXPORTED_TYPES[meta["dtype"]]),
                meta["storage_offset"]["as_int"],
                [size["as_int"] for size in meta["sizes"]],
                [stride["as_int"] for stride in meta["strides"]],
            )
            assert made.array is not None
            found[tensor] = made.array
    return found


def _argument(argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    (kind, content), *_ = argument.items()
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return values[content["name"]]
    if kind == "as_tensors":
        return [values[each["name"]] for each in content]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return values[content["as_name"]] if "as_name" in content else content["as_int"]
    if kind == "as_sym_ints":
        return [values[e["as_name"]] if "as_name" in e else e["as_int"] for e in content]
    if isinstance(content, list | int | float | bool | str):
        return content
    return None


MAGIC = 0x1950A86A20F9469CFC6C
MOST_UNPACKED = 1000
REBUILDS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
WRAPPERS = ("state_dict_ema", "state_dict", "model_ema", "model_state_dict", "model", "net")
STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "UntypedStorage": "u1",
}
EXPORTED_TYPES = {
    1: "ByteStorage",
    2: "CharStorage",
    3: "ShortStorage",
    4: "IntStorage",
    5: "LongStorage",
    6: "HalfStorage",
    7: "FloatStorage",
    8: "DoubleStorage",
    12: "BoolStorage",
    13: "BFloat16Storage",
}


def _detect(files: Sequence[GivenFile]) -> int:
    head, ending = files[0].head, files[0].ending
    if head.startswith(b"PK"):
        marks = (b"/data.pkl", b"/archive_format", b"/models/model.json", b"/byteorder")
        if any(mark in head for mark in marks):
            return 2
        return 1 if ending in (".pt", ".pth", ".pt2") else 0
    if head.startswith(LEGACY):
        return 2
    if head[8:9] == b"{" and ending == ".safetensors":
        return 2
    return 1 if ending in (".pt", ".pth", ".pt2", ".safetensors") else 0


LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"

TOOLBOX = Toolbox(
    name="PyTorch",
    endings=(".pt", ".pth", ".pt2", ".safetensors"),
    detect=_detect,
    read=_read,
)
