"""Checksums: equal for what is the same, other for one bit more or less."""

import pytest

from striate.store import checksums
from striate.store.checksums import (
    CHECKSUM_FIELD,
    BlockChecksums,
    block_checksums,
    json_checksum,
    unwrap_content,
    verify_seal,
    wrap_content,
)


def test_order_and_the_field_itself_do_not_count() -> None:
    assert json_checksum({"a": 1, "b": [2.5]}) == json_checksum(
        {"b": [2.5], "a": 1, CHECKSUM_FIELD: "x"}
    )
    assert (
        len(
            {
                json_checksum({"a": 1}),
                json_checksum({"a": 2}),
                json_checksum({"a": 1}, "more"),
                json_checksum({"b": 1}),
            }
        )
        == 4
    )


def test_a_changed_object_is_refused() -> None:
    plain = {"a": 1}
    verify_seal(plain)  # of an earlier version, without a seal
    verify_seal(plain | {CHECKSUM_FIELD: json_checksum(plain)})
    with pytest.raises(ValueError, match="checksum"):
        verify_seal({"a": 2, CHECKSUM_FIELD: json_checksum(plain)})


def test_every_bit_of_a_wrapped_file_counts() -> None:
    file = wrap_content(b'{"a":1}')
    assert unwrap_content(file) == b'{"a":1}'
    for place in range(8 * len(file)):
        changed = bytearray(file)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="checksum"):
            unwrap_content(bytes(changed))
    for part in (b"", file[:-1], file[:20], file + b" "):
        with pytest.raises(ValueError, match="checksum"):
            unwrap_content(part)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 95])
def test_blocks_are_counted_alike_by_parts_and_as_a_whole(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "BLOCK", 10)
    content = bytes(range(length))
    blocks = BlockChecksums()
    for start in range(0, length, 7):
        blocks.update(content[start : start + 7])
    assert blocks.sums() == block_checksums(memoryview(content), threads=2)
    assert len(blocks.sums()) == -(-length // 10)
