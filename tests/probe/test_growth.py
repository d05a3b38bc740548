"""The learning curve: a known power law is found again, and a flat one promises nothing."""

import numpy as np
import pytest

from striate.probe.growth import _class_subset, measure_growth
from striate.values import Growth, Rows

LABELS = np.arange(800) % 4
ALONE = np.arange(800)
VAL = np.arange(1000, 1400)


def grown(error_of: dict[int, float] | None, exponent: float = 0.5, n: int = 400) -> Growth | None:
    """The curve of a model that misses 2 x size ** -exponent of the validation images."""
    hardness = np.random.default_rng(0).permutation(n) / n

    def misses(rows: Rows) -> np.ndarray:
        return hardness < 2 * len(rows) ** -exponent

    return measure_growth(misses, ALONE, LABELS, ALONE, VAL[:n])


def test_a_power_law_is_drawn_on() -> None:
    found = grown(None)
    assert found is not None
    assert [point.images for point in found.measured] == [100, 200, 400, 800]
    assert found.exponent == pytest.approx(0.5, abs=0.05)
    double, fourfold = found.expected
    assert (double.images, fourfold.images) == (1600, 3200)
    assert double.error == pytest.approx(2 * 1600**-0.5, rel=0.1)
    assert double.low < double.error < double.high
    gain = found.measured[-1].error - double.error
    assert 0 < found.gain_low < gain < found.gain_high


def test_a_flat_curve_promises_nothing() -> None:
    found = grown(None, exponent=0.0001)
    assert found is None or found.gain_high < 0.01


def test_too_few_images_to_tell_say_nothing() -> None:
    assert grown(None, n=20) is None
    none = measure_growth(lambda rows: np.zeros(400, bool), ALONE, LABELS, ALONE, VAL)
    assert none is None  # nothing is wrong: there is nothing to gain


def test_parts_are_nested_hold_every_class_and_whole_groups() -> None:
    groups = np.arange(800) // 8
    small, large = (_class_subset(ALONE, LABELS, groups, share, 0) for share in (0.25, 0.5))
    assert set(small.tolist()) <= set(large.tolist())
    assert set(LABELS[small].tolist()) == {0, 1, 2, 3}
    assert all((groups[small] == g).sum() == 8 for g in np.unique(groups[small]))
