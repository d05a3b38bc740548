"""Theano with Lasagne: arrays by position or name in `.npz`, lists of them in pickles.

There is no graph in these files: a list of layers tells it, and whether kernels were flipped.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.check import read_arrays
from striate.toolboxes.graph import Array, ToolboxError
from striate.toolboxes.wire.pickles import (
    Record,
    begins_with_list,
    collect_arrays,
    has_pickle,
    read_pickle,
)


def detect_theano(files: Sequence[GivenFile]) -> int:
    """2 for archives of arrays, for shared variables and for lists of arrays; 1 by the ending."""
    head = files[0].head
    if head.startswith(b"PK") and files[0].ending == ".npz":
        return 2
    if begins_with_list(head) or (has_pickle(head) and (b"theano" in head or NAMED in head[:64])):
        return 2
    return int(files[0].ending in (".npz", ".pkl"))


def read_theano(files: Sequence[GivenFile]) -> NamedTensors:
    """The arrays of a file; those without names by their number."""
    if files[0].head.startswith(b"PK"):
        found = read_arrays(files[0].path)
        names = sorted(found, key=_place)
        return NamedTensors(tensors={name: found[name] for name in names}, toolbox="Theano")
    value, _ = read_pickle(files[0].read())
    names = []
    if isinstance(value, dict):
        names = [str(name) for name in value.get("names", [])]
        value = next((v for k, v in value.items() if k in ("params", "values")), value)
    if isinstance(value, dict):
        return NamedTensors(tensors=collect_arrays(value), toolbox="Theano")
    if not isinstance(value, (list, tuple)):
        raise ToolboxError("The pickle holds no list of arrays.")
    tensors: dict[str, Array] = {}
    for number, each in enumerate(value):
        name, array = _unpack(each)
        given = names[number] if number < len(names) else name
        if array is not None:
            tensors[given or f"arr_{number}"] = array
    if not tensors:
        raise ToolboxError("The pickle holds no arrays.")
    return NamedTensors(tensors=tensors, toolbox="Theano")


def _place(name: str) -> tuple[int, str]:
    """arr_10 comes behind arr_2; names keep their order in the file."""
    number = re.fullmatch(r"arr_(\d+)", name)
    return (int(number[1]), name) if number else (-1, "")


def _unpack(value: Any) -> tuple[str, Array | None]:
    """An array, or the name and the array of a shared variable, of which nothing is run."""
    if isinstance(value, np.ndarray):
        return "", value
    if not isinstance(value, Record) or not isinstance(value.state, dict):
        return "", None
    container = value.state.get("container")
    state = container.state if isinstance(container, Record) else None
    storage = state.get("storage") if isinstance(state, dict) else None
    array = storage[0] if isinstance(storage, list) and storage else None
    name = value.state.get("name")
    return str(name or ""), array if isinstance(array, np.ndarray) else None


NAMED = b"params"  # the key of a dictionary of values and their names
TOOLBOX = Toolbox(name="Theano", endings=(".npz", ".pkl"), detect=detect_theano, read=read_theano)
