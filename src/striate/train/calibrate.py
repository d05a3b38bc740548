"""First weights brought into scale by looking: what variance enters and leaves every layer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import torch
from torch import Tensor, nn

from striate.values import LayerMoments


def calibrate(
    network: nn.Module, images_NCHW: Tensor, target: Literal["unit", "input"] = "unit"
) -> None:
    """Scales the weights layer after layer, so that outputs have the variance that is wanted.

    `unit` is layer-sequential unit variance (Mishkin and Matas 2016, algorithm 1; it begins with
    orthogonal weights there): variance 1 before the activation. `input` gives every layer's
    output the variance of its input. Biases become 0. Layers that are not trained stay as they
    are, and so do those whose output does not vary.
    """
    for layer in layers(network, images_NCHW):
        if not layer.weight.requires_grad:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        for _ in range(MOST_ROUNDS):
            entering, leaving = _variances(network, layer, images_NCHW)
            wanted = 1.0 if target == "unit" else entering
            if leaving < LEAST_VARIANCE or abs(leaving / wanted - 1) < TOLERANCE:
                break
            with torch.no_grad():
                layer.weight.mul_((wanted / leaving) ** 0.5)


def moments(network: nn.Module, images_NCHW: Tensor) -> tuple[LayerMoments, ...]:
    """Mean and variance of what enters and leaves every convolution and linear layer, in order."""
    names = {module: name for name, module in network.named_modules()}
    found: list[LayerMoments] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        found.append(
            LayerMoments(
                layer=names[layer],
                kind=type(layer).__name__,
                input_variance=float(given[0].float().var()),
                output_mean=float(made.float().mean()),
                output_variance=float(made.float().var()),
            )
        )

    with _watched(network, [m for m in network.modules() if isinstance(m, KINDS)], note):
        network(images_NCHW)
    return tuple(found)


def layers(network: nn.Module, images_NCHW: Tensor) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers in the order in which an image meets them."""
    met: list[Any] = []
    with _watched(
        network,
        [module for module in network.modules() if isinstance(module, KINDS)],
        lambda layer, given, made: met.append(layer),
    ):
        network(images_NCHW[:2])
    return list(dict.fromkeys(met))


class _Reached(Exception):
    """What was to be seen has been seen: the rest of the network need not be computed."""


def _variances(
    network: nn.Module, layer: nn.Conv2d | nn.Linear, images_NCHW: Tensor
) -> tuple[float, float]:
    found: list[float] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        found.extend((float(given[0].float().var()), float(made.float().var())))
        raise _Reached

    with _watched(network, [layer], note), suppress(_Reached):
        network(images_NCHW)
    return found[0], found[1]


@contextmanager
def _watched(network: nn.Module, watched: list[Any], note: Any) -> Iterator[None]:
    """Hooks for one pass; batch normalisation by the batch, its statistics put back afterwards."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    modes = {module: module.training for module in network.modules()}
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    hooks = [layer.register_forward_hook(note) for layer in watched]
    try:
        with torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])


KINDS = (nn.Conv2d, nn.Linear)
MOST_ROUNDS = 10
TOLERANCE = 0.02
LEAST_VARIANCE = 1e-12
