"""TensorFlow's checkpoints: tables of keys and values, with tensors inside or in a data file.

Version 2 is `NAME.index` beside `NAME.data-00000-of-00001`; version 1 is one file. A table is
LevelDB's, here always without compression.
"""

from pathlib import Path
from typing import Any

import numpy as np

from striate.toolboxes.graph import Array, ToolboxError
from striate.toolboxes.wire.protobuf import read_message

DTYPES = {
    1: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    9: "i8",
    10: "?",
    17: "u2",
    19: "f2",
}
DTYPES |= {22: "u4", 23: "u8"}
BFLOAT16, TEXT = 14, 7
FOOTER, MAGIC = 48, 0xDB4775248B80FB57
SHAPE = {2: ("dim", {1: ("size", "int")}), 3: ("unknown", "int")}
TENSOR = {
    1: ("dtype", "int"),
    2: ("shape", SHAPE),
    4: ("content", "bytes"),
    5: ("floats", "floats"),
    6: ("doubles", "doubles"),
    7: ("ints", "ints"),
    8: ("texts", "bytes"),
    10: ("longs", "ints"),
    11: ("truths", "ints"),
    13: ("halves", "ints"),
}
_ENTRY = {
    1: ("dtype", "int"),
    2: ("shape", SHAPE),
    3: ("shard", "int"),
    4: ("offset", "int"),
    5: ("size", "int"),
}
_OBJECTS = {
    1: (
        "nodes",
        {2: ("attributes", {1: ("name", "text"), 2: ("full", "text"), 3: ("key", "text")})},
    )
}
_SLICES = {
    1: ("meta", {1: ("tensors", {1: ("name", "text"), 2: ("shape", SHAPE), 3: ("type", "int")})}),
    2: ("data", {1: ("name", "text"), 3: ("tensor", TENSOR)}),
}


def is_table(content: bytes) -> bool:
    """Whether a file ends as a LevelDB table does."""
    return len(content) >= FOOTER and int.from_bytes(content[-8:], "little") == MAGIC


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The tensors of a checkpoint by their names, from its table's file.

    Of a checkpoint of objects both the key and the variable's full name lead to a tensor.
    """
    content = path.read_bytes()
    if not is_table(content):
        raise ToolboxError(f"{path.name} is no table of a checkpoint.")
    table = _read_table(content)
    if path.suffix == ".index":
        return _read_bundle(path, table)
    return _read_slices(table)


def tensor_of(message: dict[str, Any]) -> Array:
    """The array of a TensorProto; a single number fills the shape."""
    kind = message.get("dtype", [1])[0]
    shape = shape_of(message.get("shape", [{}])[0])
    if kind == TEXT:
        return np.array([bytes(text) for text in message.get("texts", [])], object)
    if kind == BFLOAT16:
        raw = np.frombuffer(message.get("content", [b""])[0], "<u2").astype("<u4") << 16
        return raw.view("<f4").reshape(shape)
    if kind not in DTYPES:
        raise ToolboxError(f"A tensor has numbers of TensorFlow's type {kind}, which is not known.")
    dtype = np.dtype(DTYPES[kind]).newbyteorder("<")
    count = int(np.prod(shape, dtype=np.int64))
    if "content" in message:
        found = np.frombuffer(message["content"][0], dtype)
    else:
        given = next(
            (
                message[key]
                for key in ("floats", "doubles", "ints", "longs", "truths", "halves")
                if key in message
            ),
            np.zeros(0),
        )
        if kind == 19 and "halves" in message:
            given = np.asarray(given).astype("<u2").view("<f2")
        found = np.asarray(given).astype(dtype)
        if len(found) and len(found) < count <= MOST_FILLED:  # the last one fills the rest
            found = np.concatenate([found, np.full(count - len(found), found[-1])])
    if len(found) != count:
        if not len(found) and count <= MOST_FILLED:
            return np.zeros(shape, dtype)
        raise ToolboxError(f"A tensor of shape {shape} has {len(found):,} numbers.")
    return found.reshape(shape)


def shape_of(message: dict[str, Any]) -> tuple[int, ...]:
    """The lengths of a TensorShapeProto."""
    return tuple(int(dim.get("size", [0])[0]) for dim in message.get("dim", []))


def _read_table(content: bytes) -> dict[str, memoryview]:
    view = memoryview(content)
    footer = view[-FOOTER:]
    at = 0
    for _ in range(2):  # the block of metadata, which is skipped
        _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, at = _varint(footer, at)
    found: dict[str, memoryview] = {}
    for _, handle in _read_block(view, offset, size):
        begin, place = _varint(handle, 0)
        length, _ = _varint(handle, place)
        for key, value in _read_block(view, begin, length):
            found[key.decode("utf-8", "replace")] = value
            if len(found) > MOST_KEYS:
                raise ToolboxError(f"The table has more than {MOST_KEYS:,} keys.")
    return found


def _read_block(view: memoryview, offset: int, size: int) -> list[tuple[bytes, memoryview]]:
    if offset + size + 1 > len(view):
        raise ToolboxError(f"A block at byte {offset:,} of {size:,} bytes reaches past the end.")
    if view[offset + size]:
        raise ToolboxError(f"The block at byte {offset:,} is compressed, which is not known.")
    block = view[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ToolboxError(f"The block at byte {offset:,} is damaged.")
    at, key, found = 0, b"", []
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + fresh + length > end:
            raise ToolboxError(f"The block at byte {offset:,} is damaged.")
        key = key[:shared] + bytes(block[at : at + fresh])
        at += fresh
        found.append((key, block[at : at + length]))
        at += length
    return found


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ToolboxError("The table is damaged: a number does not end.")
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _read_bundle(path: Path, table: dict[str, memoryview]) -> dict[str, Array]:
    header = read_message(table.get("", memoryview(b"")), {1: ("shards", "int")})
    count = header.get("shards", [1])[0]
    if not 0 < count <= MOST_SHARDS:
        raise ToolboxError(f"The checkpoint announces {count} data files.")
    shards: dict[int, bytes] = {}
    found: dict[str, Array] = {}
    objects: memoryview | None = None
    for key, value in table.items():
        if not key:
            continue
        entry = read_message(value, _ENTRY)
        shard = entry.get("shard", [0])[0]
        if shard not in shards:
            data = path.with_name(f"{path.stem}.data-{shard:05d}-of-{count:05d}")
            if not data.is_file():
                raise ToolboxError(
                    f"{data.name} with the numbers is missing.", "Put it beside the .index file."
                )
            shards[shard] = data.read_bytes()
        offset, size = entry.get("offset", [0])[0], entry.get("size", [0])[0]
        raw = memoryview(shards[shard])[offset : offset + size]
        if offset < 0 or len(raw) != size:
            raise ToolboxError(f"The numbers of {key!r} reach past the end of the data file.")
        if key == "_CHECKPOINTABLE_OBJECT_GRAPH":
            objects = raw
            continue
        kind = entry.get("dtype", [1])[0]
        if kind == TEXT:
            continue
        message = {"dtype": [kind], "shape": entry.get("shape", [{}]), "content": [raw]}
        found[key] = tensor_of(message)
    if objects is not None:
        _add_full_names(found, objects)
    return found


def _add_full_names(found: dict[str, Array], raw: memoryview) -> None:
    """Also name variables as the layers do: conv1/kernel beside the path of objects."""
    _, at = _varint(raw, 0)  # one text: its length, a checksum of 4 bytes, the text
    graph = read_message(raw[at + 4 :], _OBJECTS)
    for node in graph.get("nodes", []):
        for attribute in node.get("attributes", []):
            key, full = attribute.get("key", [""])[0], attribute.get("full", [""])[0]
            if key in found and full:
                found.setdefault(full, found[key])


def _read_slices(table: dict[str, memoryview]) -> dict[str, Array]:
    meta = read_message(table.get("", memoryview(b"")), _SLICES).get("meta", [{}])[0]
    shapes = {t["name"][0]: shape_of(t.get("shape", [{}])[0]) for t in meta.get("tensors", [])}
    found: dict[str, Array] = {}
    for key, value in table.items():
        if not key:
            continue
        for data in read_message(value, _SLICES).get("data", []):
            name = data["name"][0]
            tensor = data["tensor"][0]
            flat = {**tensor, "shape": [{"dim": [{"size": [_count_numbers(tensor)]}]}]}
            array = tensor_of(flat)
            shape = shapes.get(name, array.shape)
            if array.size != np.prod(shape, dtype=np.int64):
                raise ToolboxError(f"{name!r} is kept in several slices, which is not known.")
            found[name] = array.reshape(shape)
    return found


def _count_numbers(tensor: dict[str, Any]) -> int:
    for key in ("floats", "doubles", "ints", "longs", "truths"):
        if key in tensor:
            return len(tensor[key])
    dtype = np.dtype(DTYPES.get(tensor.get("dtype", [1])[0], "f4"))
    return len(tensor.get("content", [b""])[0]) // dtype.itemsize


MOST_KEYS, MOST_SHARDS, MOST_FILLED = 1_000_000, 10_000, 2**26
