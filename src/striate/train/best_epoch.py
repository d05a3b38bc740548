"""The best epoch and early stopping, from the losses; averages of the weights.

The criterion is that of `striate diagnose`: the least smoothed validation loss. Where it lies is
known only later, since later epochs change the smoothed level; so the weights of the few most
promising epochs are held until the end.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from striate.metrics.curve_smoothing import find_best_epoch, smooth_usable_losses
from striate.train.checkpoint import Tensors
from striate.train.schedule import falls_to_zero
from striate.values import Epoch, Plan

# Eight lose as little as four, two more (LOG 2026-11-24).
HELD = 4
LONG = 128
PATIENCE, LEAST_EPOCHS = 5, 10


def choose_kept_epoch(epochs: Sequence[Epoch], held: Collection[int]) -> int:
    """The number of the best epoch among those held; without validation images the latest."""
    losses = _val_losses(epochs)
    if not losses or not np.isfinite(losses).all():
        return max(held)
    return 1 + find_best_epoch(losses, among=[number - 1 for number in held if number > 0]).place


def worst_held_epoch(epochs: Sequence[Epoch], held: Collection[int]) -> int:
    """The number of the least promising epoch among those held, whose weights are dropped.

    Never the latest: its level is known only when more epochs follow.
    """
    losses = _val_losses(epochs)
    older = sorted(number for number in held if number < len(epochs))
    if 0 in older or not np.isfinite(losses).all():
        return older[0]
    if len(losses) > LONG:
        # Smoothing costs the square of the length; far epochs have no say in a level anyway.
        return max(older, key=lambda number: (_smoothed_level(losses, number - 1), number))
    levels = smooth_usable_losses(losses)
    return max(older, key=lambda number: (levels[number - 1], number))


def should_stop_early(stopping: str, schedule: str, epochs: Sequence[Epoch]) -> bool:
    """Whether to stop before the last planned epoch.

    True if the last five epochs are all worse than the best beyond the 95 % band, and there are at
    least ten. `stopping` is `never`, `always`, or `auto`: not with a schedule that falls to zero,
    whose best epochs usually come last although the losses look flat midway.
    """
    losses = _val_losses(epochs)
    quiet = stopping == "never" or (stopping == "auto" and falls_to_zero(schedule))
    if quiet or len(losses) < LEAST_EPOCHS or not np.isfinite(losses).all():
        return False
    start = max(0, len(losses) - LONG)
    best = find_best_epoch(losses[start:])
    return len(losses) - 1 - (start + best.high) >= PATIENCE


def hold_latest(
    plan: Plan, epochs: tuple[Epoch, ...], own: Tensors, held: dict[int, Tensors]
) -> None:
    """Add the latest epoch's weights to those held, and drop the least promising.

    If weights are averaged over epochs, only the best mean is held.
    """
    epoch = epochs[-1]
    if plan.average.value != "epochs":
        held[epoch.epoch] = own
        if 0 in held or len(held) > HELD:
            del held[worst_held_epoch(epochs, held)]
    elif 0 in held or is_better_epoch(epoch, epochs[max(held) - 1]):
        held.clear()
        held[epoch.epoch] = own


def is_finished(plan: Plan, epochs: tuple[Epoch, ...]) -> bool:
    """Whether training is over: the last planned epoch or step is done, or it stopped early."""
    done = len(epochs) >= plan.epochs.value
    if plan.steps.value and epochs:
        done = done or epochs[-1].step >= plan.steps.value
    return done or should_stop_early(plan.stopping.value, plan.schedule.value, epochs)


def is_better_epoch(epoch: Epoch, kept: Epoch) -> bool:
    """Whether an epoch has a higher validation measure, or an equal one and less loss.

    Without validation images the latest is always better.
    """
    if epoch.val_accuracy != epoch.val_accuracy:
        return True
    return (epoch.val_accuracy, -epoch.val_loss) > (kept.val_accuracy, -kept.val_loss)


def _val_losses(epochs: Sequence[Epoch]) -> list[float]:
    return [epoch.val_loss for epoch in epochs]


def _smoothed_level(losses: Sequence[float], place: int) -> float:
    start = max(0, place - LONG // 2)
    return float(smooth_usable_losses(losses[start : place + LONG // 2])[place - start])


def make_weight_average(network: nn.Module, decay: float) -> AveragedModel | None:
    """A copy that `update_parameters(network)` moves towards the network; None for decay 0.

    An exponential moving average that keeps `decay` of itself after each step, less at the start:
    (1 + n) / (10 + n) after n steps, so that the initial weights are soon forgotten (as in
    TensorFlow and timm). Batch-normalisation statistics are averaged too. Polyak and Juditsky 1992.
    """
    if not decay:
        return None

    def move(
        averages: tuple[Tensor, ...] | list[Tensor],
        weights: tuple[Tensor, ...] | list[Tensor],
        steps: Tensor | int,
    ) -> None:
        with torch.no_grad():
            _move_averages(averages, weights, min(decay, (1 + int(steps)) / (10 + int(steps))))

    return AveragedModel(network, multi_avg_fn=move, use_buffers=True)


def averaged_state(average: AveragedModel) -> Tensors:
    """A copy of the averaged weights under the whole network's parameter names."""
    whole = getattr(average.module, "network", average.module)  # An upper part holds the whole.
    return {name: tensor.detach().clone() for name, tensor in whole.state_dict().items()}


def update_mean(kept: Tensors, epochs: int, state: Tensors) -> Tensors:
    """The mean of `kept`, itself the mean of so many epochs' weights, with one more, `state`.

    A greedy soup of epochs: Wortsman et al. 2022, recipe 1, in temporal order.
    """
    return {
        name: (
            torch.lerp(tensor, state[name], 1 / (epochs + 1))
            if tensor.is_floating_point()
            else state[name]
        )
        for name, tensor in kept.items()
    }


def count_averaged_epochs(epochs: Sequence[Epoch], better: Callable[[Epoch, Epoch], bool]) -> int:
    """The number of epochs that the kept mean covers; `better` compares two epochs."""
    count, kept = 0, None
    for epoch in epochs:
        if kept is None or better(epoch, kept):
            count, kept = (count + 1 if epoch.averaged else 1), epoch
    return count


def _move_averages(averages: Sequence[Tensor], weights: Sequence[Tensor], decay: float) -> None:
    for average, weight in zip(averages, weights, strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)
