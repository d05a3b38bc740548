import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, r2_score

from striate.train.loss import OBJECTIVES, task_objective


def test_every_task_notes_batches_as_it_notes_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, 3, generator=generator)
    targets = {
        "label": torch.arange(40) % 3,
        "labels": (torch.rand(40, 3, generator=generator) < 0.3).float(),
        "number": torch.randn(40, 1, generator=generator),
    }
    for task, objective in OBJECTIVES.items():
        said = outputs[:, :1] if task == "number" else outputs
        parts = [objective.noted(said[k::4], targets[task][k::4]) for k in range(4)]
        whole = objective.measure(objective.noted(said, targets[task]))
        assert objective.measure(torch.cat(parts)) == pytest.approx(whole)
        assert 0 <= whole <= 1
        assert torch.isfinite(objective.loss(said, targets[task], 0.0, None))


def test_several_labels_are_measured_by_the_mean_average_precision_of_those_that_occur() -> None:
    rng = np.random.default_rng(1)
    scores, marks = rng.normal(size=(50, 3)), (rng.random((50, 3)) < (0.5, 0.2, 0.0)).astype(float)
    found = task_objective("labels")
    noted = found.noted(torch.from_numpy(scores), torch.from_numpy(marks).float())
    wanted = np.mean([average_precision_score(marks[:, k], scores[:, k]) for k in range(2)])
    assert found.measure(noted) == pytest.approx(wanted, abs=1e-6)


def test_a_number_is_measured_by_r_squared_and_never_below_zero() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(30, 1)).astype(np.float32)
    said = truth + 0.3 * rng.normal(size=(30, 1)).astype(np.float32)
    found = task_objective("number")
    noted = found.noted(torch.from_numpy(said), torch.from_numpy(truth))
    assert found.measure(noted) == pytest.approx(r2_score(truth, said), abs=1e-5)
    assert found.measure(found.noted(torch.from_numpy(-9 * truth), torch.from_numpy(truth))) == 0
