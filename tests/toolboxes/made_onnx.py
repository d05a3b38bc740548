"""Small ONNX files, written byte by byte."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from striate.toolboxes.graph import Array

FLOAT = 1


def varint(number: int) -> bytes:
    number %= 2**64
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def field(number: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, array: Array) -> bytes:
    dims = b"".join(field(1, int(length)) for length in array.shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, array.astype("<f4").tobytes())


def node(op: str, inputs: Sequence[str], output: str, **ints: int | Sequence[int]) -> bytes:
    parts = b"".join(field(1, name) for name in inputs)
    parts += field(2, output) + field(3, f"{op}_{output}") + field(4, op)
    for name, value in ints.items():
        if isinstance(value, int):
            parts += field(5, field(1, name) + field(3, value) + field(20, 2))
        else:
            packed = b"".join(field(8, number) for number in value)
            parts += field(5, field(1, name) + packed + field(20, 7))
    return parts


def value_info(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(field(1, field(1, n) if n else field(2, "N")) for n in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def write_onnx(
    path: Path,
    nodes: Sequence[bytes],
    tensors: Mapping[str, Array],
    shape: Sequence[int] = (0, 1, 12, 12),
    output: str = "y",
) -> Path:
    graph = b"".join(field(1, each) for each in nodes)
    graph += b"".join(field(5, tensor(name, array)) for name, array in tensors.items())
    graph += field(11, value_info("x", shape)) + field(12, value_info(output, (0, 3)))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return path


def small_classifier(path: Path, shape: Sequence[int] = (0, 1, 12, 12)) -> Path:
    """Convolution, ReLU, pooling, convolution, global pooling, linear, softmax: three classes."""
    draw = np.random.default_rng(0)
    tensors = {
        "w1": draw.standard_normal((4, shape[1], 3, 3)),
        "b1": draw.standard_normal(4),
        "w2": draw.standard_normal((6, 4, 3, 3)) / 4,
        "w3": draw.standard_normal((3, 6)),
        "b3": draw.standard_normal(3),
    }
    nodes = [
        node("Conv", ("x", "w1", "b1"), "c1", pads=(1, 1, 1, 1)),
        node("Relu", ("c1",), "r1"),
        node("MaxPool", ("r1",), "p1", kernel_shape=(2, 2), strides=(2, 2)),
        node("Conv", ("p1", "w2"), "c2", pads=(1, 1, 1, 1)),
        node("Relu", ("c2",), "r2"),
        node("GlobalAveragePool", ("r2",), "g"),
        node("Flatten", ("g",), "f"),
        node("Gemm", ("f", "w3", "b3"), "logits", transB=1),
        node("Softmax", ("logits",), "y", axis=1),
    ]
    return write_onnx(path, nodes, tensors, shape)
