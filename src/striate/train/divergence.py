"""Divergence: where in the network a loss became non-finite, and the error that names it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import StriateError
from striate.train.checkpoint import Tensors
from striate.values import History


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceOrigin:
    """The first layer with non-finite values, and which `part` of it, both by name."""

    layer: str
    kind: str
    part: str

    def __str__(self) -> str:
        return f"the {self.part} of layer {self.layer} ({self.kind})"


class DivergedError(StriateError):
    """The training diverged at a step.

    `state` holds the weights of the best earlier epoch and `history` the epochs; None if no epoch
    was finished.
    """

    def __init__(self, step: int, epoch: int, origin: DivergenceOrigin | None) -> None:
        began = f"; it began in {origin}" if origin else ""
        super().__init__(
            f"The training diverged: at step {step} (epoch {epoch}) the loss is no longer a "
            f"number{began}.",
            "Ask for a smaller learning_rate, a tenth of it to begin with, and for clip=1, which "
            "shortens gradients.",
        )
        self.step = step
        self.epoch = epoch
        self.origin = origin
        self.state: Tensors | None = None
        self.history: History | None = None

    def __reduce__(self) -> Any:
        return type(self), (self.step, self.epoch, self.origin)


def find_divergence(
    network: nn.Module, images_NCHW: Tensor, forward: Callable[[Tensor], Tensor] | None = None
) -> DivergenceOrigin | None:
    """The layer where non-finite values begin in a forward pass of these images; None if none does.

    `forward` is how the network is called, by default directly. If weights are non-finite already,
    the previous step broke them: gradients flow from the last layer to the first, so it began in
    the last layer with such weights.
    """
    named = network.named_modules()
    names = {module: name.removeprefix("network.") for name, module in named}
    spoilt = [
        layer
        for layer in _leaf_modules(network)
        if not _all_finite(layer.parameters(recurse=False))
    ]
    if spoilt:
        return DivergenceOrigin(
            layer=names[spoilt[-1]], kind=type(spoilt[-1]).__name__, part="gradient"
        )
    met: list[nn.Module] = []

    def note(layer: nn.Module, _: Any, made: Any) -> None:
        if not met and isinstance(made, Tensor) and not bool(made.isfinite().all()):
            met.append(layer)

    with _forward_hooks(network, note), torch.no_grad():
        (forward or network)(images_NCHW)
    if not met:
        return None
    return DivergenceOrigin(layer=names[met[0]], kind=type(met[0]).__name__, part="output")


def _leaf_modules(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if not any(module.children())]


def _all_finite(tensors: Iterator[nn.Parameter]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


@contextmanager
def _forward_hooks(network: nn.Module, note: Any) -> Iterator[None]:
    hooks = [layer.register_forward_hook(note) for layer in _leaf_modules(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
