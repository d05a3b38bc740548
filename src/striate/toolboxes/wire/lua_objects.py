"""Torch7's stream of objects (`.t7`, `.net`), binary or text, as plain values: nothing is run.

Functions in it are stepped over. A number that is whole becomes an `int`, as keys of tables do.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError
from striate.toolboxes.wire.byte_stream import ByteStream


@dataclass(eq=False, slots=True)
class LuaObject:
    """An object of a Torch class: the name and version of its class, and its fields."""

    kind: str
    version: int
    fields: Any = None


class LuaTable(dict[Any, Any]):
    """A Lua table; it may itself be a key, by identity."""

    # A dict has no hash; a table is a key by its identity.
    __hash__ = object.__hash__  # type: ignore[assignment]

    def listed(self) -> list[Any]:
        """The values of its whole-number keys, in order."""
        return [self[key] for key in sorted(k for k in self if isinstance(k, int))]


def read_lua_objects(content: bytes) -> Any:
    """The object that a file holds.

    Torch on 32-bit machines wrote numbers of 4 bytes where others write 8, which the file does
    not tell: where the usual reading fails, that is tried. Raises `ToolboxError`.
    """
    if content[:1].isdigit() and content[1:2] in (b"\n", b"\r", b" "):
        return _Reader(_Text(content)).read()
    try:
        return _Reader(_Binary(content, 8)).read()
    except (ToolboxError, struct.error, ValueError) as error:
        narrow = _Binary(content, 4)
        try:
            found = _Reader(narrow).read()
        except (ToolboxError, struct.error, ValueError):
            raise error from None
        if narrow.at < len(content):  # it made sense by chance, up to there
            raise
        return found


class _Binary(ByteStream):
    """Numbers and texts of a binary stream."""

    def __init__(self, content: bytes, long_bytes: int) -> None:
        super().__init__(content)
        self.long_bytes = long_bytes

    def integer(self) -> int:
        return int.from_bytes(self.take(4), "little", signed=True)

    def longs(self, count: int) -> list[int]:
        if count < 0:
            raise ToolboxError(f"At byte {self.at:,} {count} numbers are announced.")
        return [
            int.from_bytes(self.take(self.long_bytes), "little", signed=True) for _ in range(count)
        ]

    def double(self) -> float:
        (value,) = struct.unpack("<d", self.take(8))
        return float(value)

    def text(self) -> bytes:
        return bytes(self.take(self.integer()))

    def array(self, count: int, dtype: str) -> Array:
        if dtype == "i8" and self.long_bytes == 4:
            dtype = "i4"
        item = np.dtype(dtype).itemsize
        return np.frombuffer(self.take(count * item), f"<{dtype}")


class _Text:
    """The same of a text stream: a line an item, arrays parted by blanks."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.at)
        if end < 0:
            raise ToolboxError(f"The text ends within a line, at byte {self.at:,}.")
        found = self.content[self.at : end]
        self.at = end + 1
        return found

    def integer(self) -> int:
        return int(self.line())

    def longs(self, count: int) -> list[int]:
        # Of no numbers nothing is written, not even the end of a line.
        return [int(number) for number in self._numbers(count)] if count else []

    def double(self) -> float:
        return float(self.line())

    def text(self) -> bytes:
        count = self.integer()
        if not 0 <= count < len(self.content) - self.at:
            raise ToolboxError(f"At byte {self.at:,} a text of {count:,} bytes is announced.")
        found = self.content[self.at : self.at + count]
        self.at += count + 1
        return found

    def array(self, count: int, dtype: str) -> Array:
        if not count:
            return np.zeros(0, dtype)
        read = np.float64 if dtype.startswith("f") else np.int64
        return np.array(self._numbers(count), read).astype(dtype)

    def _numbers(self, count: int) -> list[bytes]:
        found = self.line().split()
        if len(found) != count:
            raise ToolboxError(
                f"{count:,} numbers are announced, {len(found):,} stand before byte {self.at:,}."
            )
        return found


class _Reader:
    """Objects out of either stream; one that was read already is only named by its number."""

    def __init__(self, source: _Binary | _Text) -> None:
        self.source = source
        self.seen: dict[int, Any] = {}
        self.depth = 0

    def read(self) -> Any:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ToolboxError(f"Objects lie in each other more than {MOST_DEPTH} deep.")
        found = self._read_object()
        self.depth -= 1
        return found

    def _read_object(self) -> Any:
        source = self.source
        kind = source.integer()
        if kind == NIL:
            return None
        if kind == NUMBER:
            value = source.double()
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        if kind == TEXT:
            return source.text().decode("utf-8", "replace")
        if kind == TRUTH:
            return bool(source.integer())
        if kind not in (TABLE, OBJECT, *FUNCTIONS):
            raise ToolboxError(f"An object of type {kind} is not known, before byte {source.at:,}.")
        index = source.integer()
        if index in self.seen:
            return self.seen[index]
        if kind == TABLE:
            table = self.seen[index] = LuaTable()
            for _ in range(source.integer()):
                key = self.read()
                table[key] = self.read()
            return table
        if kind == OBJECT:
            return self._read_torch_object(index)
        source.text()  # the code of a function: never run
        found = self.seen[index] = LuaObject("function", 0)
        self.read()
        return found

    def _read_torch_object(self, index: int) -> Any:
        name, version = self.source.text().decode("latin-1"), 0
        if name.startswith("V "):
            version, name = int(name[2:]), self.source.text().decode("latin-1")
        package, _, kind = name.rpartition(".")
        if package == "torch" and kind.removesuffix("Tensor") in NUMBERS and kind != "Tensor":
            found = self.seen[index] = None
            found = self.seen[index] = self._read_tensor()
            return found
        if package == "torch" and kind.removesuffix("Storage") in NUMBERS:
            (count,) = self.source.longs(1)
            dtype = NUMBERS[kind.removesuffix("Storage")]
            stored = self.seen[index] = self.source.array(count, dtype)
            return stored
        made = self.seen[index] = LuaObject(name, version)
        made.fields = self.read()
        return made

    def _read_tensor(self) -> Array:
        rank = self.source.integer()
        if not 0 <= rank <= MOST_AXES:
            raise ToolboxError(f"A tensor of {rank} axes stands before byte {self.source.at:,}.")
        size, stride = self.source.longs(rank), self.source.longs(rank)
        (offset,) = self.source.longs(1)  # counted from 1
        storage = self.read()
        if storage is None or not rank:
            return np.zeros(size if rank and not np.prod(size) else 0, np.float32)
        if not isinstance(storage, np.ndarray) or min(size) < 1 or min(stride) < 0 or offset < 1:
            raise ToolboxError(f"A tensor of size {size} is not laid out on numbers.")
        last = offset - 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= len(storage):
            raise ToolboxError(
                f"A tensor of size {size} reaches number {last + 1:,} of {len(storage):,}."
            )
        item = storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            storage[offset - 1 :], size, [step * item for step in stride], writeable=False
        )
        return np.ascontiguousarray(view)


MOST_DEPTH, MOST_AXES = 200, 16
NIL, NUMBER, TEXT, TABLE, OBJECT, TRUTH = range(6)
FUNCTIONS = (6, 7, 8)
_KINDS = {"Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2"}
_KINDS |= {"Char": "i1", "Byte": "u1"}
NUMBERS = {**_KINDS, **{f"Cuda{kind}": dtype for kind, dtype in _KINDS.items()}, "Cuda": "f4"}
