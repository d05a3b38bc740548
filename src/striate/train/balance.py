"""Rare classes made to count: weights for the loss, or an epoch's rows drawn class by class."""

import numpy as np

from striate.statistics import balanced_weights, rng
from striate.values import Plan, Rows, Targets


def weights_of(plan: Plan, labels_N: Targets) -> tuple[float, ...]:
    """What an image of each class counts in the loss; empty unless the plan weighs classes.

    Every class that is present weighs the same, and an image 1 on average. Only single labels
    are classes: `strategy.targets` refuses to weigh what else is learnt.
    """
    if plan.balance.value != "weights":
        return ()
    classes_N = labels_N.astype(np.int64)
    found = np.zeros(max(len(plan.classes), int(classes_N.max()) + 1))
    found[classes_N] = balanced_weights(classes_N)
    return tuple(float(weight) for weight in found)


def drawn_rows(plan: Plan, labels: Targets, train_rows: Rows, epoch: int) -> Rows:
    """The rows of an epoch: all once; by `sampling` as many, each class as often as another."""
    if plan.balance.value != "sampling":
        return train_rows
    chances = balanced_weights(labels[train_rows].astype(np.int64)) / len(train_rows)
    generator = rng(plan.seed, f"balance/{epoch}")
    return generator.choice(train_rows, len(train_rows), p=chances / chances.sum())
