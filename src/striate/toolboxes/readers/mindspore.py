"""MindSpore: exported graphs (`.mindir`), and checkpoints (`.ckpt`) of tensors without a graph."""

import math
from collections.abc import Sequence

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import Array, Graph, ToolboxError
from striate.toolboxes.readers._mindir import read_mindir
from striate.toolboxes.wire.protobuf import DAMAGED, read_message

_TENSOR = {1: ("dims", "ints"), 2: ("type", "text"), 3: ("content", "bytes")}
_CHECKPOINT = {1: ("values", {1: ("tag", "text"), 2: ("tensor", _TENSOR)})}
_TYPES = {
    "Float16": "f2",
    "Float32": "f4",
    "Float64": "f8",
    "Int8": "i1",
    "Int16": "i2",
    "Int32": "i4",
    "Int64": "i8",
    "UInt8": "u1",
    "Bool": "?",
}
_SLOTS = ("moments.", "accum.", "stat.", "moment1.", "moment2.", "vhat.")
"""Beginnings of names that an optimizer keeps beside the weights."""


def detect_mindspore(files: Sequence[GivenFile]) -> int:
    """2 where the first message is a tag and a tensor of a type by name, 1 by the ending."""
    head = files[0].head
    if head[:1] == b"\x0a" and any(f"{name}".encode() in head[:400] for name in _TYPES):
        return 2
    if files[0].ending == ".mindir":
        return 2
    return int(files[0].ending == ".ckpt")


def read_mindspore(files: Sequence[GivenFile]) -> Graph | NamedTensors:
    """The network of a graph, or the tensors of a checkpoint.

    An optimizer's tensors and single numbers are left out.
    """
    if files[0].ending == ".mindir":
        return read_mindir(files[0].read())
    message = read_message(files[0].read(), _CHECKPOINT)
    parts: dict[str, list[Array]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for value in message.get("values", []):
        if "tag" not in value or "tensor" not in value:
            raise ToolboxError("An entry has no name or no tensor.", DAMAGED)
        name, tensor = str(value["tag"][0]), value["tensor"][0]
        shape = tuple(int(n) for n in tensor.get("dims", ()))
        kind = str(tensor.get("type", [""])[0])
        if kind not in _TYPES:
            raise ToolboxError(f"The tensor {name!r} has the type {kind!r}, which is not known.")
        content = bytes(tensor.get("content", [b""])[0])
        parts.setdefault(name, []).append(np.frombuffer(content, f"<{_TYPES[kind]}"))
        shapes[name] = shape
    tensors: dict[str, Array] = {}
    for name, chunks in parts.items():  # a large tensor comes in several entries
        shape, flat = shapes[name], np.concatenate(chunks)
        if not shape or shape == (0,) or name.startswith(_SLOTS):
            continue
        if flat.size != math.prod(shape):
            raise ToolboxError(
                f"The tensor {name!r} of shape {shape} has {flat.size:,} numbers.", DAMAGED
            )
        tensors[name] = flat.reshape(shape)
    if not tensors:
        raise ToolboxError("It holds no tensors.")
    return NamedTensors(tensors=tensors, toolbox="MindSpore")


TOOLBOX = Toolbox(
    name="MindSpore",
    endings=(".ckpt", ".mindir"),
    detect=detect_mindspore,
    read=read_mindspore,
)
