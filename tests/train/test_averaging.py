import pytest
import torch
from torch import nn

from striate.train.best_epoch import (
    averaged_state,
    count_averaged_epochs,
    make_weight_average,
    update_mean,
)
from striate.values import Epoch


def test_it_is_the_moving_average_worked_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = make_weight_average(network, 0.5)
    assert average is not None
    by_hand = 0.0
    for n, weight in enumerate([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.update_parameters(network)
        decay = min(0.5, (1 + n) / (10 + n)) if n else 0.0
        by_hand = decay * by_hand + (1 - decay) * weight
    assert float(averaged_state(average)["weight"]) == pytest.approx(by_hand)


def test_it_is_torchs_where_the_decay_is_reached() -> None:
    """After the beginning both keep the same share of themselves."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    network = nn.BatchNorm2d(3)
    ours = make_weight_average(network, 0.05)
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.05), use_buffers=True)
    assert ours is not None
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        network(torch.randn(4, 3, 5, 5, generator=generator))
        ours.update_parameters(network)
        theirs.update_parameters(network)
    for name, tensor in theirs.module.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(averaged_state(ours)[name], tensor)
    assert int(averaged_state(ours)["num_batches_tracked"]) == 5


def test_no_decay_is_no_average() -> None:
    assert make_weight_average(nn.Linear(1, 1), 0.0) is None


def test_the_mean_of_epochs_one_after_another_is_their_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    states = [
        {"weight": torch.randn(3, 2, generator=generator), "seen": torch.tensor(n)}
        for n in range(4)
    ]
    kept = states[0]
    for count, state in enumerate(states[1:], start=1):
        kept = update_mean(kept, count, state)
    mean = torch.stack([state["weight"] for state in states]).mean(dim=0)
    assert torch.allclose(kept["weight"], mean)
    assert int(kept["seen"]) == 3


def test_the_epochs_that_are_averaged_are_counted_as_the_loop_kept_them() -> None:
    def epoch(number: int, accuracy: float, averaged: bool) -> Epoch:
        return Epoch(
            epoch=number,
            step=number,
            lr=0.1,
            train_loss=0.1,
            train_accuracy=0.9,
            val_loss=0.1,
            val_accuracy=accuracy,
            seconds=1.0,
            pictures_per_second=1.0,
            averaged=averaged,
        )

    def better(new: Epoch, old: Epoch) -> bool:
        return new.val_accuracy > old.val_accuracy

    epochs = [
        epoch(1, 0.5, False),
        epoch(2, 0.6, True),  # mean of two
        epoch(3, 0.4, True),  # not kept
        epoch(4, 0.7, True),  # mean of three
    ]
    assert [count_averaged_epochs(epochs[:n], better) for n in range(5)] == [0, 1, 2, 2, 3]
    assert count_averaged_epochs([*epochs, epoch(5, 0.8, False)], better) == 1
