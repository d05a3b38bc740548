"""Activations and gradients per layer: moments, dead and saturated units, gradient norms."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from striate.train.loss import task_objective
from striate.values import LayerState, LayerStates, LayerWeights, Task

SILENT = (nn.ReLU, nn.ReLU6, nn.Threshold)
BOUNDED = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0), nn.Hardtanh: (-1.0, 1.0)}
# Nearer to a bound than this share of the whole span, the slope is below a fiftieth of its most.
EDGE = 0.005
BINS = 32
COLOURS = (1, 3)
KERNELS_KEPT = 16
DIGITS = 4


def measure_layer_states(
    network: nn.Module,
    images_NCHW: Tensor,
    labels: Tensor,
    task: Task = "label",
    *,
    by_batch: bool = False,
) -> LayerStates:
    """Layer statistics of one forward and backward pass in evaluation mode, without randomness.

    With `by_batch` batch normalisation uses these images' statistics if it has seen no others, as
    before any training step. Mean and standard deviation are over all outputs of a layer. A unit is
    a channel; it is dead if it is 0 for every image at every position, and saturated if most of its
    outputs lie on the flat ends of the activation. The network is unchanged.
    """
    net = copy.deepcopy(network).cpu().float().eval()
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    if by_batch:
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
    counted: dict[str, tuple[int, int, int]] = {}
    given: dict[str, tuple[float, float]] = {}
    for name, module in net.named_modules():
        acts = type(module) in (*SILENT, *BOUNDED)
        if acts or _mixing_weight(module) is not None:
            module.register_forward_hook(_moments_hook(given, name))
        if acts:
            module.register_forward_hook(_counting_hook(counted, name))
    loss = task_objective(task).loss(net(images_NCHW), labels, 0.0, None)
    torch.autograd.backward(loss)
    layers = [
        _make_state(name, module, counted.get(name), given.get(name, (0.0, 0.0)))
        for name, module in net.named_modules()
        if name in counted or _mixing_weight(module) is not None
    ]
    return LayerStates(images=len(images_NCHW), loss=float(loss.detach()), layers=tuple(layers))


def summarise_weights(network: nn.Module) -> tuple[LayerWeights, ...]:
    """The histogram of every convolution's and linear layer's weights, and its first kernels.

    Of a convolution on colours or grey all channels of a kernel are kept, of others the first.
    """
    weights = ((name, module, _mixing_weight(module)) for name, module in network.named_modules())
    return tuple(
        _summarise(name, module, weight.detach().float().cpu())
        for name, module, weight in weights
        if weight is not None
    )


def _summarise(name: str, module: nn.Module, weight: Tensor) -> LayerWeights:
    low, high = float(weight.min()), float(weight.max())
    counts = torch.histc(weight, BINS, low, high)
    kernel_shape: tuple[int, ...] = ()
    kernels: tuple[tuple[float, ...], ...] = ()
    if weight.ndim == 4 and min(weight.shape[2:]) > 1 and bool(weight.isfinite().all()):
        channels = weight.shape[1] if weight.shape[1] in COLOURS else 1
        kept = weight[:KERNELS_KEPT, :channels]
        kernel_shape = tuple(kept.shape[1:])
        kernels = tuple(
            tuple(float(f"{value:.{DIGITS}g}") for value in kernel.flatten().tolist())
            for kernel in kept
        )
    return LayerWeights(
        layer=name,
        kind=type(module).__name__,
        shape=tuple(weight.shape),
        mean=float(weight.mean()),
        deviation=float(weight.std()) if weight.numel() > 1 else 0.0,
        low=low,
        high=high,
        counts=tuple(int(count) for count in counts.tolist()),
        kernel_shape=kernel_shape,
        kernels=kernels,
    )


def _counting_hook(counted: dict[str, tuple[int, int, int]], name: str) -> Any:
    """A hook that counts units, dead and saturated; for a shared layer the last call counts."""

    def count(module: nn.Module, _: Any, made: Tensor) -> None:
        units = made.detach().transpose(0, 1).flatten(1)
        dead = saturated = 0
        if isinstance(module, SILENT):
            dead = int((units <= 0).all(dim=1).sum())
        else:
            low, high = BOUNDED[type(module)]
            edge = EDGE * (high - low)
            flat = (units < low + edge) | (units > high - edge)
            saturated = int((flat.float().mean(dim=1) > 0.5).sum())
        counted[name] = (len(units), dead, saturated)

    return count


def _moments_hook(given: dict[str, tuple[float, float]], name: str) -> Any:
    """A hook that records mean and deviation of a layer's output before in-place changes."""

    def gauge(_: nn.Module, __: Any, made: Tensor) -> None:
        made = made.detach()
        given[name] = (float(made.mean()), float(made.std()) if made.numel() > 1 else 0.0)

    return gauge


def _mixing_weight(module: nn.Module) -> nn.Parameter | None:
    """The weight of a convolution or linear layer."""
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, nn.Parameter) and weight.ndim >= 2 else None


def _make_state(
    name: str,
    module: nn.Module,
    counts: tuple[int, int, int] | None,
    given: tuple[float, float],
) -> LayerState:
    mean, deviation = given
    weight = _mixing_weight(module)
    if weight is None:
        units, dead, saturated = counts or (0, 0, 0)
        return LayerState(
            layer=name,
            kind=type(module).__name__,
            units=units,
            dead=dead,
            saturated=saturated,
            mean=mean,
            deviation=deviation,
        )
    gradient = 0.0 if weight.grad is None else float(weight.grad.norm())
    return LayerState(
        layer=name,
        kind=type(module).__name__,
        units=len(weight),
        weight=float(weight.detach().norm()),
        gradient=gradient,
        mean=mean,
        deviation=deviation,
    )
