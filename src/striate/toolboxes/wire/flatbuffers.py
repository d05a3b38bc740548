"""FlatBuffers read by the numbers of their fields: tables, vectors, texts; no schema package."""

import struct
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError


class FlatTable:
    """A table in a buffer. A field that is left out gives its default."""

    def __init__(self, content: bytes | memoryview, at: int) -> None:
        self.content, self.at = content, at
        self.fields = at - self._number(at, "i")
        self.size = self._number(self.fields, "H")

    def number(self, field: int, kind: str, default: float = 0) -> Any:
        """A number by struct's letter for its kind."""
        place = self._place(field)
        return default if place is None else self._number(place, kind)

    def text(self, field: int) -> str:
        """A text; "" where it is left out."""
        place = self._place(field)
        if place is None:
            return ""
        start, count = self._vector_at(place)
        return bytes(self._bytes(start, count)).decode("utf-8", "replace")

    def table(self, field: int) -> "FlatTable | None":
        """A table within; None where it is left out."""
        place = self._place(field)
        return None if place is None else FlatTable(self.content, self._target(place))

    def tables(self, field: int) -> list["FlatTable"]:
        """A vector of tables."""
        place = self._place(field)
        if place is None:
            return []
        start, count = self._vector_at(place)
        self._bytes(start, 4 * count)
        return [FlatTable(self.content, self._target(start + 4 * k)) for k in range(count)]

    def array(self, field: int, dtype: str) -> Array:
        """A vector of numbers; empty where it is left out."""
        place = self._place(field)
        if place is None:
            return np.zeros(0, dtype)
        start, count = self._vector_at(place)
        return np.frombuffer(self._bytes(start, count * np.dtype(dtype).itemsize), f"<{dtype}")

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self.size:
            return None
        offset = self._number(self.fields + entry, "H")
        return self.at + offset if offset else None

    def _vector_at(self, place: int) -> tuple[int, int]:
        start = self._target(place)
        return start + 4, int(self._number(start, "I"))

    def _target(self, place: int) -> int:
        return place + int(self._number(place, "I"))

    def _number(self, at: int, kind: str) -> Any:
        (found,) = struct.unpack(f"<{kind}", self._bytes(at, struct.calcsize(f"<{kind}")))
        return found

    def _bytes(self, at: int, count: int) -> bytes | memoryview:
        if at < 0 or count < 0 or at + count > len(self.content):
            raise ToolboxError(f"At byte {at:,} {count:,} bytes are read past the file's end.")
        return self.content[at : at + count]


def root_table(content: bytes) -> FlatTable:
    """The table that a buffer begins with."""
    if len(content) < 8:
        raise ToolboxError("The file is too short.")
    return FlatTable(content, int.from_bytes(content[:4], "little"))
