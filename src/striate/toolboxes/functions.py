"""What each operation of a graph computes, as a function of tensors.

Every operation of `graph.OPERATIONS` stands here under its name, its attributes as keywords.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.toolboxes.graph import ToolboxError

Pair = Sequence[int]


def _explicit_pads(
    x: Tensor, pads: Any, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[int, int, int, int]:
    """Pads (left, right, top, bottom); those of SAME give ceil(length / stride) cells."""
    if not isinstance(pads, str):
        left, right, top, bottom = pads
        return left, right, top, bottom
    total = []
    for axis in (1, 0):
        length, step = x.shape[2 + axis], stride[axis]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        total.append(max(0, (-(-length // step) - 1) * step + reach - length))
    small, large = [n // 2 for n in total], [n - n // 2 for n in total]
    before, after = (small, large) if pads == "same_upper" else (large, small)
    return before[0], after[0], before[1], after[1]


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair,
    pads: Pair,
    dilation: Pair,
    groups: int,
) -> Tensor:
    pads = _explicit_pads(x, pads, weight.shape[2:], stride, dilation)
    left, right, top, bottom = pads
    padding = (top, left)
    if left != right or top != bottom or min(pads) < 0:
        x, padding = F.pad(x, tuple(pads)), (0, 0)
    return F.conv2d(x, weight, bias, tuple(stride), padding, tuple(dilation), groups)


def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair,
    pads: Pair,
    dilation: Pair,
    groups: int,
    output_padding: Pair,
) -> Tensor:
    left, right, top, bottom = pads
    # What is added at the end is less cut off there.
    cut = (-left, output_padding[1] - right, -top, output_padding[0] - bottom)
    out = F.conv_transpose2d(x, weight, None, tuple(stride), 0, 0, groups, tuple(dilation))
    out = F.pad(out, cut)
    return out if bias is None else out + bias[:, None, None]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


def _batch_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, epsilon)


def _group_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    groups: int,
    epsilon: float,
) -> Tensor:
    return F.group_norm(x, groups, gamma, beta, epsilon)


def _instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, epsilon: float
) -> Tensor:
    return F.instance_norm(x, None, None, gamma, beta, True, 0.0, epsilon)


def _layer_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    axis: int,
    epsilon: float,
) -> Tensor:
    return F.layer_norm(x, x.shape[axis:], gamma, beta, epsilon)


def _lrn(x: Tensor, *, size: int, alpha: float, beta: float, k: float, within: bool) -> Tensor:
    wide = x.float()  # torch averages no volume of bfloat16
    squares = (wide * wide).unsqueeze(1)
    before = (size - 1) // 2
    after = size - 1 - before
    if within:
        padded = F.pad(squares, (before, after, before, after))
        mean = F.avg_pool3d(padded, (1, size, size), 1)
    else:
        padded = F.pad(squares, (0, 0, 0, 0, before, after))
        mean = F.avg_pool3d(padded, (size, 1, 1), 1)
    done: Tensor = wide / (mean.squeeze(1) * alpha + k) ** beta
    return done.to(x.dtype)


def _normalize(x: Tensor, *, axes: Sequence[int], p: float, epsilon: float) -> Tensor:
    norm = torch.linalg.vector_norm(x, p, dim=tuple(axes), keepdim=True)
    done: Tensor = x / norm.clamp_min(epsilon)
    return done


def _pooled_length(
    length: int, kernel: int, stride: int, pads: Pair, dilation: int, ceil_mode: bool
) -> int:
    room = length + pads[0] + pads[1] - dilation * (kernel - 1) - 1
    out = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (out - 1) * stride >= length + pads[0]:
        out -= 1
    return out


def _overhang(x: Tensor, kernel: Pair, window: dict[str, Any], ceil_mode: bool) -> tuple[int, int]:
    """Cells (right, bottom) that the last windows need beyond the pads."""
    left, right, top, bottom = window["pads"]
    beyond = []
    for axis, pads in ((1, (left, right)), (0, (top, bottom))):
        length, stride = x.shape[2 + axis], window["stride"][axis]
        reach = window["dilation"][axis] * (kernel[axis] - 1) + 1
        out = _pooled_length(
            length, kernel[axis], stride, pads, window["dilation"][axis], ceil_mode
        )
        if out < 1:
            raise ToolboxError(
                f"A map of {x.shape[2]} x {x.shape[3]} is smaller than a pooling window of "
                f"{kernel[0]} x {kernel[1]}.",
                "Give images of the size that the network was made for.",
            )
        beyond.append(max(0, (out - 1) * stride + reach - length - sum(pads)))
    return beyond[0], beyond[1]


def _max_pool(x: Tensor, *, kernel: Pair, ceil_mode: bool, **window: Any) -> Tensor:
    pads = _explicit_pads(x, window["pads"], kernel, window["stride"], window["dilation"])
    right, bottom = _overhang(x, kernel, {**window, "pads": pads}, ceil_mode)
    pads = (pads[0], pads[1] + right, pads[2], pads[3] + bottom)
    if any(pads):
        x = F.pad(x, pads, value=-math.inf)
    return F.max_pool2d(x, tuple(kernel), tuple(window["stride"]), 0, tuple(window["dilation"]))


def _avg_pool(
    x: Tensor,
    *,
    kernel: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int,
    **window: Any,
) -> Tensor:
    if tuple(window["dilation"]) != (1, 1):
        raise ToolboxError("Average pooling with a dilation is not known.")
    pads = _explicit_pads(x, window["pads"], kernel, window["stride"], window["dilation"])
    right, bottom = _overhang(x, kernel, {**window, "pads": pads}, ceil_mode)
    stride, size = tuple(window["stride"]), tuple(kernel)
    full = (pads[0], pads[1] + right, pads[2], pads[3] + bottom)
    if any(full):
        ones = torch.ones_like(x[:1, :1])
        if count_include_pad:
            ones = F.pad(ones, tuple(pads), value=1.0)
            full_ones = (0, right, 0, bottom)
        else:
            full_ones = full
        counts = F.avg_pool2d(F.pad(ones, full_ones), size, stride, divisor_override=1)
        sums = F.avg_pool2d(F.pad(x, full), size, stride, divisor_override=1)
        return sums / (divisor or counts.clamp_min(1.0))
    return F.avg_pool2d(x, size, stride, divisor_override=divisor or None)


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    if slope.ndim == 1 and slope.numel() > 1 and x.ndim > 2:
        slope = slope.view(-1, *[1] * (x.ndim - 2))
    return torch.where(x >= 0, x, x * slope)


def _selu(x: Tensor, *, alpha: float, gamma: float) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x)) * gamma


def _clip(
    x: Tensor,
    low_input: Tensor | None = None,
    high_input: Tensor | None = None,
    *,
    low: float | None,
    high: float | None,
) -> Tensor:
    lower: Any = low_input if low_input is not None else low
    upper: Any = high_input if high_input is not None else high
    if lower is not None:
        x = torch.maximum(x, torch.as_tensor(lower, dtype=x.dtype, device=x.device))
    if upper is not None:
        x = torch.minimum(x, torch.as_tensor(upper, dtype=x.dtype, device=x.device))
    return x


def _over_axis(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(x: Tensor, *, axis: int, flatten: bool) -> Tensor:
        if not flatten:
            return function(x, axis)
        return function(x.flatten(axis), axis).view(x.shape)

    return apply


def _dropout(x: Tensor, *, p: float, test_scale: float) -> Tensor:
    return x if test_scale == 1.0 else x * test_scale


def _reduce(
    x: Tensor,
    axes_input: Tensor | None = None,
    *,
    mode: str,
    axes: Sequence[int] | None,
    keepdims: bool,
) -> Tensor:
    chosen = _whole_numbers(axes, axes_input)
    over = tuple(range(x.ndim)) if not chosen else tuple(axis % x.ndim for axis in chosen)
    if mode == "prod":
        for axis in sorted(over, reverse=True):
            x = x.prod(axis, keepdim=keepdims)
        return x
    if mode in ("l1", "l2"):
        done: Tensor = torch.linalg.vector_norm(x, int(mode[1]), over, keepdim=keepdims)
    else:
        done = REDUCTIONS[mode](x, over, keepdim=keepdims)
    return done


def _argmax(x: Tensor, *, axis: int, keepdims: bool) -> Tensor:
    return x.argmax(axis, keepdims)


# Shapes ------------------------------------------------------------------------------------------


def _whole_numbers(given: Any, tensor: Tensor | None) -> list[int] | None:
    if given is not None:
        return [int(number) for number in given]
    return None if tensor is None else [int(number) for number in tensor.flatten().tolist()]


def _flatten(x: Tensor, *, axis: int) -> Tensor:
    before = math.prod(x.shape[: axis % x.ndim if axis < 0 else axis])
    return x.reshape(before, -1)


def _reshape(
    x: Tensor, shape_input: Tensor | None = None, *, shape: Any, zero_copies: bool
) -> Tensor:
    wanted = _whole_numbers(shape, shape_input) or []
    if zero_copies:
        wanted = [x.shape[k] if length == 0 else length for k, length in enumerate(wanted)]
    return x.reshape(wanted)


def _permute(x: Tensor, *, axes: Sequence[int] | None) -> Tensor:
    return x.permute(tuple(axes) if axes is not None else tuple(reversed(range(x.ndim))))


def _squeeze(x: Tensor, axes_input: Tensor | None = None, *, axes: Any) -> Tensor:
    chosen = _whole_numbers(axes, axes_input)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(x: Tensor, axes_input: Tensor | None = None, *, axes: Any) -> Tensor:
    chosen = _whole_numbers(axes, axes_input) or []
    rank = x.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _concat(*parts: Tensor, axis: int) -> Tensor:
    return torch.cat(parts, axis)


def _split(
    x: Tensor, sizes_input: Tensor | None = None, *, axis: int, sizes: Any, count: int
) -> tuple[Tensor, ...]:
    chosen = _whole_numbers(sizes, sizes_input)
    part: Any = chosen if chosen is not None else -(-x.shape[axis] // count)
    return tuple(torch.split(x, part, axis))


def _slice(
    x: Tensor, *inputs: Tensor | None, starts: Any, ends: Any, axes: Any, steps: Any
) -> Tensor:
    given = [*inputs, *[None] * (4 - len(inputs))]
    begin = _whole_numbers(starts, given[0]) or []
    end = _whole_numbers(ends, given[1]) or []
    over = _whole_numbers(axes, given[2]) or list(range(len(begin)))
    step = _whole_numbers(steps, given[3]) or [1] * len(begin)
    for first, last, axis, by in zip(begin, end, over, step, strict=True):
        length = x.shape[axis]
        chosen = range(length)[slice(first, last if last > -(2**31) else None, by)]
        if by > 0:
            index: list[Any] = [slice(None)] * x.ndim
            index[axis] = slice(chosen.start, chosen.stop, by)
            x = x[tuple(index)]
        else:
            x = x.index_select(axis, torch.tensor(list(chosen), device=x.device))
    return x


def _gather(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.ndim
    length = x.shape[axis]
    flat = indices.long().flatten()
    flat = torch.where(flat < 0, flat + length, flat)
    out = x.index_select(axis, flat)
    return out.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def _expand(x: Tensor, shape_input: Tensor | None = None, *, shape: Any) -> Tensor:
    wanted = _whole_numbers(shape, shape_input) or []
    # torch gives no types for it.
    both = torch.broadcast_shapes(x.shape, tuple(wanted))  # type: ignore[no-untyped-call]
    return x.expand(both)


def _tile(x: Tensor, repeats_input: Tensor | None = None, *, repeats: Any) -> Tensor:
    return x.repeat(_whole_numbers(repeats, repeats_input) or [])


def _pad(
    x: Tensor,
    pads_input: Tensor | None = None,
    value_input: Tensor | None = None,
    axes_input: Tensor | None = None,
    *,
    pads: Any,
    mode: str,
    value: float,
) -> Tensor:
    if pads is None:
        flat = _whole_numbers(None, pads_input) or []
        half = len(flat) // 2
        over = _whole_numbers(None, axes_input) or list(range(half))
        pads = [(0, 0)] * x.ndim
        for k, axis in enumerate(over):
            pads[axis] = (flat[k], flat[half + k])
    if value_input is not None:
        value = float(value_input)
    backwards = [int(cells) for pair in reversed(pads) for cells in pair]
    if mode == "constant":
        return F.pad(x, backwards, value=value)
    while len(backwards) > 2 and backwards[-2:] == [0, 0]:
        backwards = backwards[:-2]  # torch mirrors the last axes alone
    return F.pad(x, backwards, mode={"edge": "replicate"}.get(mode, mode))


def _resize(
    x: Tensor,
    size_input: Tensor | None = None,
    scales_input: Tensor | None = None,
    *,
    mode: str,
    size: Any,
    scales: Any,
    coordinates: str,
) -> Tensor:
    target = _whole_numbers(size, size_input)
    if target is None:
        factors = scales if scales is not None else scales_input
        if factors is None:
            raise ToolboxError("A resize names neither a size nor scales.")
        two = [float(factor) for factor in factors][-2:]
        target = [int(n * f) for n, f in zip(x.shape[2:], two, strict=True)]
    target = target[-2:]
    if mode == "nearest":
        kind = "nearest" if coordinates == "asymmetric" else "nearest-exact"
        return F.interpolate(x, target, mode=kind)
    if coordinates == "asymmetric":
        raise ToolboxError(f"A {mode} resize with asymmetric coordinates is not known.")
    kind = {"linear": "bilinear", "cubic": "bicubic"}[mode]
    return F.interpolate(x, target, mode=kind, align_corners=coordinates == "align_corners")


def _depth_to_space(x: Tensor, *, block: int, mode: str) -> Tensor:
    if mode == "CRD":
        return F.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    parts = x.view(n, block, block, c // block**2, h, w)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(x: Tensor, *, block: int) -> Tensor:
    n, c, h, w = x.shape
    parts = x.view(n, c, h // block, block, w // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block)


def _channel_shuffle(x: Tensor, *, groups: int) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def _shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int64)


def _cast(x: Tensor, *, type: str) -> Tensor:
    return x.to(getattr(torch, type))


def _constant_of_shape(shape: Tensor, *, value: float, type: str) -> Tensor:
    lengths = _whole_numbers(None, shape) or []
    if math.prod(lengths) > MOST_CONSTANTS:
        raise ToolboxError(f"A constant of {math.prod(lengths)} numbers is too large.")
    return torch.full(lengths, value, dtype=getattr(torch, type))


def _range(start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    if abs(float(limit) - float(start)) > MOST_CONSTANTS * abs(float(step)):
        raise ToolboxError("A range is too long.")
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


def _per_axis(numbers: Tensor, x: Tensor, axis: int) -> Tensor:
    if numbers.ndim != 1 or numbers.numel() == 1:
        return numbers
    return numbers.view([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)])


def _quantize(
    x: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int, low: int, high: int
) -> Tensor:
    q = torch.round(x / _per_axis(scale, x, axis))
    if zero is not None:
        q = q + _per_axis(zero, x, axis)
    return q.clamp(low, high)


def _dequantize(q: Tensor, scale: Tensor, zero: Tensor | None = None, *, axis: int) -> Tensor:
    q = q.to(scale.dtype)
    if zero is not None:
        q = q - _per_axis(zero, q, axis)
    return q * _per_axis(scale, q, axis)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    if a.is_floating_point() or b.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


MOST_CONSTANTS = 2**24
REDUCTIONS: dict[str, Any] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "max": torch.amax,
    "min": torch.amin,
    "logsumexp": torch.logsumexp,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "linear": _linear,
    "matmul": torch.matmul,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "lrn": _lrn,
    "normalize": _normalize,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": lambda x, *, size: F.adaptive_avg_pool2d(x, tuple(size)),
    "adaptive_max_pool": lambda x, *, size: F.adaptive_max_pool2d(x, tuple(size)),
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "abs": torch.abs,
    "neg": torch.neg,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "reciprocal": torch.reciprocal,
    "square": torch.square,
    "sign": torch.sign,
    "softsign": F.softsign,
    "silu": F.silu,
    "mish": F.mish,
    "identity": lambda x: x,
    "logical_not": torch.logical_not,
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": _divide,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "leaky_relu": lambda x, *, slope: F.leaky_relu(x, slope),
    "prelu": _prelu,
    "elu": lambda x, *, alpha: F.elu(x, alpha),
    "celu": lambda x, *, alpha: F.celu(x, alpha),
    "selu": _selu,
    "gelu": lambda x, *, approximate: F.gelu(x, approximate=approximate),
    "softplus": lambda x, *, beta: F.softplus(x, beta),
    "hard_sigmoid": lambda x, *, alpha, beta: (x * alpha + beta).clamp(0, 1),
    "hard_swish": lambda x, *, alpha, beta: x * (x * alpha + beta).clamp(0, 1),
    "threshold": lambda x, *, alpha: torch.where(x > alpha, x, torch.zeros_like(x)),
    "clip": _clip,
    "softmax": _over_axis(torch.softmax),
    "log_softmax": _over_axis(torch.log_softmax),
    "dropout": _dropout,
    "where": torch.where,
    "reduce": _reduce,
    "argmax": _argmax,
    "flatten": _flatten,
    "reshape": _reshape,
    "permute": _permute,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "concat": _concat,
    "split": _split,
    "slice": _slice,
    "gather": _gather,
    "expand": _expand,
    "tile": _tile,
    "pad": _pad,
    "resize": _resize,
    "depth_to_space": _depth_to_space,
    "space_to_depth": _space_to_depth,
    "channel_shuffle": _channel_shuffle,
    "shape": _shape,
    "cast": _cast,
    "constant_of_shape": _constant_of_shape,
    "range": _range,
    "quantize": _quantize,
    "dequantize": _dequantize,
}
