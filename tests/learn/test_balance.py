"""Class weights are taken where they help rare classes, and left where nothing is rare or lost."""

import numpy as np
from numpy.typing import NDArray

from striate.learn.gather_evidence import class_weight_gain
from striate.metrics.intervals import balanced_weights
from striate.probe.ridge import fit_ridge_path
from striate.values import BalanceGain, Rows
from striate.values.seeds import make_rng


def measured(features: NDArray[np.float32], labels: Rows, groups: Rows | None) -> BalanceGain:
    plain = fit_ridge_path(features, labels, 3, groups)
    weighted = fit_ridge_path(features, labels, 3, groups, weights=balanced_weights(labels))
    return class_weight_gain(plain, weighted, labels, groups)


def cloud(counts: tuple[int, ...], apart: float) -> tuple[NDArray[np.float32], Rows]:
    generator = make_rng(0, "cloud")
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = apart * np.eye(len(counts), 10)
    return (centres[labels] + generator.normal(size=(len(labels), 10))).astype(np.float32), labels


def test_weights_help_a_rare_class_that_was_lost() -> None:
    found = measured(*cloud((600, 600, 30), 3.0), None)
    assert found.helps
    assert not found.harms
    assert found.gain > 1.645 * found.error > 0
    assert found.balanced_weighted > found.balanced_plain
    assert found.n == 1230


def test_weights_that_cost_accuracy_are_not_taken() -> None:
    found = measured(*cloud((600, 600, 30), 1.0), None)
    assert found.balanced_weighted > found.balanced_plain
    assert found.accuracy_weighted < found.accuracy_plain
    assert found.harms
    assert not found.helps


def test_even_classes_gain_nothing() -> None:
    found = measured(*cloud((200, 200, 200), 3.0), None)
    assert (found.helps, found.harms, found.gain) == (False, False, 0.0)


def test_a_rare_class_of_one_burst_proves_nothing() -> None:
    features, labels = cloud((600, 600, 30), 3.0)
    groups = np.where(labels == 2, 9999, np.arange(len(labels)))
    assert not measured(features, labels, groups).helps
