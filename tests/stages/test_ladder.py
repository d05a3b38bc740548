"""The ladder of a run: its rungs, the chosen one as the headline has it, folds held apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import made

import striate
from striate.stages import ladder as ladder_stage
from striate.values import Ladder, Rows


def test_a_run_has_its_ladder(small_run: Path) -> None:
    run = striate.load(small_run)
    found: Ladder = run.read("ladder.json")
    assert [rung.name for rung in found.rungs] == ["majority", "shallow", "random", "chosen"]
    assert run.summary.test is not None
    chosen = found.rungs[-1].accuracy
    assert chosen.value == run.summary.test.value
    assert (chosen.low, chosen.high) == run.summary.test.interval
    assert {rung.accuracy.n for rung in found.rungs} == {run.summary.test.n}
    # Red and green are told apart by their colours alone, not by the commonest class.
    assert found.rungs[1].accuracy.value > 0.9 > found.rungs[0].accuracy.value


@pytest.mark.parametrize("evaluation", ["test-split", "cross-validation"])
def test_no_image_is_judged_by_a_model_that_saw_it(
    evaluation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = made.values(images=60, evaluation=evaluation, set_aside=0)
    split = values.split
    judges = split.train if split.folds is not None else split.test
    course = ladder_stage._Course(
        index=values.index,
        split=split,
        cache=values.cache,
        machine=values.machine,
        labels=values.index.labels(),
        learners=split.train,
        judges=judges,
        seed=0,
    )
    learnt: list[Rows] = []

    class Fit:
        def scores(self, features: np.ndarray) -> np.ndarray:
            assert not set(features[:, 0]) & set(learnt[-1])
            return np.eye(3)[values.index.labels()[features[:, 0].astype(int)]]

    def fit(features: np.ndarray, labels: Rows, *_: Any, **__: Any) -> Fit:
        assert (labels == values.index.labels()[features[:, 0].astype(int)]).all()
        learnt.append(features[:, 0])
        return Fit()

    monkeypatch.setattr(ladder_stage, "fit_path", fit)
    right = ladder_stage._judged(course, lambda rows: rows[:, None].astype(float), (1,))
    assert right.all()
    assert len(learnt) == (5 if evaluation == "cross-validation" else 1)
