"""Rare classes count: by weights in the loss, or by being drawn more often."""

from dataclasses import replace

import numpy as np
import pytest
from tests.train.made_training import MACHINE, network, plan, stripes

from striate.train.loop import train_network
from striate.train.loss import class_loss_weights, sample_epoch_rows
from striate.values import Plan

LABELS = np.repeat([0, 2], [90, 10])
ROWS = np.arange(100)


def by(way: str) -> Plan:
    of = plan()
    return replace(of, classes=("a", "b", "c"), balance=replace(of.balance, value=way))


def test_weights_let_every_class_weigh_the_same() -> None:
    weights = np.array(class_loss_weights(by("weights"), LABELS))
    assert weights.tolist() == pytest.approx([100 / 180, 0, 5])
    assert weights[LABELS].mean() == pytest.approx(1)
    assert (
        class_loss_weights(by("none"), LABELS) == class_loss_weights(by("sampling"), LABELS) == ()
    )


def test_an_epoch_draws_every_class_as_often() -> None:
    drawn = sample_epoch_rows(by("sampling"), LABELS, ROWS, 1)
    assert len(drawn) == 100
    assert 35 <= (LABELS[drawn] == 2).sum() <= 65
    assert np.array_equal(drawn, sample_epoch_rows(by("sampling"), LABELS, ROWS, 1))
    assert not np.array_equal(drawn, sample_epoch_rows(by("sampling"), LABELS, ROWS, 2))
    assert np.array_equal(sample_epoch_rows(by("weights"), LABELS, ROWS, 1), ROWS)


@pytest.mark.parametrize("way", ["weights", "sampling"])
def test_a_training_heeds_it(way: str) -> None:
    cache, labels = stripes()
    of = plan()
    grounds = {"labels": labels, "mean": (0.5,), "std": (0.25,)}
    rare = np.sort(np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:5]]))
    losses = []
    for value in ("none", way):
        chosen = replace(of, balance=replace(of.balance, value=value))
        net = network(chosen)
        found = train_network(net, chosen, cache, rare, np.arange(90), MACHINE, **grounds)
        losses.append([epoch.train_loss for epoch in found.history.epochs])
    assert losses[0] != losses[1]
