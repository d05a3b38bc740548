import itertools

import numpy as np
import pytest
import torch
from tests.train.made_training import MACHINE, network, plan, stripes

from striate.probe.trials import make_trial, measure_training_speed
from striate.values import Epoch, History, say

WHY = say("test.why", "a test wants it")


def test_training_speed_is_positive_and_leaves_the_network_as_it_was() -> None:
    cache, labels = stripes()
    of = plan()
    net = network(of)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    speed = measure_training_speed(
        net, of, cache, np.arange(90), MACHINE, labels=labels, seconds=0.01
    )
    assert speed > 0
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


@pytest.mark.parametrize(
    ("tick", "looks"),
    [
        (0.1, 24),  # fast: steps for two seconds
        (1.0, 9),  # more than one step
        (4.0, 6),  # so slow that one must do
        (7.0, 2),  # the first step alone tells
    ],
)
def test_a_slow_machine_is_timed_by_fewer_steps(tick: float, looks: int) -> None:
    cache, labels = stripes()
    of = plan()
    clock = itertools.count(0.0, tick)
    speed = measure_training_speed(
        network(of),
        of,
        cache,
        np.arange(90),
        MACHINE,
        labels=labels,
        seconds=2.0,
        clock=clock.__next__,
    )
    assert speed == pytest.approx(16 / tick)
    assert next(clock) / tick == pytest.approx(looks, abs=1)


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
    trial = make_trial(plan(), history, np.zeros(40, np.int64), WHY)
    assert trial.accuracy.value == 0.75
    assert trial.accuracy.n == 40
    assert trial.accuracy.low < 0.75 < trial.accuracy.high
    assert (trial.log_loss, trial.epochs, trial.seconds) == (0.6, 3, 6.0)
    assert not trial.kept
    groups, right = np.arange(40) // 10, np.arange(40) < 30
    together = make_trial(plan(), history, groups, WHY, right)
    assert (together.accuracy.value, together.accuracy.method) == (0.75, "cluster-bootstrap")
    assert together.accuracy.low < trial.accuracy.low
