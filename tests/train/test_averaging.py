import pytest
import torch
from torch import nn

from striate.train.averaging import averaged, averages_of


def test_it_is_the_moving_average_worked_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, 0.5)
    assert average is not None
    by_hand = 0.0
    for n, weight in enumerate([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.update_parameters(network)
        decay = min(0.5, (1 + n) / (10 + n)) if n else 0.0
        by_hand = decay * by_hand + (1 - decay) * weight
    assert float(averages_of(average)["weight"]) == pytest.approx(by_hand)


def test_it_is_torchs_where_the_decay_is_reached() -> None:
    """After the beginning both keep the same share of themselves."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    network = nn.BatchNorm2d(3)
    ours = averaged(network, 0.05)
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.05), use_buffers=True)
    assert ours is not None
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        network(torch.randn(4, 3, 5, 5, generator=generator))
        ours.update_parameters(network)
        theirs.update_parameters(network)
    for name, tensor in theirs.module.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(averages_of(ours)[name], tensor)
    assert int(averages_of(ours)["num_batches_tracked"]) == 5


def test_no_decay_is_no_average() -> None:
    assert averaged(nn.Linear(1, 1), 0.0) is None
