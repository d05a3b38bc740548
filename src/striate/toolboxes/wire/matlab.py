"""MATLAB's files, version 5 (through SciPy) and 7.3 (HDF5, through h5py), as plain values.

A struct comes as a dict, a struct array and a cell as a list, text as `str`, numbers as an array
in MATLAB's order of axes. No class of MATLAB is made and nothing is run.
"""

import io
import zlib
from typing import Any, Literal

import numpy as np

from striate.toolboxes.graph import ToolboxError

Value = Any


def is_matlab(head: bytes) -> bool:
    """Whether the first bytes are those of a MATLAB file of version 5 or 7.3."""
    return head.startswith((b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"))


def read_matlab(content: bytes) -> dict[str, Value]:
    """The variables of a file by name. Raises `ToolboxError`."""
    if content.startswith(b"MATLAB 7.3"):
        return _read_hdf5(content)
    _refuse_bombs(content)
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(io.BytesIO(content), struct_as_record=False, squeeze_me=False)
    except (MatReadError, NotImplementedError) as error:
        raise ToolboxError(f"The MATLAB file cannot be read: {error}.") from error
    return {name: _plain(value) for name, value in found.items() if not name.startswith("__")}


def _refuse_bombs(content: bytes) -> None:
    """Raise where compressed variables would swell beyond what a file of this size may hold."""
    most, total, at = 4 * len(content) + MOST_EXTRA_BYTES, 0, FIRST_ELEMENT
    order: Literal["big", "little"] = "big" if content[126:128] == b"MI" else "little"
    while at + 8 <= len(content):
        kind = int.from_bytes(content[at : at + 4], order)
        size = int.from_bytes(content[at + 4 : at + 8], order)
        if kind == COMPRESSED:
            unpack = zlib.decompressobj()
            piece = content[at + 8 : at + 8 + size]
            while piece:
                total += len(unpack.decompress(piece, CHUNK))
                piece = unpack.unconsumed_tail
                if total > most:
                    raise ToolboxError(
                        f"It unpacks to over {most:,} bytes, too much for {len(content):,}."
                    )
        at += 8 + size


def _plain(value: Value) -> Value:
    """SciPy's values of version 5 as plain ones."""
    if hasattr(value, "_fieldnames"):
        return {name: _plain(getattr(value, name)) for name in value._fieldnames}
    if not isinstance(value, np.ndarray):
        raise ToolboxError(
            f"It holds an object of MATLAB ({type(value).__name__}), which only MATLAB can open.",
            "Save in MATLAB what net.saveobj() gives.",
        )
    if value.dtype.kind == "U":
        return str(value.flat[0]) if value.size else ""
    if value.dtype.kind != "O":
        return value
    found = [_plain(item) for item in value.flatten(order="F")]
    structs = bool(found) and all(hasattr(item, "_fieldnames") for item in value.flat)
    return found[0] if structs and len(found) == 1 else found


def _read_hdf5(content: bytes) -> dict[str, Value]:
    import h5py

    try:
        file = h5py.File(io.BytesIO(content), "r")
    except OSError as error:
        raise ToolboxError(f"The MATLAB file 7.3 cannot be read: {error}.") from error
    with file:
        reader = _Hdf5(file)
        return {name: reader.read(_member(file, name), 0) for name in file if name[0] != "#"}


def _member(group: Value, name: str) -> Value:
    """A member of a group that lies in the file itself."""
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ToolboxError(f"{name!r} is a link to another place ({type(link).__name__}).")
    return group[name]


class _Hdf5:
    """Values of version 7.3: references are followed within the file."""

    def __init__(self, file: Value) -> None:
        self.file = file
        self.values = 0

    def read(self, item: Value, depth: int) -> Value:
        import h5py

        self.values += 1
        if depth > MOST_DEPTH or self.values > MOST_VALUES:
            raise ToolboxError("Its values lie too deep in each other, or are too many.")
        if isinstance(item, h5py.Group):
            return self._read_group(item, depth)
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            raise ToolboxError(f"{item.name!r} keeps its numbers in another file.")
        kind = item.attrs.get("MATLAB_class", b"").decode()
        if item.attrs.get("MATLAB_empty", 0):
            return {"char": "", "cell": [], "struct": {}}.get(kind, np.zeros((0, 0), np.float32))
        if kind == "cell" or item.dtype == h5py.ref_dtype:
            return [self._follow(ref, depth) for ref in self._numbers(item).flatten()]
        if kind == "char":
            return "".join(chr(letter) for letter in self._numbers(item).flatten())
        if item.dtype.kind not in "fiub":
            raise ToolboxError(f"{item.name!r} holds no numbers, but {item.dtype}.")
        return self._numbers(item).T

    def _read_group(self, group: Value, depth: int) -> Value:
        import h5py

        members = {name: _member(group, name) for name in group}
        array = members and "MATLAB_class" not in group.attrs
        references = all(
            isinstance(m, h5py.Dataset)
            and m.dtype == h5py.ref_dtype
            and "MATLAB_class" not in m.attrs
            for m in members.values()
        )
        if members and references and (array or len(members) > 0):
            columns = {name: self.read(member, depth + 1) for name, member in members.items()}
            count = max(len(column) for column in columns.values())
            return [{name: column[k] for name, column in columns.items()} for k in range(count)]
        return {name: self.read(member, depth + 1) for name, member in members.items()}

    def _follow(self, reference: Value, depth: int) -> Value:
        if not reference:
            return np.zeros((0, 0), np.float32)
        return self.read(self.file[reference], depth + 1)

    def _numbers(self, item: Value) -> Value:
        size = int(np.prod(item.shape, dtype=np.int64)) * item.dtype.itemsize
        if size > MOST_EXTRA_BYTES + 4 * self.file.id.get_filesize():
            raise ToolboxError(f"{item.name!r} announces {size:,} bytes, too many for the file.")
        return np.asarray(item[()])


FIRST_ELEMENT, COMPRESSED, CHUNK = 128, 15, 1 << 20
MOST_EXTRA_BYTES = 256 << 20
MOST_DEPTH, MOST_VALUES = 32, 100_000
