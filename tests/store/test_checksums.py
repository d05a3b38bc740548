"""Checksums: equal for what is the same, other for one bit more or less."""

import pytest

from striate.store import checksums
from striate.store.checksums import (
    FIELD,
    Blocks,
    refuse_changed,
    seal,
    sums_of,
    unwrapped,
    wrapped,
)


def test_order_and_the_field_itself_do_not_count() -> None:
    assert seal({"a": 1, "b": [2.5]}) == seal({"b": [2.5], "a": 1, FIELD: "x"})
    assert len({seal({"a": 1}), seal({"a": 2}), seal({"a": 1}, "more"), seal({"b": 1})}) == 4


def test_a_changed_object_is_refused() -> None:
    plain = {"a": 1}
    refuse_changed(plain)  # of an earlier version, without a seal
    refuse_changed(plain | {FIELD: seal(plain)})
    with pytest.raises(ValueError, match="checksum"):
        refuse_changed({"a": 2, FIELD: seal(plain)})


def test_every_bit_of_a_wrapped_file_counts() -> None:
    file = wrapped(b'{"a":1}')
    assert unwrapped(file) == b'{"a":1}'
    for place in range(8 * len(file)):
        changed = bytearray(file)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="checksum"):
            unwrapped(bytes(changed))
    for part in (b"", file[:-1], file[:20], file + b" "):
        with pytest.raises(ValueError, match="checksum"):
            unwrapped(part)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 95])
def test_blocks_are_counted_alike_by_parts_and_as_a_whole(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "BLOCK", 10)
    content = bytes(range(length))
    blocks = Blocks()
    for start in range(0, length, 7):
        blocks.update(content[start : start + 7])
    assert blocks.sums() == sums_of(memoryview(content), threads=2)
    assert len(blocks.sums()) == -(-length // 10)
