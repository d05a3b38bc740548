"""One value of the first layer worked out by hand, and followed on to the next layer."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.data.batches import images_to_device, normalise_batch
from striate.explain.feature_maps import typical_image
from striate.train.head import Network
from striate.values import Cache, Values, WorkedPlace, WorkedStep, WorkedValue

NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)
PROBED = 5  # positions along a side, to find where a window begins
TOLERANCE = 1e-3  # of the largest output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One layer at work on one image: what it was given and what it made, C x H x W."""

    layer: str
    module: nn.Module
    given: Tensor
    made: Tensor


@dataclass(slots=True)
class _Value:
    """Where the value that is followed stands, and what it has become."""

    channel: int
    row: int
    column: int
    value: float
    steps: list[WorkedStep] = field(default_factory=list)


def work_out_first_layer(network: Network, values: Values, cache: Cache) -> WorkedValue | None:
    """The filter whose answers differ most, where it answers most, least and hardly at all.

    None where there is no image to show, or no first convolution with square windows whose
    numbers are those of its windows times its kernel.
    """
    place = typical_image(values)
    if place is None:
        return None
    pixels_HWC = np.ascontiguousarray(cache.images[int(values.test_rows[place])])
    spec, device = values.model, next(network.parameters()).device
    batch = images_to_device(pixels_HWC[None], str(device), "contiguous")
    plain = normalise_batch(batch, (0.0,), (1.0,), torch.float32, spec.input_size)
    normal = normalise_batch(batch, spec.mean, spec.std, torch.float32, spec.input_size)
    calls = record_calls(network, normal)
    if not calls:
        return None
    first = calls[0]
    origin = window_origin(first)
    if origin is None:
        return None
    channel = int(first.made.flatten(1).std(dim=1).argmax())
    found = _distinct_positions(first, channel, origin)
    places = tuple(_work_out(calls, channel, row, column, origin) for row, column in found)
    assert isinstance(first.module, nn.Conv2d)
    return WorkedValue(
        path=values.predictions.paths[place],
        image=_as_pixels(plain),
        layer=first.layer.removeprefix("backbone."),
        filter=channel,
        filters=len(first.made),
        stride=_window_sides(first)[1],
        dilation=_window_sides(first)[2],
        kernel=first.module.weight[channel].detach().float().cpu().numpy(),
        places=places,
        error=max(
            abs(place.value - float(first.made[channel, place.row, place.column]))
            for place in places
        ),
    )


def record_calls(network: Network, images_NCHW: Tensor) -> list[Call]:
    """The layers that one image passes through, from the first convolution to before the third.

    A layer within another of these is a part of it. Nothing is changed: what is overwritten in
    place is copied before.
    """
    calls: list[Call] = []
    given: list[tuple[nn.Module, Tensor]] = []
    seen = {"convolutions": 0}

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        given.append((module, args[0].detach().clone() if _is_map(args) else torch.empty(0)))

    def hook_of(path: str) -> Any:
        def after(module: nn.Module, _: Any, made: Any) -> None:
            _, came = given.pop()
            seen["convolutions"] += isinstance(module, nn.Conv2d | nn.Linear)
            started = isinstance(module, nn.Conv2d) or calls
            if given or not started or seen["convolutions"] > 2 or not came.numel():
                return
            if isinstance(made, Tensor) and made.ndim == 4:
                copies = (came[0].float().cpu(), made[0].detach().float().cpu().clone())
                calls.append(Call(layer=path, module=module, given=copies[0], made=copies[1]))

        return after

    hooks: list[Any] = []
    for path, module in network.named_modules():
        if _operation(module) is not None:
            hooks += [
                module.register_forward_pre_hook(before),
                module.register_forward_hook(hook_of(path)),
            ]
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network.stages(images_NCHW)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return calls


def window_origin(call: Call) -> int | None:
    """How many pixels before its place times the stride a convolution's window begins.

    Found by trying: networks pad in their own ways. None where no answer is that of a window.
    """
    module = call.module
    if not isinstance(module, nn.Conv2d) or len({*module.kernel_size}) > 1:
        return None
    height, width = call.made.shape[1:]
    rows, columns = (
        torch.linspace(0, side - 1, PROBED).long().tolist() for side in (height, width)
    )
    largest = float(call.made.abs().max()) or 1.0
    size, _, apart = _window_sides(call)
    for origin in range((size - 1) * apart + 2):
        errors = [
            abs(float(_answer(call, 0, row, column, origin)) - float(call.made[0, row, column]))
            for row in rows
            for column in columns
        ]
        if max(errors) <= TOLERANCE * largest:
            return origin
    return None


def _window(call: Call, row: int, column: int, origin: int) -> Tensor:
    """What a convolution's kernel lies on at one place of its map, C x k x k, zeros outside."""
    size, step, apart = _window_sides(call)
    reach = (size - 1) * apart
    padded = F.pad(call.given, (origin, reach + 1, origin, reach + 1))
    top, left = row * step, column * step
    return padded[:, top : top + reach + 1 : apart, left : left + reach + 1 : apart]


def _window_sides(call: Call) -> tuple[int, int, int]:
    """Kernel size, stride and dilation of a convolution with square windows."""
    module = call.module
    assert isinstance(module, nn.Conv2d)
    return module.kernel_size[0], module.stride[0], module.dilation[0]


def _group(call: Call, channel: int) -> slice:
    """The input channels that an output channel sees."""
    module = call.module
    assert isinstance(module, nn.Conv2d)
    inputs = module.in_channels // module.groups
    first = channel // (module.out_channels // module.groups) * inputs
    return slice(first, first + inputs)


def _answer(call: Call, channel: int, row: int, column: int, origin: int) -> Tensor:
    """A convolution's output at one place: the sum of window times kernel, and the bias."""
    weight, bias = _weights(call, channel)
    window = _window(call, row, column, origin)[_group(call, channel)]
    return (window * weight).sum() + bias


def _weights(call: Call, channel: int) -> tuple[Tensor, float]:
    module = call.module
    assert isinstance(module, nn.Conv2d)
    bias = 0.0 if module.bias is None else float(module.bias[channel].detach())
    return module.weight[channel].detach().float().cpu(), bias


def _distinct_positions(first: Call, channel: int, origin: int) -> list[tuple[int, int]]:
    """Where a filter answers most, least, and nearest to the middle; whole windows if possible."""
    answers = first.made[channel]
    height, width = answers.shape
    edge = -(-origin // _window_sides(first)[1])
    inner = answers[edge : height - edge - 1, edge : width - edge - 1]
    if inner.numel() < 3:
        inner, edge = answers, 0
    flat = inner.flatten()
    chosen = [int(flat.argmax()), int(flat.argmin()), int((flat - flat.median()).abs().argmin())]
    columns = int(inner.shape[1])
    return [(edge + place // columns, edge + place % columns) for place in dict.fromkeys(chosen)]


def _work_out(calls: list[Call], channel: int, row: int, column: int, origin: int) -> WorkedPlace:
    first = calls[0]
    kernel, bias = _weights(first, channel)
    window = _window(first, row, column, origin)
    products = window * kernel
    value = _Value(channel, row, column, float(products.sum()) + bias)
    result = value.value
    _follow(value, calls)
    _, step, _ = _window_sides(first)
    return WorkedPlace(
        row=row,
        column=column,
        top=row * step - origin,
        left=column * step - origin,
        pixels=window.numpy(),
        products=products.numpy(),
        bias=bias,
        value=result,
        steps=tuple(value.steps),
    )


def _follow(value: _Value, calls: list[Call]) -> None:
    """Carry a value on through the layers, as far as it can be told where it goes."""
    last = calls[0].made
    for call in calls[1:]:
        if not torch.equal(call.given, last):
            if call.given.shape != last.shape:
                return
            after = float(call.given[value.channel, value.row, value.column])
            _add(value, "between", call=None, after=after)
        kind = _operation(call.module)
        if kind == "pooling":
            going = _pool(value, call)
        elif kind == "convolution":
            going = _convolve(value, call)
        else:
            going = call.made.shape == call.given.shape
            if going:
                after = float(call.made[value.channel, value.row, value.column])
                _add(value, kind, call=call, after=after)
        if not going:
            return
        last = call.made


def _add(value: _Value, kind: Any, *, call: Call | None, after: float, **more: Any) -> None:
    value.steps.append(
        WorkedStep(
            operation=kind,
            layer=call.layer.removeprefix("backbone.") if call else "",
            kind=type(call.module).__name__ if call else "",
            before=value.value,
            after=after,
            **more,
        )
    )
    value.value = after


def _pool(value: _Value, call: Call) -> bool:
    """The window of a pooling that holds the value; False where the pooling leaves it out."""
    module: Any = call.module
    size, step, pad = (
        int(part if isinstance(part, int) else part[0])
        for part in (module.kernel_size, module.stride, module.padding)
    )
    height, width = call.made.shape[1:]
    row = min((value.row + pad) // step, height - 1)
    column = min((value.column + pad) // step, width - 1)
    top, left = row * step - pad, column * step - pad
    if value.row >= top + size or value.column >= left + size:
        return False
    window = call.given[
        value.channel, max(0, top) : top + size, max(0, left) : left + size
    ].flatten()
    value.row, value.column = row, column
    after = float(call.made[value.channel, row, column])
    _add(value, "pooling", call=call, after=after, window=tuple(window.tolist()))
    return True


def _convolve(value: _Value, call: Call) -> bool:
    """The output of the next convolution that the value weighs most in, with it in the middle."""
    module, origin = call.module, window_origin(call)
    if origin is None:
        return False
    assert isinstance(module, nn.Conv2d)
    size, step, apart = _window_sides(call)
    middle = (size - 1) // 2 * apart
    height, width = call.made.shape[1:]
    row = min(max(0, round((value.row + origin - middle) / step)), height - 1)
    column = min(max(0, round((value.column + origin - middle) / step)), width - 1)
    down, over = value.row - row * step + origin, value.column - column * step + origin
    if down % apart or over % apart or not (0 <= down // apart < size > over // apart >= 0):
        return False
    inputs = module.in_channels // module.groups
    outputs = module.out_channels // module.groups
    first = value.channel // inputs * outputs
    weights = module.weight[
        first : first + outputs, value.channel % inputs, down // apart, over // apart
    ].detach()
    channel = first + int(weights.abs().argmax())
    weight, bias = _weights(call, channel)
    _add(
        value,
        "convolution",
        call=call,
        after=float(_answer(call, channel, row, column, origin)),
        weight=float(weight[value.channel % inputs, down // apart, over // apart]),
        terms=weight.numel(),
        bias=bias,
    )
    value.channel, value.row, value.column = channel, row, column
    return True


def _operation(module: nn.Module) -> str | None:
    """What kind of step a module is; None for what is no step of its own."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return "convolution"
    if isinstance(module, NORMALISATIONS):
        return "normalisation"
    if isinstance(module, POOLINGS):
        return "pooling"
    if type(module).__module__ == "torch.nn.modules.activation":
        return "activation"
    return None


def _is_map(args: tuple[Any, ...]) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and args[0].ndim == 4


def _as_pixels(images_NCHW: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The image as uint8 H x W x C, from 0..1."""
    image = images_NCHW[0].permute(1, 2, 0).clamp(0, 1) * 255
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = image.round().byte().cpu().numpy()
    return np.ascontiguousarray(pixels)
