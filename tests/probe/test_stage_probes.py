"""Probes on made-up stages, where it is known which stage tells the classes apart."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.metrics.intervals import wilson
from striate.probe.features import FeatureTable
from striate.probe.stage_probes import choose_best_probe, fit_taps, gather_probes, probe_taps
from striate.values import Interval, Probe, Rows, Tap
from striate.values.seeds import make_rng

STAGES = {"blocks.1": 0.2, "blocks.2": 3.0, "top": 0.5}
TAPS = (
    *(
        Tap(stage=stage, pool=pool)
        for stage in ("blocks.1", "blocks.2")
        for pool in ("mean", "max")
    ),
    Tap(stage="top", pool="mean"),
)
WIDTH = 12


def table(count: int = 120, classes: int = 3, seed: int = 0) -> tuple[FeatureTable, Rows]:
    """Features of index rows 5, 7, 9, ...; each stage tells the classes apart as `STAGES` says."""
    generator = make_rng(seed, "table")
    labels = np.full(2 * count + 5, -1, np.int64)
    rows = np.arange(5, 2 * count + 5, 2)
    labels[rows] = np.arange(count) % classes
    parts = [
        STAGES[tap.stage] * generator.normal(size=(classes, WIDTH))[labels[rows]]
        + generator.normal(0, 2, (count, WIDTH))
        for tap in TAPS
    ]
    values = np.hstack(parts).astype(np.float32)
    widths = (WIDTH,) * len(TAPS)
    return FeatureTable(rows=rows, taps=TAPS, widths=widths, values=values, seconds=1.0), labels


def test_every_stage_and_their_unions_are_probed():
    features, labels = table()
    train, val = features.rows[:90], features.rows[90:]
    found = probe_taps(features, labels, 3, train, val)
    assert {probe.name: probe.dimensions for probe in found.probes} == {
        "blocks.1": 24,
        "blocks.2": 24,
        "top": 12,
        "taps": 48,
        "all": 60,
    }
    assert found.probes[-1].taps == TAPS
    accuracy = {probe.name: probe.loo_accuracy.value for probe in found.probes}
    assert accuracy["blocks.2"] > accuracy["blocks.1"]
    assert "blocks.2" in {tap.stage for tap in found.best.taps}
    assert {probe.loo_accuracy.n for probe in found.probes} == {90}
    assert {probe.val_accuracy.n for probe in found.probes if probe.val_accuracy} == {30}


def test_the_best_probe_is_the_first_model():
    features, labels = table()
    train, val = features.rows[:90], features.rows[90:]
    found = probe_taps(features, labels, 3, train, val)
    assert np.array_equal(found.columns, features.columns(found.best.taps))
    alone = fit_taps(features, found.best.taps, train, labels, 3)
    assert np.allclose(alone.weights, found.fit.weights, atol=1e-6)
    assert found.best.alpha == found.fit.alpha
    assert found.best.temperature == found.fit.temperature
    right = found.val_scores.argmax(axis=1) == labels[val]
    assert found.best.val_accuracy == wilson(int(right.sum()), 30)


def test_validation_only_looks_on():
    features, labels = table()
    train, val = features.rows[:90], features.rows[90:]
    found = probe_taps(features, labels, 3, train, val)
    other = labels.copy()
    other[val] = (labels[val] + 1) % 3
    blind = probe_taps(features, other, 3, train, val)
    assert np.array_equal(found.fit.weights, blind.fit.weights)
    assert found.best.name == blind.best.name
    assert found.best.val_accuracy != blind.best.val_accuracy


def test_without_validation_there_is_no_validation():
    features, labels = table()
    found = probe_taps(features, labels, 3, features.rows, features.rows[:0])
    assert found.best.val_accuracy is None
    assert found.best.val_log_loss is None
    assert found.val_scores.shape == (0, 3)


def test_copies_in_a_group_do_not_vouch_for_each_other():
    features, labels = table(count=60)
    generator = make_rng(0, "noise")
    noise = generator.normal(size=(20, 60)).astype(np.float32)
    features = replace(features, values=np.repeat(noise, 3, axis=0))
    labels[features.rows] = np.repeat(generator.integers(0, 3, 20), 3)
    groups = np.full(len(labels), -1, np.int64)
    groups[features.rows] = np.repeat(np.arange(20), 3)
    none = features.rows[:0]
    alone = probe_taps(features, labels, 3, features.rows, none)
    grouped = probe_taps(features, labels, 3, features.rows, none, groups)
    assert alone.best.loo_accuracy.value == 1.0
    assert grouped.best.loo_accuracy.value < 0.7
    assert grouped.best.loo_accuracy.method == "cluster-bootstrap"


def test_a_net_of_one_stage_has_one_probe():
    features, labels = table()
    top = replace(features, taps=TAPS[-1:], widths=(WIDTH,), values=features.values[:, -WIDTH:])
    found = probe_taps(top, labels, 3, features.rows, features.rows[:0])
    assert [probe.name for probe in found.probes] == ["top"]


def candidate(name: str, loss: float) -> Probe:
    return Probe(
        name=name,
        taps=(),
        dimensions=1,
        alpha=1.0,
        temperature=1.0,
        loo_accuracy=Interval(value=0, low=0, high=1, n=0),
        loo_log_loss=loss,
        val_accuracy=None,
        val_log_loss=None,
        seconds=0,
    )


def hits(right: range) -> NDArray[np.bool_]:
    found = np.zeros(100, bool)
    found[right.start : right.stop] = True
    return found


@pytest.mark.parametrize(
    ("second", "loss", "chosen"),
    [
        (hits(range(0, 90)), 0.9, 0),  # as accurate, more loss
        (hits(range(0, 90)), 0.1, 1),  # as accurate, less loss
        (hits(range(0, 89)), 0.1, 1),  # one image less: within an error of 1
        (hits(range(0, 80)), 0.1, 0),  # ten images less, none gained: told apart
        (hits(range(15, 100)), 0.1, 1),  # five less of 25 that differ: an error of 5
        (hits(range(16, 100)), 0.1, 0),  # six less of 26 that differ
    ],
)
def test_among_equals_the_least_loss(second: NDArray[np.bool_], loss: float, chosen: int):
    probes = [candidate("one", 0.5), candidate("two", loss)]
    assert choose_best_probe(probes, [hits(range(0, 90)), second]) == chosen
    assert choose_best_probe(probes[::-1], [second, hits(range(0, 90))]) == 1 - chosen


def test_a_group_that_differs_is_one_difference():
    probes = [candidate("one", 0.5), candidate("two", 0.1)]
    both = [hits(range(0, 90)), hits(range(0, 80))]
    assert choose_best_probe(probes, both) == 0
    groups = np.arange(100) // 10
    assert choose_best_probe(probes, both, groups) == 1


def test_evidence_counts_training_images():
    features, labels = table(count=100, classes=4)
    train, val = features.rows[:90], features.rows[90:]
    found = gather_probes(
        probe_taps(features, labels, 4, train, val),
        labels=labels,
        train_rows=train,
        val_rows=val,
        classes=("a", "b", "c", "d", "e"),
        net="made-up",
        input_size=224,
        image_size=48,
        channels=3,
        speeds={"features": 300.0},
    )
    assert found.images_per_class == (23, 23, 22, 22, 0)
    assert found.majority == pytest.approx(23 / 90)
    assert found.val_images == 10
    assert found.best_probe in {probe.name for probe in found.probes}


def test_evidence_without_a_network():
    _, labels = table()
    rows = np.arange(5, 20, 2)
    found = gather_probes(
        None,
        labels=labels,
        train_rows=rows,
        val_rows=rows[:0],
        classes=("a", "b", "c"),
        net="",
        input_size=0,
        image_size=48,
        channels=3,
        speeds={},
    )
    assert (found.probes, found.best_probe) == ((), "")


def test_one_stage_alone_is_never_the_best():
    features, labels = table(count=12)
    for seed in range(8):
        noise = make_rng(seed, "noise").normal(size=features.values.shape).astype(np.float32)
        found = probe_taps(
            replace(features, values=noise), labels, 3, features.rows, features.rows[:0]
        )
        assert found.best.name in ("top", "taps", "all")
