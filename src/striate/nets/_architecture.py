"""A network as a table: each layer's output, parameters, multiply-adds and receptive field."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.nets import Backbone, find_net
from striate.values import RANDOM, Architecture, LayerCard, NetSettings, StageCard

Note = tuple[str, tuple[int, ...], int, int]  # path, output, multiply-adds, receptive field

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
WHOLE = 1 << 20  # pixels: more than any image has


def describe_net(name: str, size: int = 0, channels: int = 3) -> Architecture:
    """The backbone of this name on images of `size` pixels, of its own size for 0.

    No weights are made and nothing is computed: only shapes pass through. Raises `UsageError`
    where there is no such network.
    """
    family = find_net(name)
    size = size or family.card(name).input_size
    with torch.device("meta"):
        network = family.build(name, NetSettings(), channels, RANDOM)
    backbone = cast(Backbone, network)
    return describe_layers(network, backbone.stages, name, backbone.stage_names, size, channels)


def describe_layers(
    network: nn.Module,
    stages: Callable[[Tensor], list[Tensor]],
    name: str,
    stage_names: Iterable[str],
    size: int,
    channels: int,
) -> Architecture:
    """What one image passes through while `stages` makes the maps of the stages, in that order.

    A layer is a module with parameters of its own, or a pooling. Its receptive field is the side
    in pixels of what one of its outputs can depend on, never more than the image's.
    """
    met: dict[nn.Module, Note] = {}

    def hook_of(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, _: Any, made: Any) -> None:
            if isinstance(made, Tensor):
                cost = _multiply_adds(module, made) + (met[module][2] if module in met else 0)
                met[module] = (path, tuple(made.shape[1:]), cost, min(size, _field_of(made)[0]))

        return note

    layers = [(path, module) for path, module in network.named_modules() if _is_layer(module)]
    hooks = [module.register_forward_hook(hook_of(path)) for path, module in layers]
    training = network.training
    network.eval()
    try:
        like = next(network.parameters())
        images = torch.zeros(1, channels, size, size, device=like.device, dtype=like.dtype)
        with torch.no_grad(), _FieldMode():
            maps = stages(images)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return Architecture(
        net=name,
        channels=channels,
        input_size=size,
        stages=tuple(
            StageCard(
                name=stage,
                output=tuple(made.shape[1:]),
                receptive_field=min(size, _field_of(made)[0]),
            )
            for stage, made in zip(stage_names, maps, strict=True)
        ),
        layers=tuple(_layer_card(module, noted) for module, noted in met.items()),
    )


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, POOLINGS) or any(True for _ in module.parameters(recurse=False))


def _multiply_adds(module: nn.Module, made: Tensor) -> int:
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return 0
    return made.numel() * module.weight[0].numel()


def _layer_card(module: nn.Module, noted: Note) -> LayerCard:
    path, output, multiply_adds, field = noted
    kernel, stride = (_side(getattr(module, part, 0)) for part in ("kernel_size", "stride"))
    return LayerCard(
        layer=path.removeprefix("backbone."),
        kind=type(module).__name__,
        kernel=kernel,
        stride=stride,
        output=output,
        parameters=sum(weight.numel() for weight in module.parameters(recurse=False)),
        multiply_adds=multiply_adds,
        receptive_field=field,
    )


class _FieldMode(TorchFunctionMode):
    """Writes on every tensor the side of its receptive field and its step, both in pixels.

    A window of k outputs, d steps apart, sees (k - 1) d steps more than one of them does.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if not isinstance(made, Tensor):
            return made
        name = getattr(func, "__name__", "")
        if name == "pad" and isinstance(args[0], nn.Parameter):  # a kernel moved within zeros
            vars(made)["striate_kernel"] = args[0].shape[-2:]
        field, step = _widest(args)
        window, stride = _window_of(name, args, kwargs)
        vars(made)["striate_field"] = (min(WHOLE, field + (window - 1) * step), step * stride)
        return made


def _window_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, int]:
    """How many steps of its input an operation's output spans, and how many apart they stand."""

    def given(place: int, key: str, default: Any) -> Any:
        return args[place] if len(args) > place else kwargs.get(key, default)

    if name == "conv2d":
        weight = given(1, "weight", None)
        kernel = _side(tuple(getattr(weight, "striate_kernel", weight.shape[-2:])))
        dilation = _side(given(5, "dilation", 1))
        return (kernel - 1) * dilation + 1, _side(given(3, "stride", 1))
    if name in ("max_pool2d", "_max_pool2d", "avg_pool2d"):
        kernel = _side(given(1, "kernel_size", 1))
        dilation = 1 if name == "avg_pool2d" else _side(given(4, "dilation", 1))
        return (kernel - 1) * dilation + 1, _side(given(2, "stride", None) or kernel)
    pooled = name in ("mean", "amax") and args[0].ndim == 4 and given(1, "dim", None) != 1
    flat = name == "linear" and args[0].ndim < 4
    if pooled or flat or name.startswith("adaptive_"):
        return WHOLE, 1
    return 1, 1


def _side(size: Any) -> int:
    """The longer side of a window, that of a square one given as one number."""
    return max(size) if isinstance(size, tuple | list) else int(size or 0)


def _widest(values: Iterable[Any]) -> tuple[int, int]:
    """The largest field and step of all tensors among some arguments, also within lists."""
    found = [(1, 1)]
    for value in values:
        if isinstance(value, Tensor):
            found.append(_field_of(value))
        elif isinstance(value, list | tuple):
            found.append(_widest(value))
    return max(field for field, _ in found), max(step for _, step in found)


def _field_of(tensor: Tensor) -> tuple[int, int]:
    found: tuple[int, int] = getattr(tensor, "striate_field", (1, 1))
    return found
