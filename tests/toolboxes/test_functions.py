"""What operations compute, against slow plain loops."""

import itertools
import math

import numpy as np
import pytest
import torch

from striate.toolboxes.functions import FUNCTIONS
from striate.toolboxes.graph import OPERATIONS, Array, Node


def run(op: str, *inputs: Array, **attributes: object) -> Array:
    node = Node(op=op, name=op, inputs=(), outputs=("y",), attributes=attributes)
    found = FUNCTIONS[op](*(torch.from_numpy(np.array(x)) for x in inputs), **node.settings())
    return np.asarray(found.numpy())


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_every_operation_has_a_function() -> None:
    assert set(FUNCTIONS) == set(OPERATIONS)


def same_pads(length: int, kernel: int, stride: int, dilation: int, kind: str) -> tuple[int, int]:
    out = math.ceil(length / stride)
    total = max(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - length)
    small, large = total // 2, total - total // 2
    return (small, large) if kind == "same_upper" else (large, small)


@pytest.mark.parametrize("pads", [(0, 1, 2, 0), (1, 1, 1, 1), "same_upper", "same_lower"])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (3, 2, 1)])
def test_convolution(pads: object, stride: int, dilation: int, groups: int) -> None:
    x, weight, bias = random(2, 4, 7, 6), random(6, 4 // groups, 3, 2, seed=1), random(6, seed=2)
    if isinstance(pads, str):
        top, bottom = same_pads(7, 3, stride, dilation, pads)
        left, right = same_pads(6, 2, stride, dilation, pads)
    else:
        assert isinstance(pads, tuple)
        left, right, top, bottom = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    high = (padded.shape[2] - dilation * 2 - 1) // stride + 1
    wide = (padded.shape[3] - dilation - 1) // stride + 1
    want = np.zeros((2, 6, high, wide))
    for n, o, i, j in itertools.product(range(2), range(6), range(high), range(wide)):
        total = float(bias[o])
        for c, u, v in itertools.product(range(4 // groups), range(3), range(2)):
            channel = o // (6 // groups) * (4 // groups) + c
            cell = padded[n, channel, i * stride + u * dilation, j * stride + v * dilation]
            total += float(cell) * float(weight[o, c, u, v])
        want[n, o, i, j] = total
    got = run(
        "conv",
        x,
        weight,
        bias,
        stride=(stride, stride),
        dilation=(dilation, dilation),
        pads=pads,
        groups=groups,
    )
    assert got.shape == want.shape
    assert np.abs(got - want).max() < 1e-5


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 0, 1), (2, 1, 1, 2)])
@pytest.mark.parametrize(("stride", "extra"), [(1, 0), (2, 1), (3, 0)])
def test_transposed_convolution(pads: tuple[int, ...], stride: int, extra: int) -> None:
    x, weight = random(1, 2, 4, 5), random(2, 3, 3, 3, seed=1)
    left, right, top, bottom = pads
    whole = np.zeros((1, 3, 3 * stride + 3 + extra, 4 * stride + 3 + extra))
    for c, o, i, j, u, v in itertools.product(*map(range, (2, 3, 4, 5, 3, 3))):
        whole[0, o, i * stride + u, j * stride + v] += float(x[0, c, i, j]) * weight[c, o, u, v]
    want = whole[:, :, top : whole.shape[2] - bottom, left : whole.shape[3] - right]
    got = run(
        "conv_transpose",
        x,
        weight,
        stride=(stride, stride),
        pads=pads,
        output_padding=(extra, extra),
    )
    assert got.shape == want.shape
    assert np.abs(got - want).max() < 1e-5


def pool_by_hand(
    x: Array, kernel: int, stride: int, pads: tuple[int, ...], ceil: bool, count_pad: bool | None
) -> Array:
    """Maximum where `count_pad` is None, else the average."""
    left, right, top, bottom = pads
    high, wide = x.shape[2:]

    def length(n: int, before: int, after: int) -> int:
        room = n + before + after - kernel
        out = (math.ceil(room / stride) if ceil else room // stride) + 1
        return out - 1 if ceil and (out - 1) * stride >= n + before else out

    shape = (length(high, top, bottom), length(wide, left, right))
    want = np.zeros((*x.shape[:2], *shape))
    for n, c, i, j in itertools.product(*map(range, (*x.shape[:2], *shape))):
        cells, count = [], 0
        for u, v in itertools.product(range(kernel), range(kernel)):
            row, column = i * stride + u - top, j * stride + v - left
            if 0 <= row < high and 0 <= column < wide:
                cells.append(float(x[n, c, row, column]))
                count += 1
            elif -top <= row < high + bottom and -left <= column < wide + right:
                count += bool(count_pad)
        want[n, c, i, j] = max(cells) if count_pad is None else sum(cells) / max(count, 1)
    return want


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 0)])
@pytest.mark.parametrize(("side", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (6, 2, 2), (7, 2, 3)])
def test_pooling(ceil: bool, pads: tuple[int, ...], side: int, kernel: int, stride: int) -> None:
    x = random(1, 2, side, side + 1) - 5  # a padded zero would be the largest
    window = {"kernel": (kernel, kernel), "stride": (stride, stride), "pads": pads}
    got = run("max_pool", x, **window, ceil_mode=ceil)
    assert np.abs(got - pool_by_hand(x, kernel, stride, pads, ceil, None)).max() == 0
    for count in (False, True):
        got = run("avg_pool", x, **window, ceil_mode=ceil, count_include_pad=count)
        want = pool_by_hand(x, kernel, stride, pads, ceil, count)
        assert np.abs(got - want).max() < 1e-5


@pytest.mark.parametrize("size", [3, 4, 5])
def test_local_response_normalisation(size: int) -> None:
    x = random(1, 7, 2, 2)
    want = np.zeros_like(x)
    for c in range(7):
        first = max(0, c - (size - 1) // 2)
        near = x[:, first : c + size - 1 - (size - 1) // 2 + 1]
        want[:, c] = x[:, c] / (2 + 0.3 / size * (near**2).sum(1)) ** 0.7
    got = run("lrn", x, size=size, alpha=0.3, beta=0.7, k=2.0)
    assert np.abs(got - want).max() < 1e-6


def test_batch_normalisation_without_gamma() -> None:
    x, beta, mean = random(2, 3, 2, 2), random(3, seed=1), random(3, seed=2)
    variance = np.abs(random(3, seed=3))
    found = FUNCTIONS["batch_norm"](
        torch.from_numpy(x), None, *map(torch.from_numpy, (beta, mean, variance)), epsilon=0.01
    )
    shape = (1, 3, 1, 1)
    want = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 0.01) + beta.reshape(shape)
    assert np.abs(found.numpy() - want).max() < 1e-5


def test_softmax_over_all_later_axes() -> None:
    x = random(2, 3, 4)
    raised = np.exp(x.reshape(2, -1))
    want = (raised / raised.sum(1, keepdims=True)).reshape(x.shape)
    assert np.abs(run("softmax", x, axis=1, flatten=True) - want).max() < 1e-6


def test_dropout_that_scales_at_test() -> None:
    x = random(2, 3)
    assert np.array_equal(run("dropout", x, p=0.1, test_scale=0.9), x * np.float32(0.9))
    assert np.array_equal(run("dropout", x, p=0.1), x)


@pytest.mark.parametrize(("start", "end", "step"), [(1, 5, 2), (-1, -(2**63) + 1, -1), (4, 0, -3)])
def test_slice(start: int, end: int, step: int) -> None:
    x = np.arange(12).reshape(2, 6)
    got = run("slice", x, starts=(start,), ends=(end,), axes=(1,), steps=(step,))
    last = None if end < -(2**40) else end
    assert np.array_equal(got, x[:, start:last:step])


def test_quantised_numbers() -> None:
    x = np.array([-3.0, -0.26, 0.25, 0.75, 100.0], np.float32)
    q = run("quantize", x, np.float32(0.5), np.float32(3))
    assert q.tolist() == [-3, 2, 3, 5, 127]  # half to even
    assert run("dequantize", q, np.float32(0.5), np.float32(3)).tolist() == [-3, -0.5, 0, 1, 62]


@pytest.mark.parametrize("block", [2, 3])
def test_space_and_depth_are_each_others_inverse(block: int) -> None:
    x = random(1, 2, 2 * block, 3 * block)
    deep = run("space_to_depth", x, block=block)
    assert deep.shape == (1, 2 * block**2, 2, 3)
    assert np.array_equal(run("depth_to_space", deep, block=block, mode="DCR"), x)
