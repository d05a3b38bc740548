"""FlatBuffers: fields by number, defaults where they are left out, no read past the end."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.flatbuffers import root_table


def buffer() -> bytes:
    """A table whose field 0 is the number 7, field 1 left out, field 2 the vector 1, 2, 3."""
    fields = struct.pack("<HHHHH", 10, 12, 4, 0, 8) + b"\0\0"  # the list of offsets, at byte 4
    table = struct.pack("<iiI", 12, 7, 4)  # at byte 16; the vector 4 bytes behind its field
    vector = struct.pack("<I3i", 3, 1, 2, 3)
    return struct.pack("<I", 16) + fields + table + vector


def test_fields_are_read_by_number_and_have_defaults() -> None:
    table = root_table(buffer())
    assert table.number(0, "i") == 7
    assert table.number(1, "i", 5) == 5
    assert table.number(9, "i", 5) == 5
    np.testing.assert_array_equal(table.array(2, "i4"), [1, 2, 3])


@pytest.mark.parametrize("length", range(8, 44, 4))
def test_a_shortened_buffer_is_refused(length: int) -> None:
    with pytest.raises(ToolboxError):
        root_table(buffer()[:length]).array(2, "i4")


@given(st.binary(min_size=8, max_size=80))
def test_other_bytes_are_refused_or_read_without_a_crash(content: bytes) -> None:
    with contextlib.suppress(ToolboxError):
        table = root_table(content)
        table.text(0)
        table.tables(1)
        table.array(2, "f4")
