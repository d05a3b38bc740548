"""The penalty picked by held-out images, where leave-one-out would pick another."""

import numpy as np
import pytest

from striate.learn.finetune.weight_interpolation import fit_best_penalty
from striate.metrics.intervals import log_loss, softmax
from striate.probe.ridge import fit_ridge_path
from striate.values.seeds import make_rng

CLASSES = 3


def memorised() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training features that hold the label, as tuned ones do, beside one weak honest column."""
    generator = make_rng(0, "memorised")
    labels = generator.integers(0, CLASSES, 120)
    honest = np.eye(CLASSES)[labels] + generator.normal(size=(120, CLASSES))
    known = np.eye(CLASSES)[labels][:60] + 0.01 * generator.normal(size=(60, CLASSES))
    unknown = 0.5 * generator.normal(size=(60, CLASSES))
    table = np.hstack([honest, np.vstack([known, unknown])]).astype(np.float32)
    return table[:60], labels[:60], table[60:], labels[60:]


def test_it_picks_the_penalty_of_least_held_out_error() -> None:
    train, labels, val, truth = memorised()
    found = fit_best_penalty(train, labels, val, truth, CLASSES)
    usual = fit_ridge_path(train, labels, CLASSES)
    fits = [fit_ridge_path(train, labels, CLASSES, alphas=[alpha]) for alpha in usual.alphas]
    wanted = np.eye(CLASSES)[truth]
    errors = [np.square(fit.scores(val) - wanted).mean() for fit in fits]
    assert found.alpha == pytest.approx(usual.alphas[int(np.argmin(errors))])
    # Leave-one-out trusts the columns that know their labels.
    assert found.alpha > 10 * usual.alpha


def test_its_temperature_is_that_of_the_held_out_images() -> None:
    train, labels, val, truth = memorised()
    found = fit_best_penalty(train, labels, val, truth, CLASSES)
    usual = fit_ridge_path(train, labels, CLASSES, alphas=[found.alpha])
    assert np.array_equal(found.weights, usual.weights)
    said = log_loss(softmax(found.scores(val), found.temperature), truth)
    assert said < log_loss(softmax(usual.scores(val), usual.temperature), truth)


def test_a_penalty_that_is_given_is_taken() -> None:
    train, labels, val, truth = memorised()
    assert fit_best_penalty(train, labels, val, truth, CLASSES, alphas=[7.0]).alpha == 7.0
