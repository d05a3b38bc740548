"""Optimizers: SGD with Nesterov momentum, AdamW, Muon, all with decoupled weight decay."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import UsageError

MOMENTUM = 0.85


class Optimizer:
    """One or two torch optimizers that step together.

    Every parameter group has `share`, its factor on the learning rate (layer decay), `decay`, and
    `depth`, the number of layer groups above it. `start` are the weights that decay pulls towards,
    None for 0. A group that is not `awake` is frozen.
    """

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    def clip(self, length: float) -> None:
        """Clip the gradient norm of all parameters together to `length`."""
        parameters = [p for group in self.groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, length)

    def step(self, learning_rate: float) -> None:
        """Apply weight decay, step, and clear the gradients.

        L2 multiplies weights by 1 - learning_rate x share x decay (Loshchilov and Hutter 2019), or
        likewise their distance from their initial values (L2-SP, Li et al. 2018, eq. 4). L1 moves
        them by learning_rate x share x l1 towards 0 and no further: many become 0 (the proximal
        step of Parikh and Boyd 2014, section 6.5.2).
        """
        with torch.no_grad():
            for group in self.groups:
                group["lr"] = learning_rate * group["share"] * group["awake"]
                if group["decay"]:
                    _apply_decay(group["params"], group["start"], group["lr"] * group["decay"])
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)
        with torch.no_grad():
            for group in self.groups:
                if group["l1"]:
                    for weight in group["params"]:
                        weight.copy_(F.softshrink(weight, group["lr"] * group["l1"]))


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalised updates: all directions of a layer learn equally.

    A convolution's weight O x I x H x W is treated as the matrix O x IHW. `precision` is that of
    the orthogonalisation; the weights stay float32. Jordan et al. 2024.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        momentum: float = 0.6,
        precision: str = "float32",
    ) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": momentum})
        self.precision = getattr(torch, precision)

    @torch.no_grad()
    # No closure is called, so no loss is returned, unlike the base class allows.
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    step = self._step(weight, weight.grad, group["momentum"])
                    # Only a weight's direction counts below batch normalisation. A fixed length
                    # keeps the angle that a step turns it by from shrinking as weights grow.
                    weight.mul_(len(weight) ** 0.5 / weight.norm().clamp(min=1e-12))
                    weight.add_(step, alpha=-group["lr"])

    def _step(self, weight: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        buffer.mul_(momentum).add_(gradient)
        nesterov = gradient.add(buffer, alpha=momentum)
        matrix = nesterov.reshape(len(weight), -1).to(self.precision)
        return orthogonalise(matrix).view(weight.shape).to(weight.dtype)


def orthogonalise(matrix: Tensor, rounds: int = 4) -> Tensor:
    """Approximately the orthogonal polar factor of a matrix: singular values near 1.

    Newton-Schulz iteration with a quintic polynomial. Jordan et al. 2024.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x: Tensor = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


def build_optimizer(
    name: str,
    groups: list[list[nn.Parameter]],
    weight_decay: float,
    layer_decay: float = 1.0,
    l1: float = 0.0,
    l2_sp: float = 0.0,
    head_rate: float = 1.0,
    precision: str = "float32",
) -> Optimizer:
    """An optimizer over parameter groups from shallow to deep; the last is the head.

    A group's rate is multiplied by layer_decay ** (groups above it), the head's by `head_rate`.
    Biases and norms have neither weight decay nor L1. With `l2_sp` all parameters below the head
    are pulled to their current values instead of decaying. `precision` is that of expensive
    computations within a step. Raises `UsageError` for an unknown optimizer.
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"There is no optimizer {name!r}.", f"There are: {', '.join(OPTIMIZERS)}.")
    convolutions: Groups = []
    others: Groups = []
    for depth, layers in enumerate(reversed(groups)):
        trained = [p for p in layers if p.requires_grad]
        share = layer_decay**depth if depth else head_rate
        held = l2_sp if depth else 0.0
        for kind, target, decay in (
            ([p for p in trained if p.ndim == 4], convolutions, weight_decay),
            ([p for p in trained if p.ndim in (2, 3)], others, weight_decay),
            ([p for p in trained if p.ndim < 2], others, 0.0),
        ):
            if kind:
                group: dict[str, Any] = {
                    "params": kind,
                    "share": share,
                    "depth": depth,
                    "awake": True,
                    "decay": held or decay,
                    "start": [p.detach().clone() for p in kind] if held else None,
                    "l1": l1 if kind[0].ndim > 1 else 0.0,
                }
                target.append(group)
    return OPTIMIZERS[name](convolutions, others, precision)


def _apply_decay(weights: list[Tensor], start: list[Tensor] | None, share: float) -> None:
    """Move weights towards 0, or towards their initial values, by a share of the distance."""
    if start is None:
        torch._foreach_mul_(weights, 1 - share)
    else:
        torch._foreach_lerp_(weights, start, share)


Groups = list[dict[str, Any]]


def _sgd(groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM, nesterov=True)


def _build_sgd(convolutions: Groups, others: Groups, precision: str) -> Optimizer:
    return Optimizer([_sgd(convolutions + others)])


def _build_adamw(convolutions: Groups, others: Groups, precision: str) -> Optimizer:
    return Optimizer([torch.optim.AdamW(convolutions + others, lr=0.0, weight_decay=0.0)])


def _build_muon(convolutions: Groups, others: Groups, precision: str) -> Optimizer:
    return Optimizer([Muon(convolutions, precision=precision), _sgd(others)])


OPTIMIZERS: dict[str, Callable[[Groups, Groups, str], Optimizer]] = {
    "sgd": _build_sgd,
    "adamw": _build_adamw,
    "muon": _build_muon,
}
