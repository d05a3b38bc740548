"""Calibration: no answer changes, what is planted is mended, and silence where nothing is wrong."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from striate.metrics.intervals import expected_calibration_error, log_loss, softmax
from striate.metrics.probability_calibration import (
    calibrate_scores,
    choose_calibration,
    fit_calibration,
    fit_temperature,
)
from striate.values import Calibration, ModelSpec
from striate.values.seeds import make_rng

SCORES = arrays(np.float64, (7, 4), elements=st.floats(-500, 500))
FACTORS = st.floats(0.05, 20)
LINES = st.builds(
    Calibration,
    sure=FACTORS,
    unsure=FACTORS,
    slope=st.floats(1e-3, 20),
    intercept=st.floats(-20, 20),
)


def drawn(n: int, classes: int, seed: int, heat: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and truths drawn from their softmax at a temperature."""
    generator = make_rng(seed, "calibration test")
    logits = generator.normal(0, 2, (n, classes))
    return logits, (logits / heat + generator.gumbel(size=logits.shape)).argmax(axis=1)


def too_sure(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose answers are the more often wrong beyond what they say the surer they are."""
    logits, truth = drawn(n, 8, seed)
    generator = make_rng(seed, "calibration test, mistakes")
    wrong = generator.random(n) < 0.3 * softmax(logits).max(axis=1) ** 2
    return logits, np.where(wrong, generator.integers(0, 8, n), truth)


@given(SCORES, st.floats(0.1, 10), LINES)
def test_rows_are_shares_and_the_best_class_stays(
    scores: np.ndarray, heat: float, how: Calibration
):
    table = calibrate_scores(scores, heat, how)
    assert table.dtype == np.float32
    assert (table >= 0).all()
    assert np.allclose(table.sum(axis=1), 1, atol=1e-6)
    assert (table.argmax(axis=1) == scores.argmax(axis=1)).all()


@given(SCORES, st.floats(0.1, 10), LINES)
def test_the_other_classes_keep_their_order(scores: np.ndarray, heat: float, how: Calibration):
    table = calibrate_scores(scores, heat, how)
    best = scores.argmax(axis=1)
    for row, order in enumerate(np.argsort(scores, axis=1, kind="stable")):
        others = table[row, order[order != best[row]]]
        assert (np.diff(others) >= -1e-7).all()


@given(SCORES, st.floats(0.1, 10))
def test_neutral_parameters_change_nothing(scores: np.ndarray, heat: float):
    plain = softmax(scores, heat)
    assert (calibrate_scores(scores, heat) == plain).all()
    assert (calibrate_scores(scores, heat, Calibration()) == plain).all()
    nearly = Calibration(slope=1 + 1e-12)
    assert np.allclose(calibrate_scores(scores, heat, nearly), plain, atol=1e-5)


def test_both_steps_by_hand():
    # Two classes: the uncertainty of (0.8, 0.2) is 0.7219 bits, the odds 4.
    odds = np.log(4)
    heat = 2.0**0.2781 * 3.0**0.7219
    right = 1 / (1 + np.exp(-(1.5 * odds / heat + 0.1)))
    found = calibrate_scores(
        [[7 * odds, 0.0]], 7.0, Calibration(sure=2, unsure=3, slope=1.5, intercept=0.1)
    )
    assert found[0] == pytest.approx([right, 1 - right], abs=1e-4)


def test_a_line_that_would_change_the_answer_leaves_it_just_ahead():
    found = calibrate_scores([[1.0, 0.9, -3.0]], 1.0, Calibration(intercept=-9.0))[0]
    assert found[0] > found[1] > found[2]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_planted_is_mended(seed: int):
    logits, truth = too_sure(1500, seed)
    heat = fit_temperature(logits, truth)
    how = choose_calibration(logits, truth, np.arange(1500), heat)
    assert not how.neutral
    assert how.why is not None
    assert how.why.code == "calibration.two"
    assert how.why.figures["change"] < 0
    new, labels = too_sure(5000, 100 + seed)
    before, after = softmax(new, heat), calibrate_scores(new, heat, how)
    assert expected_calibration_error(before, labels) > 0.05
    assert expected_calibration_error(after, labels) < 0.03
    assert log_loss(after, labels) < log_loss(before, labels)


def test_one_temperature_stays_where_nothing_is_wrong():
    for seed in range(20):
        logits, truth = drawn(400, 5, seed, heat=1.7)
        heat = fit_temperature(logits, truth)
        how = choose_calibration(logits, truth, np.arange(400), heat, seed)
        assert how.neutral, seed
        assert how.why is not None
        assert how.why.code == "calibration.one"


def test_images_of_one_group_are_one_witness():
    # Ten groups of a hundred alike: a thousand images say no more than ten.
    logits, truth = too_sure(10, 0)
    owner = np.repeat(np.arange(10), 100)
    how = choose_calibration(logits[owner], truth[owner], owner, 1.0)
    assert how.neutral
    assert how.why is not None
    assert how.why.code == "calibration.few"
    assert how.why.figures == {"groups": 10}


@pytest.mark.parametrize("scores", [np.zeros((90, 3)), np.ones((90, 1)), np.empty((0, 3))])
def test_scores_that_say_nothing_are_left_alone(scores: np.ndarray):
    truth = np.zeros(len(scores), int)
    assert choose_calibration(scores, truth, np.arange(len(scores)), 1.0).neutral


def test_scores_without_a_mistake_stay_finite_and_below_certainty():
    scores = np.eye(3)[[0, 1, 2] * 30] * 50
    truth = np.array([0, 1, 2] * 30)
    how = fit_calibration(scores, truth, fit_temperature(scores, truth))
    found = calibrate_scores(scores, fit_temperature(scores, truth), how)
    assert np.isfinite(found).all()
    assert found.max() == pytest.approx(91 / 92, abs=0.01)


def test_two_temperatures_are_found_again():
    logits, _ = drawn(20_000, 6, 3)
    made = Calibration(sure=2.0, unsure=0.7)
    chances = calibrate_scores(logits, 1.0, made).astype(np.float64)
    steps = chances.cumsum(axis=1) / chances.sum(axis=1, keepdims=True)
    truth = (make_rng(3, "truths").random((20_000, 1)) > steps).sum(axis=1)
    found = fit_calibration(logits, truth, 1.0)
    assert (found.sure, found.unsure) == pytest.approx((2.0, 0.7), rel=0.06)
    assert (found.slope, found.intercept) == pytest.approx((1.0, 0.0), abs=0.05)


def test_a_model_of_an_earlier_version_has_one_temperature():
    text = (
        b'{"net":"compact","settings":{},"classes":["a","b"],"channels":1,"input_size":16,'
        b'"cache_size":16,"resize":"squash","mean":[0.5],"std":[0.5],"taps":[],"temperature":2}'
    )
    spec = msgspec.json.decode(text, type=ModelSpec)
    assert spec.calibration is None
    assert (calibrate_scores([[2.0, 1.0]], spec.temperature, spec.calibration)) == pytest.approx(
        softmax([[2.0, 1.0]], 2.0)
    )


def test_temperature_is_found_again():
    logits, labels = drawn(20_000, 6, 0)
    assert fit_temperature(logits, labels) == pytest.approx(1.0, rel=0.03)
    assert fit_temperature(logits * 7, labels) == pytest.approx(
        7 * fit_temperature(logits, labels), rel=1e-6
    )


def test_temperature_is_the_least_loss_of_all():
    generator = make_rng(1, "temperature")
    scores = generator.normal(size=(300, 4))
    labels = (scores + generator.normal(size=scores.shape)).argmax(axis=1)
    smooth = np.full((300, 4), 1 / 302 / 3)
    smooth[np.arange(300), labels] = 301 / 302

    def loss(heat: float) -> float:
        powers = np.exp(scores / heat)
        return float(-(smooth * np.log(powers / powers.sum(axis=1, keepdims=True))).sum())

    found = fit_temperature(scores, labels)
    assert loss(found) <= min(loss(found * factor) for factor in (0.5, 0.999, 1.001, 2))


def test_temperature_without_a_mistake_is_not_certainty():
    table = softmax(
        np.eye(3)[[0, 1, 2] * 10], fit_temperature(np.eye(3)[[0, 1, 2] * 10], [0, 1, 2] * 10)
    )
    assert table.max() == pytest.approx(31 / 32, abs=1e-3)


@pytest.mark.parametrize("scores", [np.zeros((4, 3)), np.ones((4, 1)), np.empty((0, 3))])
def test_temperature_of_scores_that_say_nothing_is_one(scores: np.ndarray):
    assert fit_temperature(scores, np.zeros(len(scores), int)) == 1.0


def test_temperature_of_scores_that_are_wrong_makes_them_say_little():
    scores = np.eye(4)[[1, 2, 3, 0] * 5]
    heat = fit_temperature(scores, [0, 1, 2, 3] * 5)
    assert softmax(scores, heat).max() < 0.26
