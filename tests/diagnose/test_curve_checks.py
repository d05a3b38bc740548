"""The checks of curves alone fire on planted faults and are silent on a healthy log."""

from dataclasses import replace

import numpy as np
import pytest

from striate.diagnose import curves_verdict, run_curve_checks
from striate.diagnose.underfitting import errors_also_on_training
from striate.metrics import intervals
from striate.values import Curves, Finding

EPOCHS = 40


def healthy(seed: int = 0, **changes: np.ndarray) -> Curves:
    """A log of a training that went well."""
    draw = np.random.default_rng(seed)
    e = np.arange(EPOCHS)
    rise = 1 - np.exp(-e / 5)
    given = {
        "train_loss": 2.2 * (1 - rise) + 0.05 + draw.normal(0, 0.004, EPOCHS),
        "val_loss": 2.2 * (1 - rise) + 0.12 + draw.normal(0, 0.01, EPOCHS),
        "train_accuracy": 0.1 + 0.885 * rise,
        "val_accuracy": 0.1 + 0.86 * rise + draw.normal(0, 0.004, EPOCHS),
        "lr": 0.1 * (1 + np.cos(np.pi * e / EPOCHS)) / 2 + 1e-4,
        **changes,
    }
    values = {name: tuple(float(v) for v in curve) for name, curve in given.items()}
    epochs = tuple(int(k) for k in e + 1)
    return Curves(name="log.csv", epochs=epochs, train_images=4000, val_images=600, **values)


def found(curves: Curves) -> dict[str, Finding]:
    return {f.code: f for f in run_curve_checks(curves) if f.outcome == "found"}


def noise(deviation: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, EPOCHS)


E = np.arange(EPOCHS)
FLAT = np.full(EPOCHS, 0.1)


@pytest.mark.parametrize("seed", range(10))
def test_a_healthy_log_hears_no_alarm(seed: int) -> None:
    assert not found(healthy(seed))
    assert curves_verdict(run_curve_checks(healthy(seed))).code == "curves_calm"


def test_overfitting() -> None:
    rising = 2.2 * np.exp(-E / 4) + 0.3 + 0.02 * np.maximum(0, E - 12) + noise(0.02)
    finding = found(healthy(val_loss=rising))["overfitting"]
    assert finding.figures["last"] > finding.figures["best"]


def test_underfitting() -> None:
    stuck = 0.1 + 0.5 * (1 - np.exp(-E / 5))
    assert "underfitting" in found(healthy(train_accuracy=stuck, val_accuracy=stuck - 0.01))


def test_not_converged() -> None:
    assert "not_converged" in found(healthy(val_loss=2.2 - 0.04 * E + noise(0.01)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged_to_no_number(bad: float) -> None:
    broken = np.where(E < 20, 2.0 - 0.01 * E, bad)
    finding = found(healthy(train_loss=broken))["diverged"]
    assert finding.figures["epoch"] == 21


def test_diverged_to_where_it_began() -> None:
    back = np.where(E < 20, 2.2 * np.exp(-E / 5) + 0.1, 2.3) + noise(0.01)
    finding = found(healthy(train_loss=back, lr=FLAT))["diverged"]
    assert finding.variant == "rise"


def test_learning_rate_too_high() -> None:
    jumping = 1.8 + 0.4 * np.exp(-E / 3) + noise(0.25)
    assert "learning_rate_high" in found(healthy(train_loss=jumping, lr=FLAT))


def test_learning_rate_too_low() -> None:
    crawling = 2.3 - 0.005 * E + noise(0.003)
    assert "learning_rate_low" in found(healthy(train_loss=crawling, lr=FLAT))


def test_plateau() -> None:
    still = 2.3 + 0.1 * np.exp(-E) + noise(0.01)
    assert "plateau" in found(healthy(train_loss=still, lr=FLAT))


@pytest.mark.parametrize(("classes", "level", "stands"), [(10, 1.5, False), (10, 2.3, True)])
def test_a_plateau_is_held_to_guessing_among_its_own_classes(
    classes: int, level: float, stands: bool
) -> None:
    noise = np.random.default_rng(2).normal(0, 0.005, len(FLAT))
    curves = replace(healthy(train_loss=level + noise, lr=FLAT), classes=classes)
    finding = next(f for f in run_curve_checks(curves) if f.code == "plateau")
    assert (finding.outcome == "found") == stands
    assert finding.figures["classes"] == classes
    assert finding.figures["guessing"] == pytest.approx(np.log(classes))


def test_augmentation_too_strong() -> None:
    harder = 0.1 + 0.5 * (1 - np.exp(-E / 5))
    assert set(found(healthy(train_accuracy=harder))) == {"augmentation_strong"}


def test_what_a_log_does_not_tell_is_not_judged() -> None:
    bare = replace(healthy(), val_loss=(), train_accuracy=(), val_accuracy=(), lr=())
    by_code = {f.code: f.outcome for f in run_curve_checks(bare)}
    assert by_code["overfitting"] == by_code["underfitting"] == "not_applicable"
    assert by_code["diverged"] == "passed"


@pytest.mark.parametrize(
    ("wrong", "new_wrong", "images", "is_found"),
    [
        # Errors on 300 validation images, of which most are there in training too.
        (0.062, 0.067, 300, True),
        (0.295, 0.487, 300, True),
        # So few validation images tell nothing; here most errors are new; these are few.
        (0.062, 0.067, 30, False),
        (0.062, 0.187, 300, False),
        (0.004, 0.006, 300, False),
        # Augmented training images, much harder than those of validation.
        (0.300, 0.050, 300, False),
    ],
)
def test_underfitting_weighs_both_errors(
    wrong: float, new_wrong: float, images: int, is_found: bool
) -> None:
    train = intervals.wilson(round((1 - wrong) * 2000), 2000, 0.99)
    val = intervals.wilson(round((1 - new_wrong) * images), images, 0.99)
    assert errors_also_on_training(train, val) == is_found


def test_what_annealing_brings_is_no_low_rate() -> None:
    # The noise of the steps keeps the loss up; as the rate goes to 0 it falls, along little way.
    rate = (1 + np.cos(np.pi * E / EPOCHS)) / 2
    held_up = 1.0 + 0.6 * np.exp(-E / 3) + 0.35 * rate + noise(0.003)
    assert "learning_rate_low" not in found(healthy(train_loss=held_up, lr=rate))


def test_a_low_rate_that_is_annealed() -> None:
    rate = (1 + np.cos(np.pi * E / EPOCHS)) / 2
    crawling = 1.5 - 0.01 * np.cumsum(rate) + noise(0.001)
    assert "learning_rate_low" in found(healthy(train_loss=crawling, lr=rate))


def test_a_steep_start_makes_no_fall_of_a_flat_end() -> None:
    # Of a training that was done: smoothing lays its line through the steep start (0.0044 at the
    # end), while the bare epochs have stood still for long.
    tail = (0.00686, 0.00678, 0.00602, 0.00541, 0.00545, 0.00513, 0.00513)
    loss = (0.01245, 0.00829, 0.01512, 0.01081, *tail, 0.00501, 0.00498, 0.00495, 0.00495, 0.00495)
    flat = Curves(name="log.csv", epochs=tuple(range(16)), val_loss=loss, val_images=600)
    assert "not_converged" not in found(flat)
