"""The formulas against cases worked by hand, and against the laws that they must keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from striate.metrics import intervals
from striate.metrics.intervals import (
    accuracy_interval,
    balanced_accuracy,
    balanced_weights,
    cluster_bootstrap,
    cross_validation_interval,
    expected_calibration_error,
    log_loss,
    paired_difference,
    share_difference,
    sign_test,
    sign_test_better,
    softmax,
    wilson,
)
from striate.metrics.score import score_predictions
from striate.values import Predictions
from striate.values.seeds import make_rng

TRUTHS = st.lists(st.booleans(), min_size=1, max_size=60)


@pytest.mark.parametrize(("k", "n", "level"), [(957, 1040, 0.95), (1, 3, 0.95), (60, 60, 0.9)])
def test_wilson_ends_where_the_score_test_just_accepts(k: int, n: int, level: float):
    found = wilson(k, n, level)
    z = {0.95: 1.959963984540054, 0.9: 1.6448536269514722}[level]
    assert found.value == k / n
    for end in {found.low, found.high} - {0.0, 1.0}:
        assert abs(k / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-12)


def test_wilson_by_hand():
    found = wilson(8, 10)
    assert (found.low, found.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    nothing = wilson(0, 0)
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (0.0, 0.0, 1.0, 0)
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0


@pytest.mark.parametrize(("k", "n", "level"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)])
def test_wilson_refuses_what_is_no_share(k: int, n: int, level: float):
    with pytest.raises(ValueError, match=r"share|level"):
        wilson(k, n, level)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value_and_mirrors(case: tuple[int, int]):
    k, n = case
    found, mirrored = wilson(k, n), wilson(n - k, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-12)


def test_copies_do_not_narrow_the_interval():
    hits = make_rng(0, "hits").random(400) < 0.8
    alone = wilson(int(hits.sum()), 400)
    groups = np.repeat(np.arange(400), 10)
    copied = accuracy_interval(np.repeat(hits, 10), groups)
    assert copied.method == "cluster-bootstrap"
    assert copied.n == 4000
    assert copied.value == alone.value
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert accuracy_interval(np.repeat(hits, 10)).high < copied.high


def test_images_of_their_own_get_wilsons_interval():
    found = accuracy_interval([1, 1, 0, 1], groups=[4, 2, 9, 1])
    assert found == wilson(3, 4)


def test_cluster_bootstrap_is_the_same_again_and_depends_on_the_seed():
    hits = make_rng(0, "hits").random(90) < 0.7
    groups = np.arange(90) // 3
    first = cluster_bootstrap(hits, groups, seed=1)
    assert first == cluster_bootstrap(hits, groups, seed=1)
    assert first != cluster_bootstrap(hits, groups, seed=2)
    order = make_rng(0, "order").permutation(90)
    assert first == cluster_bootstrap(hits[order], groups[order], seed=1)


def test_cluster_bootstrap_against_every_draw_of_three_groups():
    # Three groups of 2 images with 2, 1, 0 right: 27 draws, shares 0 and 1 once each.
    hits, groups = [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 2, 2]
    shares = sorted((a + b + c) / 6 for a in (2, 1, 0) for b in (2, 1, 0) for c in (2, 1, 0))
    found = cluster_bootstrap(hits, groups, draws=20_000, level=0.8)
    assert (found.low, found.high) == (shares[2], shares[24]) == (1 / 6, 5 / 6)


def test_cluster_bootstrap_without_spread_counts_a_group_as_one():
    found = cluster_bootstrap([1] * 12, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    assert (found.low, found.high) == (wilson(3, 3).low, 1.0)
    one = cluster_bootstrap([1, 0, 1, 1], [7, 7, 7, 7])
    assert one.low < one.value == 0.75 < one.high


def test_cluster_bootstrap_covers():
    covered = 0
    for case in range(200):
        generator = make_rng(case, "coverage")
        chance = generator.beta(8, 2, size=60)
        hits = generator.random((60, 5)) < chance[:, None]
        found = cluster_bootstrap(hits.ravel(), np.repeat(np.arange(60), 5), draws=400, seed=case)
        covered += found.low <= 0.8 <= found.high
    assert 180 <= covered <= 200


@given(TRUTHS, st.integers(0, 5))
@settings(max_examples=50)
def test_a_bootstrap_holds_its_value(hits: list[bool], seed: int):
    groups = np.arange(len(hits)) // 2
    found = cluster_bootstrap(hits, groups, draws=50, seed=seed)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_balanced_accuracy_by_hand():
    # Class 0: 3 of 4, class 1: 0 of 1; class 2 does not occur.
    assert balanced_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 2, 0]) == pytest.approx(0.375)
    assert balanced_accuracy([], []) == 0.0
    with pytest.raises(ValueError, match="3"):
        balanced_accuracy([0, 1, 1], [0, 1])


def test_log_loss_by_hand():
    table = [[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]]
    assert log_loss(table, [0, 1, 0]) == pytest.approx((math.log(2) - math.log(0.75)) / 3)
    assert log_loss(table[2:], [1]) == pytest.approx(-math.log(1e-12))
    assert log_loss(np.empty((0, 2)), []) == 0.0


def test_calibration_error_by_hand():
    # Sorted by confidence: 0.6 wrong, 0.7 right | 0.8 right, 0.9 right.
    table = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]]
    labels = [0, 0, 1, 0]
    by_hand = 0.5 * abs(0.65 - 0.5) + 0.5 * abs(0.85 - 1.0)
    assert expected_calibration_error(table, labels, bins=2) == pytest.approx(by_hand)
    assert expected_calibration_error(np.eye(3), [0, 1, 2]) == 0.0
    assert expected_calibration_error(np.eye(3), [1, 2, 0]) == 1.0
    assert expected_calibration_error(np.empty((0, 3)), []) == 0.0


def test_calibration_error_sees_overconfidence():
    generator = make_rng(0, "calibrated")
    truth = generator.random(20_000)
    honest = np.stack([truth, 1 - truth], axis=1)
    labels = (generator.random(20_000) > truth).astype(int)
    sure = softmax(np.log(honest), 0.5)
    assert expected_calibration_error(honest, labels) < 0.015
    assert expected_calibration_error(sure, labels) > 0.05


@given(arrays(np.float64, (7, 4), elements=st.floats(-500, 500)), st.floats(0.1, 10))
def test_softmax_rows_are_shares_in_the_order_of_the_scores(scores: np.ndarray, heat: float):
    table = softmax(scores, heat)
    assert table.dtype == np.float32
    assert np.allclose(table.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(table, softmax(scores + 3, heat), atol=1e-6)
    assert (table[np.arange(7), scores.argmax(axis=1)] == table.max(axis=1)).all()


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1 / 2), (3, 0, 1 / 16), (0, 3, 15 / 16), (5, 1, 4 / 64), (2, 2, 1 / 2), (4, 1, 7 / 64)],
)
def test_sign_test_by_hand(wins: int, losses: int, p: float):
    assert sign_test(wins, losses) == p


@given(st.integers(0, 300), st.integers(0, 300))
def test_sign_test_shares_one_between_both_sides(wins: int, losses: int):
    assert sign_test(wins, losses) + sign_test(losses, wins) == pytest.approx(1)
    assert sign_test(wins + 1, losses) <= sign_test(wins, losses)


def test_better_looks_only_where_the_two_differ():
    old = [1] * 50 + [0, 0, 0, 0, 1]
    new = [1] * 50 + [1, 1, 1, 1, 0]
    assert sign_test_better(new, old) == sign_test(4, 1)
    assert sign_test_better(old, new) == pytest.approx(1 - sign_test(4, 1))
    assert sign_test_better(old, old) == 0.5
    with pytest.raises(ValueError, match="same images"):
        sign_test_better([1, 0], [1])


def test_better_is_rarely_deceived_by_two_alike():
    deceived = 0
    for case in range(500):
        generator = make_rng(case, "alike")
        deceived += sign_test_better(generator.random(150) < 0.9, generator.random(150) < 0.9) < 0.1
    assert deceived / 500 < 0.13


def test_difference_of_shares_and_of_a_multiple():
    first, second = wilson(90, 100), wilson(80, 100)
    once, twice = share_difference(first, second), share_difference(first, second, times=2)
    # Newcombe 1998, method 10, by hand from Wilson's ends.
    down = math.hypot(0.9 - first.low, second.high - 0.8)
    assert once.value == pytest.approx(0.1)
    assert once.low == pytest.approx(0.1 - down)
    assert twice.value == pytest.approx(1.0)
    assert twice.low == pytest.approx(1.0 - math.hypot(2 * (0.9 - first.low), second.high - 0.8))
    assert twice.high == pytest.approx(1.0 + math.hypot(2 * (first.high - 0.9), 0.8 - second.low))
    assert share_difference(wilson(9, 9), wilson(0, 9), times=2).high == 2.0


def test_paired_difference():
    old = make_rng(0, "old").random(500) < 0.8
    new = old.copy()
    new[:50] = True
    gained = float((new & ~old).mean())
    found = paired_difference(new, old)
    assert found.value == pytest.approx(gained)
    assert 0 < found.low < gained < found.high
    assert found == paired_difference(new, old)
    still = paired_difference(old, old)
    assert (still.low, still.value, still.high) == (0, 0, 0)
    twice = paired_difference(np.repeat(new, 2), np.repeat(old, 2), np.repeat(np.arange(500), 2))
    assert twice.high - twice.low == pytest.approx(found.high - found.low, rel=0.2)


def test_folds_make_an_interval_half_as_wide_again():
    alone = wilson(70, 100)
    found = cross_validation_interval(alone, 5)
    assert (found.value, found.n, found.method) == (0.7, 100, "crossed-wilson")
    assert found.low == pytest.approx(0.7 - 1.5 * (0.7 - alone.low))
    assert found.high == pytest.approx(0.7 + 1.5 * (alone.high - 0.7))
    assert cross_validation_interval(wilson(1, 1), 5).low == 0.0
    assert cross_validation_interval(wilson(5, 5), 5).high == 1.0
    with pytest.raises(ValueError, match="1 folds"):
        cross_validation_interval(alone, 1)


def test_folds_are_said_by_the_score_alone_where_there_are_any():
    truth = np.arange(40) % 2
    guess = np.where(np.arange(40) < 8, 1 - truth, truth)
    predictions = Predictions(
        classes=("a", "b"),
        paths=tuple(map(str, range(40))),
        probabilities=np.eye(2, dtype=np.float32)[guess],
        truth=truth,
    )
    plain = score_predictions(predictions)
    crossed = score_predictions(predictions, evaluation="cross-validation", folds=5)
    assert plain is not None
    assert crossed is not None
    assert (plain.method, crossed.method) == ("wilson", "crossed-wilson")
    assert crossed.interval[0] < plain.interval[0] < 0.8 < plain.interval[1] < crossed.interval[1]


def test_a_group_is_one_witness_for_the_better_model():
    old = np.zeros(12, bool)
    new = np.array([True] * 10 + [False] * 2)
    groups = np.array([0] * 10 + [1, 2])
    assert sign_test_better(new, old) == sign_test(10, 0)
    assert sign_test_better(new, old, groups) == sign_test(1, 0)
    assert sign_test_better(old, new, groups) == pytest.approx(1 - sign_test(1, 0))


def test_balanced_weights_make_classes_weigh_the_same() -> None:
    labels = np.array([0, 0, 0, 2, 2, 3])
    weights = balanced_weights(labels)
    assert weights.mean() == pytest.approx(1)
    assert [weights[labels == k].sum() for k in (0, 2, 3)] == pytest.approx([2, 2, 2])


def _stated(n: int, off: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers of two classes whose stated probability is too high by `off`, and the truth."""
    generator = np.random.default_rng(seed)
    sure = generator.uniform(0.7, 0.95, n)
    right = generator.random(n) < sure - off
    return np.stack([sure, 1 - sure], axis=1), np.where(right, 0, 1)


@pytest.mark.parametrize("off", [0.0, 0.05, 0.2])
def test_the_interval_of_the_calibration_error_holds_the_truth(off: float) -> None:
    held = []
    for seed in range(40):
        low, high = intervals.calibration_interval(*_stated(300, off, seed), draws=200)
        held.append(low <= off <= high)
        assert 0 <= low <= high <= 1
    assert np.mean(held) >= 0.9


def test_a_large_calibration_error_is_told_from_none() -> None:
    assert intervals.calibration_interval(*_stated(2000, 0.2, 0))[0] > 0.1


def test_images_of_one_group_are_one_witness_of_the_calibration() -> None:
    table, truth = _stated(100, 0.1, 0)
    repeated = np.repeat(table, 10, axis=0), np.repeat(truth, 10)
    alone = intervals.calibration_interval(*repeated)
    together = intervals.calibration_interval(*repeated, np.repeat(np.arange(100), 10))
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    wider = intervals.calibration_interval(*repeated, folds=5)
    assert wider[1] >= alone[1]
    assert intervals.calibration_interval(table[:1], truth[:1]) == (0.0, 1.0)
