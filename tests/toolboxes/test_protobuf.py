"""Protocol Buffers: numbers as written, and no byte beyond the end believed."""

import numpy as np
import pytest

from striate.toolboxes.graph import ToolboxError
from striate.toolboxes.wire.protobuf import MOST_DEPTH, read_message
from striate.toolboxes.wire.prototext import read_prototext

TABLE: dict[int, tuple[str, object]] = {
    1: ("number", "int"),
    2: ("numbers", "ints"),
    3: ("name", "text"),
    4: ("weights", "floats"),
}
TABLE[5] = ("inner", TABLE)


def varint(number: int) -> bytes:
    number %= 2**64
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_packed_and_single_numbers_are_the_same() -> None:
    numbers = [0, 1, 127, 128, 300, -1, -(2**63), 2**63 - 1]
    packed = field(2, b"".join(varint(n) for n in numbers))
    single = b"".join(varint(2 << 3) + varint(n) for n in numbers)
    assert read_message(packed, TABLE)["numbers"].tolist() == numbers
    assert read_message(single, TABLE)["numbers"].tolist() == numbers


def test_every_truncation_raises_or_gives_fewer_fields() -> None:
    inner = field(3, b"conv") + field(4, np.arange(5, dtype="<f4").tobytes())
    whole = varint(8) + varint(7) + field(5, inner) + field(3, b"end")
    assert read_message(whole, TABLE)["inner"][0]["weights"].tolist() == [0, 1, 2, 3, 4]
    for length in range(1, len(whole)):
        try:
            found = read_message(whole[:length], TABLE)
        except ToolboxError:
            continue
        assert "name" not in found


def test_a_length_beyond_the_end_takes_no_memory() -> None:
    with pytest.raises(ToolboxError, match="announced"):
        read_message(varint(4 << 3 | 2) + varint(2**60), TABLE)


def test_depth_has_an_end() -> None:
    content = b""
    for _ in range(MOST_DEPTH + 2):
        content = field(5, content)
    with pytest.raises(ToolboxError, match="deep"):
        read_message(content, TABLE)


def test_text_is_read_as_its_binary_twin() -> None:
    found = read_prototext(
        "name: 'a' \"b\" # words\nlayer { type: RELU size: [1, 0x10] alpha: 1e-3 on: true }"
    )
    assert found["name"] == ["ab"]
    assert found["layer"][0] == {"type": ["RELU"], "size": [1, 16], "alpha": [1e-3], "on": [True]}


@pytest.mark.parametrize("text", ["a {", "a: ", "{", "a: }", "a [1,", "\x00", "a: 'x", "<" * 500])
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(ToolboxError):
        read_prototext(text)
