"""The ladder of a run: its rungs, the chosen one as the headline has it, folds held apart."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made

import striate
from striate.probe.features import FeatureTable
from striate.probe.stage_probes import probe_taps
from striate.stages import baseline_models as ladder_stage
from striate.values import Ladder, Options, Rows, Values


def course_of(values: Values) -> Any:
    split = values.split
    judges = split.train if split.folds is not None else split.test
    return ladder_stage._Comparison(
        index=values.index,
        split=split,
        cache=values.cache,
        machine=values.machine,
        labels=values.index.labels(),
        learners=split.train,
        judges=judges,
        seed=0,
        sizes=(),
    )


def test_a_run_has_its_ladder(small_run: Path) -> None:
    run = striate.load(small_run)
    found: Ladder = run.read("ladder.json")
    assert [rung.name for rung in found.rungs] == ["majority", "shallow", "random", "chosen"]
    assert run.summary.test is not None
    chosen = found.rungs[-1].accuracy
    assert chosen.value == run.summary.test.value
    assert (chosen.low, chosen.high) == run.summary.test.interval
    assert {rung.accuracy.n for rung in found.rungs} == {run.summary.test.n}
    assert len({rung.train_images for rung in found.rungs}) == 1
    for rung in found.rungs[:-1]:
        assert rung.difference is not None
        assert rung.difference.value == pytest.approx(chosen.value - rung.accuracy.value)
    # Red and green are told apart by their colours alone, not by the commonest class.
    assert found.rungs[1].accuracy.value > 0.9 > found.rungs[0].accuracy.value


def test_what_the_time_does_not_allow_is_left_out(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = striate.load(small_run)
    values = made.values(images=60, set_aside=0)
    monkeypatch.setattr(run, "clock", SimpleNamespace(remaining=lambda: 1.0))
    found = ladder_stage.measure_baselines(run, values)
    assert [rung.name for rung in found.rungs] == ["majority", "chosen"]
    assert found.left_out[:2] == ("shallow", "random")


@pytest.mark.parametrize("evaluation", ["test-split", "cross-validation"])
def test_no_image_is_judged_by_a_model_that_saw_it(
    evaluation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = made.values(images=60, evaluation=evaluation, set_aside=0)
    course = course_of(values)
    learnt: list[Rows] = []

    class Fit:
        def scores(self, features: np.ndarray) -> np.ndarray:
            assert not set(features[:, 0]) & set(learnt[-1])
            return np.eye(3)[values.index.labels()[features[:, 0].astype(int)]]

    def fit(features: np.ndarray, labels: Rows, *_: Any, **__: Any) -> Fit:
        assert (labels == values.index.labels()[features[:, 0].astype(int)]).all()
        learnt.append(features[:, 0])
        return Fit()

    monkeypatch.setattr(ladder_stage, "fit_ridge_path", fit)
    right = ladder_stage._cross_validated_hits(
        course, course.learners, lambda rows: rows[:, None].astype(float), (1,)
    )
    assert right.all()
    assert len(learnt) == (5 if evaluation == "cross-validation" else 1)


def table_of(values: Values, rows: Rows) -> FeatureTable:
    """A first stage that says nothing, and a last one that tells the class."""
    draw = np.random.default_rng(0)
    labels = values.index.labels()[rows]
    noise = draw.normal(0, 1, (len(rows), 16))
    telling = np.eye(len(values.index.classes))[labels] + draw.normal(0, 0.1, (len(rows), 3))
    return FeatureTable(
        rows=rows,
        taps=(made.TAPS[0], made.TAPS[-1]),
        widths=(16, 3),
        values=np.concatenate([noise, telling], axis=1).astype(np.float32),
        seconds=1.0,
    )


class Held:
    """A run that holds one table of features."""

    def __init__(self, table: FeatureTable, weights: str | None = None) -> None:
        self.table, self.record = table, SimpleNamespace(settings=Options(weights=weights))

    def read(self, name: str, *_: Any) -> FeatureTable:
        assert name == "features.npz"
        return self.table


@pytest.mark.parametrize("evaluation", ["test-split", "cross-validation"])
def test_the_pretrained_rung_reads_the_features_that_are_there(evaluation: Any) -> None:
    values = made.values(images=90, evaluation=evaluation, set_aside=0)
    run: Any = Held(table_of(values, values.index.used()))
    best = replace(values.evidence.probes[3], name="top", taps=(made.TAPS[-1],))
    evidence = replace(values.evidence, probes=(best,), best_probe="top")
    rung, _ = ladder_stage._pretrained_rung(run, course_of(values), evidence)
    judges = values.split.train if evaluation == "cross-validation" else values.split.test
    assert rung.name == "pretrained"
    assert rung.accuracy.n == len(judges)
    assert rung.accuracy.value > 0.95
    assert rung.dimensions in (3, 19)
    # Reading the learners' features was part of what it costs.
    assert rung.seconds >= len(values.split.train) / len(run.table.rows)


def test_taps_are_chosen_without_the_images_of_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    values = made.values(images=60, evaluation="cross-validation", set_aside=0)
    folds = values.split.folds
    assert folds is not None
    chosen: list[set[int]] = []

    def probed(table: Any, labels: Rows, classes: int, learners: Rows, *rest: Any) -> Any:
        chosen.append({int(folds[row]) for row in learners})
        return probe_taps(table, labels, classes, learners, *rest)

    monkeypatch.setattr(ladder_stage, "probe_taps", probed)
    run: Any = Held(table_of(values, values.index.used()))
    # What the whole set chose is a stage that says nothing: no fold may rest on it.
    poor = replace(values.evidence.probes[0], name="poor", taps=(made.TAPS[0],))
    evidence = replace(values.evidence, probes=(poor,), best_probe="poor")
    rung, _ = ladder_stage._pretrained_rung(run, course_of(values), evidence)
    assert [len(seen) for seen in chosen] == [4] * 5
    assert rung.accuracy.value > 0.95


def test_images_that_only_judge_are_read_by_the_same_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = made.values(images=60, set_aside=0)
    every = np.sort(np.concatenate([values.split.train, values.split.val]))
    asked: list[Rows] = []

    def read(network: Any, cache: Any, rows: Rows, spec: Any, machine: Any) -> FeatureTable:
        asked.append(rows)
        return table_of(values, rows)

    monkeypatch.setattr(ladder_stage, "extract_features", read)
    monkeypatch.setattr(ladder_stage, "tapped_spec", lambda *_: None)
    monkeypatch.setattr(
        ladder_stage, "build_network", lambda *_: SimpleNamespace(eval=lambda: None)
    )
    run: Any = Held(table_of(values, every))
    best = replace(values.evidence.probes[3], name="top", taps=(made.TAPS[-1],))
    evidence = replace(values.evidence, probes=(best,), best_probe="top")
    rung, _ = ladder_stage._pretrained_rung(run, course_of(values), evidence)
    assert [list(rows) for rows in asked] == [sorted(values.split.test)]
    assert rung.accuracy.value > 0.9


def test_with_time_all_models_learn_from_the_same_images_and_are_compared_in_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = made.values(images=1000, size=8, set_aside=0, leaked=0)
    ladder = ladder_of(values, 1e6, monkeypatch)
    assert {rung.train_images for rung in ladder.rungs} == {len(learners_of(values))}
    assert not any(rung.curve for rung in ladder.rungs)
    chosen = ladder.rungs[-1]
    for rung in ladder.rungs[:-1]:
        assert rung.difference is not None
        assert rung.difference.n == chosen.accuracy.n == rung.accuracy.n
        assert rung.difference.method == "paired-bootstrap"
        gain = chosen.accuracy.value - rung.accuracy.value
        assert rung.difference.value == pytest.approx(gain)
        assert rung.difference.low <= gain <= rung.difference.high


def test_without_time_nothing_is_concluded_across_numbers_of_training_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = made.values(images=1000, size=8, set_aside=0, leaked=0)
    monkeypatch.setattr(ladder_stage, "PILOT", 100)
    ladder = ladder_of(values, 5.0, monkeypatch)
    shallow = ladder.rungs[1]
    assert shallow.train_images == 100 < ladder.rungs[-1].train_images
    assert [point.train_images for point in shallow.curve] == [100]
    assert shallow.difference is None
    # What was trained on fewer images is still evaluated on the same ones.
    assert len({rung.accuracy.n for rung in ladder.rungs}) == 1


def learners_of(values: Values) -> Rows:
    return np.concatenate([values.split.train, values.split.val])


def ladder_of(values: Values, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    """The ladder with some seconds left, on pixels in the place of a network's features."""
    pixels = values.cache.images.reshape(len(values.cache.images), -1) / np.float32(255)

    def read(rows: Rows) -> tuple[np.ndarray, tuple[int, ...]]:
        return pixels[rows], (pixels.shape[1],)

    monkeypatch.setattr(ladder_stage, "shallow_features", lambda _, rows: read(rows))
    monkeypatch.setattr(ladder_stage, "_random_network_rung", lambda *_: None)
    monkeypatch.setattr(ladder_stage, "_network_features", lambda *_: read)
    run: Any = SimpleNamespace(
        clock=SimpleNamespace(remaining=lambda: seconds),
        record=SimpleNamespace(seed=0, stages={"learn": 1.0}),
    )
    return ladder_stage.measure_baselines(run, replace(values, evidence=None))
