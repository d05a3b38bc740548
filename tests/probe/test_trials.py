import numpy as np
import pytest
import torch
from tests.train.made_training import MACHINE, network, plan, stripes

from striate.probe.trials import as_trial, flip_helps, training_speed
from striate.values import Epoch, History, Rows, say

WHY = say("test.why", "a test wants it")


def test_training_speed_is_positive_and_leaves_the_network_as_it_was() -> None:
    cache, labels = stripes()
    of = plan()
    net = network(of)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    speed = training_speed(net, of, cache, np.arange(90), MACHINE, labels=labels, seconds=0.01)
    assert speed > 0
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


def test_a_trial_tells_what_its_kept_epoch_reached() -> None:
    epochs = tuple(
        Epoch(
            epoch=k + 1,
            step=10,
            lr=0.1,
            train_loss=1.0,
            train_accuracy=0.5,
            val_loss=loss,
            val_accuracy=accuracy,
            seconds=2.0,
            pictures_per_second=10.0,
        )
        for k, (accuracy, loss) in enumerate([(0.5, 0.9), (0.75, 0.6), (0.7, 0.5)])
    )
    history = History(epochs=epochs, kept_epoch=2, train_images=90, val_images=40)
    trial = as_trial(plan(), history, np.zeros(40, np.int64), WHY)
    assert trial.accuracy.value == 0.75
    assert trial.accuracy.n == 40
    assert trial.accuracy.low < 0.75 < trial.accuracy.high
    assert (trial.log_loss, trial.epochs, trial.seconds) == (0.6, 3, 6.0)
    assert not trial.kept


def sided(n: int = 400, chiral: bool = True) -> tuple[np.ndarray, np.ndarray, Rows]:
    """Features of two classes and of their mirror images: two numbers, left and right.

    Where a class is told by its side, mirroring turns one class into the other; where not,
    each class is seen from one side alone in training, and mirroring shows the other.
    """
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.int64)
    left_right = np.zeros((n, 2))
    if chiral:
        left_right[labels == 0, 0] = 2
        left_right[labels == 1, 1] = 2
    else:
        side = np.where(np.arange(n) < n // 2, 0, rng.integers(0, 2, n))
        left_right[np.arange(n), side] = np.where(labels == 0, 2.0, -2.0)
    left_right += rng.normal(0, 1.0, (n, 2))
    plain = left_right.astype(np.float32)
    return plain, plain[:, ::-1].copy(), labels


@pytest.mark.parametrize("chiral", [True, False])
def test_flips_are_refused_where_the_side_tells_the_class(chiral: bool) -> None:
    plain, mirrored, labels = sided(chiral=chiral)
    train, val = np.arange(200), np.arange(200, 400)
    assert flip_helps(plain, mirrored, labels, train, val) is not chiral


def test_flips_that_change_nothing_are_refused() -> None:
    plain, _, labels = sided()
    assert not flip_helps(plain, plain, labels, np.arange(200), np.arange(200, 400))
