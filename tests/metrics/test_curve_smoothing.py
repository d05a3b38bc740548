"""Curves over epochs: smoothed with a band, the best epoch, rises, slopes."""

import numpy as np
import pytest

from striate.metrics import curve_smoothing


def noisy(curve: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    return curve + np.random.default_rng(seed).normal(0, deviation, len(curve))


def decay(count: int = 40, floor: float = 0.4) -> np.ndarray:
    return floor + 2 * np.exp(-np.arange(count) / (count / 8))


def test_a_straight_line_is_smoothed_to_itself() -> None:
    line = 3 - 0.1 * np.arange(20)
    trend = curve_smoothing.smooth_curve(line)
    assert np.allclose(trend.level, line)
    assert trend.noise == pytest.approx(0, abs=1e-9)


def test_the_noise_of_a_smooth_curve_is_found() -> None:
    found = [curve_smoothing.smooth_curve(noisy(decay(), 0.05, seed)).noise for seed in range(20)]
    assert 0.03 < np.mean(found) < 0.06


def test_the_band_holds_the_truth_about_as_often_as_it_says() -> None:
    truths = [decay(), decay() + 0.02 * np.maximum(0, np.arange(40) - 20), np.full(40, 0.5)]
    inside = []
    for seed in range(60):
        true = truths[seed % 3]
        low, high = curve_smoothing.smooth_curve(noisy(true, 0.05, seed)).band()
        inside.append(np.mean((low <= true) & (true <= high)))
    assert 0.92 < np.mean(inside) <= 0.99


def test_a_band_without_noise_has_no_width() -> None:
    low, high = curve_smoothing.smooth_curve(3 - 0.1 * np.arange(20)).band()
    assert np.allclose(low, high)


def test_a_spike_has_no_say_and_is_not_kept() -> None:
    curve = noisy(decay(), 0.01)
    curve[30] += 1
    assert curve_smoothing.find_spikes(curve)[30]
    assert curve_smoothing.smooth_curve(curve).level[30] < 0.5
    assert curve_smoothing.find_best_epoch(curve).place != 30


def test_the_best_epoch_is_found_in_noise() -> None:
    epochs = np.arange(60)
    curve = decay(60) + 0.01 * np.maximum(0, epochs - 30)
    found = [curve_smoothing.find_best_epoch(noisy(curve, 0.03, seed)) for seed in range(10)]
    assert all(abs(best.place - 28) < 12 for best in found)
    assert all(best.low <= best.place <= best.high for best in found)
    assert all(best.last > best.level for best in found)


def test_ties_go_to_the_earlier() -> None:
    assert curve_smoothing.find_best_epoch([0.5, 0.5, 0.5, 0.5, 0.5]).place == 0
    assert curve_smoothing.find_best_epoch([0.7]).place == 0
    with pytest.raises(ValueError, match="no epoch"):
        curve_smoothing.find_best_epoch([])


def test_a_rise_is_told_from_chance() -> None:
    epochs = np.arange(40)
    flat = [
        curve_smoothing.rise_with_pvalue(noisy(decay(), 0.05, seed), draws=200)[1]
        for seed in range(20)
    ]
    risen = decay() + 0.02 * np.maximum(0, epochs - 20)
    found = [
        curve_smoothing.rise_with_pvalue(noisy(risen, 0.05, seed), draws=200)[1]
        for seed in range(20)
    ]
    assert np.mean(np.array(flat) < 0.05) <= 0.2
    assert np.mean(np.array(found) < 0.01) >= 0.9


def test_the_slope_of_a_line_and_its_error() -> None:
    assert curve_smoothing.fit_slope([1, 2, 3, 4])[0] == pytest.approx(1)
    values = [curve_smoothing.fit_slope(noisy(np.zeros(20), 1.0, seed)) for seed in range(200)]
    assert 0.02 <= np.mean([abs(v) > 1.96 * e for v, e in values]) <= 0.12
    assert curve_smoothing.fit_slope([1, 2])[1] == np.inf


def test_ground_lost_again() -> None:
    assert curve_smoothing.share_lost_again([3, 2, 1]) == 0
    assert curve_smoothing.share_lost_again([3, 2, 3, 2]) == pytest.approx(0.5)
    assert curve_smoothing.share_lost_again([1, 2]) == np.inf
    assert curve_smoothing.share_lost_again([1, 1]) == 0


def test_wilder_than_chance() -> None:
    assert curve_smoothing.is_noisier(3.0, 1.0, 20)
    assert not curve_smoothing.is_noisier(1.2, 1.0, 20)


def test_losses_that_ran_away_are_smoothed_as_small_ones_are() -> None:
    curve = noisy(decay(), 0.05)
    small, huge = curve_smoothing.smooth_curve(curve), curve_smoothing.smooth_curve(curve * 1e300)
    assert np.allclose(huge.level / 1e300, small.level)
    assert np.allclose(huge.errors / 1e300, small.errors)
    assert (
        curve_smoothing.find_best_epoch(curve * 1e300).place
        == curve_smoothing.find_best_epoch(curve).place
    )
    value, error = curve_smoothing.fit_slope(curve * 1e300)
    assert (value / 1e300, error / 1e300) == pytest.approx(curve_smoothing.fit_slope(curve))
