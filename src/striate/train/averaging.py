"""Averages of the weights: a moving one beside the network, and the mean of the good epochs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from striate.train.checkpoint import Tensors
from striate.values import Epoch


def averaged(network: nn.Module, decay: float) -> AveragedModel | None:
    """A copy that `update_parameters(network)` moves towards the network; None for a decay of 0.

    After each step an average keeps `decay` of itself, less at the beginning: (1 + n) / (10 + n)
    after n steps, so that the first weights are soon forgotten (as TensorFlow's and timm's).
    Statistics of batch normalisation are averaged with the weights. Polyak and Juditsky 1992.
    """
    if not decay:
        return None

    def move(
        averages: tuple[Tensor, ...] | list[Tensor],
        weights: tuple[Tensor, ...] | list[Tensor],
        steps: Tensor | int,
    ) -> None:
        with torch.no_grad():
            _move(averages, weights, min(decay, (1 + int(steps)) / (10 + int(steps))))

    return AveragedModel(network, multi_avg_fn=move, use_buffers=True)


def averages_of(average: AveragedModel) -> Tensors:
    """The averaged weights under the whole network's own names, copied."""
    whole = getattr(average.module, "network", average.module)  # An upper part holds the whole.
    return {name: tensor.detach().clone() for name, tensor in whole.state_dict().items()}


def mean_with(kept: Tensors, epochs: int, state: Tensors) -> Tensors:
    """The mean of the weights of so many epochs, `kept`, with those of one more, `state`.

    A greedy soup of epochs: Wortsman et al. 2022, recipe 1, in the order of time.
    """
    return {
        name: (
            torch.lerp(tensor, state[name], 1 / (epochs + 1))
            if tensor.is_floating_point()
            else state[name]
        )
        for name, tensor in kept.items()
    }


def averaged_epochs(epochs: Sequence[Epoch], better: Callable[[Epoch, Epoch], bool]) -> int:
    """Of how many epochs the kept weights are the mean; `better` tells which epoch is kept."""
    count, kept = 0, None
    for epoch in epochs:
        if kept is None or better(epoch, kept):
            count, kept = (count + 1 if epoch.averaged else 1), epoch
    return count


def _move(averages: Sequence[Tensor], weights: Sequence[Tensor], decay: float) -> None:
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)
