"""Torch7's streams: both forms, back references, and counts that the bytes do not hold."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.lua_objects import LuaObject, read_lua_objects


def text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], offset: int, count: int) -> bytes:
    """A FloatTensor laid on the numbers 0, 1, 2, ..."""
    head = struct.pack("<ii", 4, 1) + text("V 1") + text("torch.FloatTensor")
    longs = struct.pack(f"<i{2 * len(shape) + 1}q", len(shape), *shape, *stride, offset)
    storage = struct.pack("<ii", 4, 2) + text("V 1") + text("torch.FloatStorage")
    return (
        head + longs + storage + struct.pack("<q", count) + np.arange(count, dtype="<f4").tobytes()
    )


def test_a_tensor_is_read_through_its_strides_and_its_offset() -> None:
    found = read_lua_objects(tensor((2, 3), (1, 2), 2, 8))
    np.testing.assert_array_equal(found, [[1, 3, 5], [2, 4, 6]])


@pytest.mark.parametrize(
    ("shape", "stride", "offset"), [((3, 3), (3, 1), 1), ((2,), (8,), 1), ((2,), (1,), 0)]
)
def test_a_tensor_beyond_its_numbers_is_refused(
    shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    with pytest.raises(ToolboxError):
        read_lua_objects(tensor(shape, stride, offset, 8))


def test_a_table_that_holds_itself_is_read_once() -> None:
    content = struct.pack("<iii", 3, 1, 1) + struct.pack("<id", 1, 1.0) + struct.pack("<ii", 3, 1)
    found = read_lua_objects(content)
    assert found[1] is found


def test_the_text_form_gives_the_same_object() -> None:
    binary = struct.pack("<ii", 4, 1) + text("V 1") + text("nn.ReLU") + struct.pack("<iii", 3, 2, 1)
    binary += struct.pack("<i", 2) + text("p") + struct.pack("<id", 1, 0.5)
    lines = b"4\n1\n3\nV 1\n7\nnn.ReLU\n3\n2\n1\n2\n1\np\n1\n0.5\n"
    for content in (binary, lines):
        found = read_lua_objects(content)
        assert isinstance(found, LuaObject)
        assert (found.kind, found.fields) == ("nn.ReLU", {"p": 0.5})


def test_a_function_is_stepped_over_and_never_run() -> None:
    content = struct.pack("<ii", 8, 1) + text("return os.execute('true')") + struct.pack("<i", 0)
    assert read_lua_objects(content).kind == "function"


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_or_read_without_a_crash(content: bytes) -> None:
    # All of these `read_files` turns into one named error.
    with contextlib.suppress(ToolboxError, ValueError, struct.error, TypeError):
        read_lua_objects(content)
