"""Jittor: dictionaries of arrays in a pickle of its own ending (`.pkl`, `.jt`)."""

import hashlib
from collections.abc import Sequence
from typing import Any

from striate.toolboxes import GivenFile, NamedTensors, Toolbox
from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.pickles import collect_arrays, has_pickle, read_pickle

END = b"HCAJSLHD"  # behind the pickle and the 20 bytes of its SHA-1


def detect_jittor(files: Sequence[GivenFile]) -> int:
    """2 by the last bytes, 1 by the ending."""
    if has_pickle(files[0].head) and not files[0].path.is_dir():
        with files[0].path.open("rb") as file:
            file.seek(max(0, files[0].size - len(END)))
            if file.read() == END:
                return 2
    return int(files[0].ending == ".jt")


def read_jittor(files: Sequence[GivenFile]) -> NamedTensors:
    """The arrays of a file by their names. Raises `ToolboxError` where its checksum is wrong."""
    content = files[0].read()
    if content.endswith(END):
        content, told = content[:-28], content[-28:-8]
        # The format's own checksum, not a matter of security.
        if hashlib.sha1(content, usedforsecurity=False).digest() != told:
            raise ToolboxError("Its checksum is wrong.", "Take a copy that is whole.")
    value, _ = read_pickle(content, known={"jittor.jittor_core.Var": _take_array})
    tensors = collect_arrays(value)
    if not tensors:
        raise ToolboxError("The pickle holds no arrays by name.")
    return NamedTensors(tensors=tensors, toolbox="Jittor")


def _take_array(*given: Any) -> Any:
    """A variable is made of one array."""
    return given[0] if given else None


TOOLBOX = Toolbox(name="Jittor", endings=(".pkl", ".jt"), detect=detect_jittor, read=read_jittor)
