"""Cross-validation: every image judged once, by a procedure that did not see it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made
from tests.learn.made_context import whole_context

from striate.learn import cross_validation
from striate.learn.context import FitContext
from striate.learn.in_memory import _MemoryCache
from striate.values import Cache, TrainingOptions


def test_every_image_is_judged_once_by_a_model_that_did_not_see_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    values = made.values(classes=3)
    rows = np.arange(0, 40, 2)
    folds = np.full(60, -1)
    folds[rows] = np.arange(len(rows)) % 5
    seen: list[set[int]] = []

    def learn(context: FitContext) -> Any:
        mine = {int(row) for row in context.data.train}
        seen.append(mine)

        def judged(images: Any, asked: np.ndarray) -> np.ndarray:
            assert not mine & {int(row) for row in asked}
            assert mine | {int(row) for row in asked} == set(rows.tolist())
            return np.stack([np.full(3, row, np.float32) for row in asked])

        return SimpleNamespace(table=None, classifier=SimpleNamespace(probabilities=judged))

    monkeypatch.setattr(cross_validation, "fit_model", learn)
    context = whole_context(
        index=values.index,
        cache=Cache(images=np.zeros((60, 4, 4, 1), np.uint8), path=""),
        train=rows,
        val=rows[:0],
        groups=np.arange(60),
        feature_rows=rows,
        options=TrainingOptions(),
        machine=values.machine,
        given_plan=None,
        checkpoints=tmp_path,
        keep=_MemoryCache(),
        publish=lambda name, value: pytest.fail("a fold must not publish"),
        minutes=1.0,
        seconds_left=lambda: 10.0,
        judge_images=0,
        usable=lambda classifier: None,
        watch=lambda progress: None,
    )
    found = cross_validation.cross_validate(context, folds)
    assert found[:, 0].tolist() == rows.tolist()
    assert len(seen) == 5
