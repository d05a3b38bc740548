"""Protocol Buffers, binary and text, read by tables of fields: no schema package, no code.

A table maps a field's number to its name and kind. Kinds are "int" (also enumerations and
booleans), "signed" (a negative int32 is ten bytes, so it is the same), "float", "double",
"text", "bytes"; "ints", "floats", "doubles" for repeated numbers, packed or not, which come as one
array; or a table, for a message. Fields that no table names are skipped.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from striate.toolboxes.graph import ToolboxError

Table = Mapping[int, tuple[str, Any]]
Message = dict[str, Any]
"""Field name to the list of its values; "ints", "floats" and "doubles" to an array."""


class _Budget:
    """How many fields a file may hold: each costs far more memory than its bytes."""

    def __init__(self) -> None:
        self.left = MOST_FIELDS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ToolboxError(f"The file has more than {MOST_FIELDS:,} fields.")


def read_message(content: bytes | memoryview, table: Table) -> Message:
    """A binary message by its table.

    Raises `ToolboxError` with the offset where the bytes end early or make no sense.
    """
    return _read(memoryview(content), table, 0, 0, _Budget())


def looks_like_message(content: bytes, numbers: range = range(1, 200)) -> bool:
    """Whether bytes may begin a message: the first key has a known wire type and field number."""
    if not content:
        return False
    try:
        key, _ = _varint(memoryview(content), 0, 0)
    except ToolboxError:
        return False
    return key & 7 in (0, 1, 2, 5) and key >> 3 in numbers


def _read(view: memoryview, table: Table, base: int, depth: int, budget: _Budget) -> Message:
    if depth > MOST_DEPTH:
        raise ToolboxError(f"Messages lie in each other more than {MOST_DEPTH} deep.")
    found: Message = {}
    chunks: dict[str, list[Any]] = {}
    at = 0
    while at < len(view):
        budget.take()
        start = at
        key, at = _varint(view, at, base)
        number, wire = key >> 3, key & 7
        value, at = _raw_value(view, at, wire, base)
        if number not in table:
            continue
        name, kind = table[number]
        if isinstance(kind, Mapping):
            _expect(wire, (2,), name, base + start)
            inner = base + at - len(value)
            found.setdefault(name, []).append(_read(value, kind, inner, depth + 1, budget))
        elif kind in ARRAYS:
            chunks.setdefault(name, []).append(_numbers(value, wire, kind, base + start))
        else:
            found.setdefault(name, []).append(_scalar(value, wire, kind, name, base + start))
    for name, parts in chunks.items():
        found[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return found


def _raw_value(view: memoryview, at: int, wire: int, base: int) -> tuple[Any, int]:
    if wire == 0:
        return _varint(view, at, base)
    if wire == 2:
        length, at = _varint(view, at, base)
    elif wire in (1, 5):
        length = 8 if wire == 1 else 4
    else:
        raise ToolboxError(f"At byte {base + at:,} no field of Protocol Buffers begins.", DAMAGED)
    if length > len(view) - at:
        raise ToolboxError(
            f"At byte {base + at:,} {length:,} bytes are announced; {len(view) - at:,} are left.",
            DAMAGED,
        )
    return view[at : at + length], at + length


def _varint(view: memoryview, at: int, base: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ToolboxError(f"The file ends in a number at byte {base + at:,}.", DAMAGED)
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), at
        shift += 7


def _expect(wire: int, wanted: tuple[int, ...], name: str, at: int) -> None:
    if wire not in wanted:
        raise ToolboxError(f"The field {name!r} at byte {at:,} is of another kind.", DAMAGED)


def _scalar(value: Any, wire: int, kind: str, name: str, at: int) -> Any:
    _expect(wire, WIRES[kind], name, at)
    if kind == "int":
        return value - 2**64 if value >= 2**63 else value
    if kind == "text":
        return bytes(value).decode("utf-8", "replace")
    if kind == "bytes":
        return value
    return float(np.frombuffer(value, "<f4" if kind == "float" else "<f8")[0])


def _numbers(value: Any, wire: int, kind: str, at: int) -> Any:
    """One chunk of a repeated number: packed, or a single one."""
    if kind == "ints":
        _expect(wire, (0, 2), kind, at)
        if wire == 0:
            return np.array([value], np.uint64).view(np.int64)
        return _packed_varints(value, at)
    size = 4 if kind == "floats" else 8
    _expect(wire, (2, 5 if size == 4 else 1), kind, at)
    if len(value) % size:
        raise ToolboxError(f"Numbers at byte {at:,} end in the middle of one.", DAMAGED)
    return np.frombuffer(value, f"<f{size}")


def _packed_varints(view: memoryview, at: int) -> Any:
    """Numbers of seven bits a byte, all at once: the last byte of each is below 128."""
    data = np.frombuffer(view, np.uint8)
    if not len(data):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(data < 128)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ToolboxError(f"Numbers at byte {at:,} end in the middle of one.", DAMAGED)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise ToolboxError(f"A number at byte {at:,} is longer than ten bytes.", DAMAGED)
    numbers = np.zeros(len(ends), np.uint64)
    for k in range(int(lengths.max())):
        longer = lengths > k
        part = (data[starts[longer] + k] & 0x7F).astype(np.uint64)
        numbers[longer] |= part << np.uint64(7 * k)
    return numbers.view(np.int64)


MOST_FIELDS = 1_000_000
MOST_DEPTH = 64
ARRAYS = ("ints", "floats", "doubles")
WIRES = {"int": (0,), "float": (5,), "double": (1,), "text": (2,), "bytes": (2,)}
DAMAGED = "Take a copy that is whole."
