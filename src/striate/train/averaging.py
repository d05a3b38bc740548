"""The moving average of the weights, a second network beside the one that is trained."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from striate.train.checkpoint import Tensors


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


def _move(averages: Sequence[Tensor], weights: Sequence[Tensor], decay: float) -> None:
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)
