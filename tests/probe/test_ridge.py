"""Leave-one-out and leave-one-group-out against fits that truly leave them out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.errors import ModelError, SourceError
from striate.metrics.intervals import log_loss, softmax
from striate.probe import leave_one_out as leaving
from striate.probe import spectrum
from striate.probe.ridge import fit_ridge_path, prepare_ridge
from striate.values.seeds import make_rng

CLASSES = 4


def features(count: int, dimensions: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray]:
    """Features of unequal spread and offset that tell something of the class."""
    generator = make_rng(seed, "features")
    labels = generator.integers(0, CLASSES, count)
    centres = generator.normal(size=(CLASSES, dimensions))
    table = centres[labels] + 2 * generator.normal(size=(count, dimensions))
    table = table * generator.uniform(0.1, 5, dimensions) + generator.uniform(-3, 3, dimensions)
    return table.astype(np.float32), labels


def left_out(
    table: NDArray[np.float32], labels: NDArray, groups: NDArray, alpha: float
) -> NDArray[np.float64]:
    """Scores of every group by a fit on the others, the long way."""
    scaled = (table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)) / table.std(
        axis=0, dtype=np.float64
    ).astype(np.float32)
    targets = np.eye(CLASSES)[labels]
    scores = np.empty((len(labels), CLASSES))
    for group in np.unique(groups):
        rest = groups != group
        mean, share = scaled[rest].mean(axis=0), targets[rest].mean(axis=0)
        centred = scaled[rest] - mean
        weights = np.linalg.solve(
            centred.T @ centred + alpha * np.eye(table.shape[1]),
            centred.T @ (targets[rest] - share),
        )
        scores[~rest] = share + (scaled[~rest] - mean) @ weights
    return scores


@pytest.mark.parametrize(("count", "dimensions"), [(60, 12), (40, 90), (30, 30)])
@pytest.mark.parametrize("grouped", [False, True])
def test_leaving_out_in_closed_form_is_leaving_out(count: int, dimensions: int, grouped: bool):
    table, labels = features(count, dimensions)
    groups = make_rng(0, "groups").integers(0, count // 3, count) if grouped else np.arange(count)
    fit = fit_ridge_path(table, labels, CLASSES, groups if grouped else None)
    for alpha, error in zip(fit.alphas, fit.loo_errors, strict=True):
        true = left_out(table, labels, groups, alpha)
        assert error == pytest.approx(np.square(true - np.eye(CLASSES)[labels]).sum() / count)
    assert fit.alpha == fit.alphas[fit.loo_errors.argmin()]
    assert np.allclose(fit.loo_scores, left_out(table, labels, groups, fit.alpha), atol=1e-6)


@pytest.mark.parametrize(("count", "dimensions"), [(60, 12), (40, 90)])
def test_a_large_group_leaves_as_exactly_as_a_small_one(count: int, dimensions: int):
    table, labels = features(count, dimensions)
    groups = np.zeros(count, np.int64)
    groups[: count // 4] = np.arange(count // 4) // 2 + 1
    fit = fit_ridge_path(table, labels, CLASSES, groups)
    for alpha, error in zip(fit.alphas, fit.loo_errors, strict=True):
        true = left_out(table, labels, groups, alpha)
        assert error == pytest.approx(np.square(true - np.eye(CLASSES)[labels]).sum() / count)
    assert np.allclose(fit.loo_scores, left_out(table, labels, groups, fit.alpha), atol=1e-6)


@pytest.mark.parametrize(("count", "dimensions"), [(60, 12), (40, 90)])
def test_weights_solve_the_normal_equations(count: int, dimensions: int):
    table, labels = features(count, dimensions)
    fit = fit_ridge_path(table, labels, CLASSES, alphas=(3.0,))
    scaled = (table.astype(np.float64) - fit.shift) / fit.scale
    residuals = np.eye(CLASSES)[labels] - fit.scores(table)
    # The gradient of the squared error and the penalty is zero; so is that of the intercept.
    assert np.allclose(scaled.T @ residuals, 3.0 * fit.weights, atol=1e-3)
    assert np.allclose(residuals.sum(axis=0), 0, atol=1e-4)


def test_both_ways_to_the_solution_agree():
    table, labels = features(50, 40)
    wide = np.hstack([table, table])
    # Every feature twice is every feature once with half the penalty.
    narrow = fit_ridge_path(table, labels, CLASSES, alphas=(5.0,))
    double = fit_ridge_path(wide, labels, CLASSES, alphas=(10.0,))
    assert np.allclose(narrow.loo_scores, double.loo_scores, atol=1e-5)
    assert np.allclose(narrow.scores(table), double.scores(wide), atol=1e-5)


@pytest.mark.parametrize("count", [80, 30])
def test_columns_of_a_prepared_table_are_a_table_of_their_own(count: int):
    table, labels = features(count, 50)
    groups = np.arange(count) // 2
    columns = np.r_[3:9, 20:45]
    part = prepare_ridge(table, labels, CLASSES, groups).fit(columns)
    alone = fit_ridge_path(table[:, columns], labels, CLASSES, groups)
    assert part.alpha == pytest.approx(alone.alpha)
    assert np.allclose(part.loo_scores, alone.loo_scores, atol=1e-6)
    assert np.allclose(part.weights, alone.weights, atol=1e-6)


def test_copies_vouch_for_each_other_unless_grouped():
    generator = make_rng(0, "copies")
    table = np.repeat(generator.normal(size=(40, 60)), 3, axis=0)
    table += 0.01 * generator.normal(size=table.shape)
    labels = np.repeat(generator.integers(0, 2, 40), 3)
    groups = np.repeat(np.arange(40), 3)
    alone = fit_ridge_path(table.astype(np.float32), labels, 2)
    together = fit_ridge_path(table.astype(np.float32), labels, 2, groups)
    assert (alone.loo_scores.argmax(axis=1) == labels).mean() > 0.95
    assert (together.loo_scores.argmax(axis=1) == labels).mean() < 0.75


def test_order_of_the_images_changes_nothing():
    table, labels = features(70, 20)
    groups = np.arange(70) // 2
    order = make_rng(0, "order").permutation(70)
    one = fit_ridge_path(table, labels, CLASSES, groups)
    other = fit_ridge_path(table[order], labels[order], CLASSES, groups[order])
    assert np.allclose(one.loo_scores[order], other.loo_scores, atol=1e-6)
    assert np.allclose(one.weights, other.weights, atol=1e-6)


def test_unit_and_offset_of_a_feature_do_not_matter():
    table, labels = features(60, 15)
    moved = (table * np.float32(8) + np.float32(2)).astype(np.float32)
    one, other = fit_ridge_path(table, labels, CLASSES), fit_ridge_path(moved, labels, CLASSES)
    assert np.allclose(one.loo_scores, other.loo_scores, atol=1e-5)


def test_features_of_a_block_share_a_scale():
    table, labels = features(60, 15)
    fit = fit_ridge_path(table, labels, CLASSES, widths=(5, 10))
    spread = table.std(axis=0, dtype=np.float64)
    assert np.allclose(fit.scale[:5], np.sqrt(np.mean(spread[:5] ** 2)), rtol=1e-6)
    assert np.allclose(fit.scale[5:], np.sqrt(np.mean(spread[5:] ** 2)), rtol=1e-6)
    # The unit of a whole block does not matter; that of one of its features does.
    larger = table.copy()
    larger[:, :5] *= 16
    moved = fit_ridge_path(larger, labels, CLASSES, widths=(5, 10))
    assert np.allclose(fit.loo_scores, moved.loo_scores, atol=1e-5)
    larger[:, 0] *= 16
    moved = fit_ridge_path(larger, labels, CLASSES, widths=(5, 10))
    assert not np.allclose(fit.loo_scores, moved.loo_scores, atol=1e-2)


def test_in_blocks_it_is_the_same(monkeypatch: pytest.MonkeyPatch):
    table, labels = features(100, 20)
    groups = make_rng(0, "groups").integers(0, 30, 100)
    whole = fit_ridge_path(table, labels, CLASSES, groups)
    monkeypatch.setattr(spectrum, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(leaving, "ROWS_AT_ONCE", 7)
    blocks = fit_ridge_path(table, labels, CLASSES, groups)
    assert np.allclose(whole.loo_errors, blocks.loo_errors)
    assert np.allclose(whole.loo_scores, blocks.loo_scores, atol=1e-6)
    assert np.allclose(whole.scores(table), blocks.scores(table), atol=1e-5)


def test_many_images_are_judged_by_some(monkeypatch: pytest.MonkeyPatch):
    table, labels = features(2000, 20)
    whole = fit_ridge_path(table, labels, CLASSES)
    monkeypatch.setattr(leaving, "_MOST_JUDGES", 500)
    monkeypatch.setattr(leaving, "_LEAST_JUDGES", 100)
    some = fit_ridge_path(table, labels, CLASSES)
    assert not np.array_equal(some.loo_errors, whole.loo_errors)
    assert np.allclose(some.loo_errors, whole.loo_errors, rtol=0.1)
    assert len(some.loo_scores) == 2000


def test_the_same_bytes_again():
    table, labels = features(300, 120)
    one, other = (
        fit_ridge_path(table, labels, CLASSES),
        fit_ridge_path(table.copy(), labels, CLASSES),
    )
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.loo_scores.tobytes() == other.loo_scores.tobytes()
    assert one.temperature == other.temperature


def test_noise_is_not_learnt():
    generator = make_rng(0, "noise")
    table = generator.normal(size=(200, 400)).astype(np.float32)
    labels = generator.integers(0, CLASSES, 200)
    fit = fit_ridge_path(table, labels, CLASSES)
    table_NK = softmax(fit.loo_scores, fit.temperature)
    assert log_loss(table_NK, labels) < np.log(CLASSES) + 0.05
    assert table_NK.max() < 0.6


@pytest.mark.parametrize("constant", [0.0, 7.25])
def test_constant_features_say_the_share_of_each_class(constant: float):
    labels = np.array([0, 0, 0, 1])
    fit = fit_ridge_path(np.full((4, 3), constant, np.float32), labels, 2)
    assert np.allclose(fit.scores(np.full((1, 3), constant, np.float32)), [[0.75, 0.25]])
    # Without a row of class 0, two of three are left.
    assert np.allclose(fit.loo_scores[0], [2 / 3, 1 / 3])


def test_a_class_of_one_image_and_one_of_none():
    table, labels = features(30, 8)
    labels[labels == 3] = 0
    labels[5] = 3
    fit = fit_ridge_path(table, labels, 6)
    assert np.isfinite(fit.loo_scores).all()
    assert np.allclose(fit.scores(table)[:, 4:], 0, atol=1e-6)
    # The image that is left out took its class with it.
    assert np.allclose(fit.loo_scores[5, 3], 0, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(bad: float):
    table, labels = features(10, 4)
    table[3, 2] = bad
    with pytest.raises(ModelError, match="1 of the network's 4 features"):
        fit_ridge_path(table, labels, CLASSES)


def test_one_group_cannot_judge_itself():
    table, labels = features(10, 4)
    with pytest.raises(SourceError, match="10 training images belong to one group"):
        fit_ridge_path(table, labels, CLASSES, np.zeros(10, np.int64))


@given(st.integers(0, 1000), st.integers(6, 30), st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_leaving_out_is_right_for_any_shape(seed: int, count: int, dimensions: int, most: int):
    table, labels = features(count, dimensions, seed)
    groups = make_rng(seed, "groups").integers(0, most * 5, count)
    if len(np.unique(groups)) < 2:
        groups[0] = -1
    fit = fit_ridge_path(table, labels, CLASSES, groups, alphas=(2.0,))
    assert np.allclose(fit.loo_scores, left_out(table, labels, groups, 2.0), atol=1e-4)


@pytest.mark.parametrize(("count", "dimensions"), [(60, 12), (40, 90)])
@pytest.mark.parametrize("grouped", [False, True])
def test_an_image_of_weight_two_is_two_images(count: int, dimensions: int, grouped: bool):
    table, labels = features(count, dimensions)
    groups = np.arange(count) // (7 if grouped else 1)
    weights = np.where(labels == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(count), weights.astype(int))
    share = weights / weights.mean()
    alpha = 3.0
    # The scale is that of the images as they are, so it is given; the penalty counts as N does.
    scale = fit_ridge_path(table, labels, CLASSES).scale
    scaled = (table / scale).astype(np.float32)
    path = prepare_ridge(scaled, labels, CLASSES, groups, [dimensions], share)
    fit = path.fit(alphas=(alpha,))
    block = float(fit.scale[0])
    long = np.empty((count, CLASSES))
    for group in np.unique(groups):
        rows = twice[groups[twice] != group]
        x, y = scaled[rows].astype(np.float64) / block, np.eye(CLASSES)[labels[rows]]
        mean, middle = x.mean(axis=0), y.mean(axis=0)
        solved = np.linalg.solve(
            (x - mean).T @ (x - mean) + alpha * weights.mean() * np.eye(dimensions),
            (x - mean).T @ (y - middle),
        )
        out = groups == group
        long[out] = middle + (scaled[out] / block - mean) @ solved
    assert np.allclose(fit.loo_scores, long, atol=1e-4)
