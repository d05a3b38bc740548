"""More minutes never make a run worse on the images that choose."""

from pathlib import Path

import numpy as np
import torch
from tests import made
from tests.predict.test_model_files import MODEL

from striate.predict.model_files import read_model, write_model
from striate.run import Run
from striate.stages.improve import explain_no_change, restore_better_earlier, set_earlier_aside
from striate.store.files import array_codec
from striate.values import History

TRUTH = np.array([0, 1, 2, 0])


def said(*classes: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[list(classes)]


def put_model(run: Run, weight: float) -> None:
    write_model(run.model, MODEL, {"weight": torch.full((2, 3), weight)})


def weight_of(run: Run) -> float:
    return float(read_model(run.model)[1]["weight"][0, 0])


def finished(folder: Path, val: np.ndarray) -> Run:
    """A run that was finished once, with these probabilities of its validation images."""
    values = made.values(classes=3)
    run = Run.open(
        "made", values.options.__class__(out=str(folder)), command="striate", source_address="x"
    )
    put_model(run, 1.0)
    run.write("plan.json", values.plan)
    run.write("history.csv", History(epochs=(), kept_epoch=0, train_images=9, val_images=4))
    run.write("predictions.csv", values.predictions)
    run.write("val.npy", val, array_codec())
    run.finish(values.summary)
    return run


def test_a_first_round_has_nothing_to_put_by(tmp_path: Path) -> None:
    options = made.values(classes=3).options.__class__(out=str(tmp_path / "run"))
    run = Run.open("made", options, command="striate", source_address="x")
    assert set_earlier_aside(run) is None


def test_fewer_right_than_before_puts_the_earlier_model_back(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", said(0, 1, 2, 0))
    earlier = set_earlier_aside(run)
    assert earlier is not None
    put_model(run, 2.0)
    run.write("val.npy", said(0, 1, 0, 1), array_codec())
    assert restore_better_earlier(run, earlier, said(0, 1, 0, 1), TRUTH)
    assert weight_of(run) == 1.0
    assert np.array_equal(run.read("val.npy", array_codec()), said(0, 1, 2, 0))
    assert run.plan.because[-1].code == "improve.not_kept"
    assert "before 4" in run.plan.because[-1].text


def test_as_many_or_more_right_keeps_the_new_one(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", said(0, 1, 0, 0))
    earlier = set_earlier_aside(run)
    assert earlier is not None
    put_model(run, 2.0)
    for better in (said(0, 1, 0, 0), said(0, 1, 2, 0)):
        assert not restore_better_earlier(run, earlier, better, TRUTH)
    assert weight_of(run) == 2.0


def test_what_was_put_by_survives_a_kill(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", said(0, 1, 2, 0))
    set_earlier_aside(run)
    (run.model / "weights.safetensors").write_bytes(b"half of the new")
    run.write("val.npy", said(1, 1, 1, 1), array_codec())
    again = set_earlier_aside(Run.load(run.folder))
    assert again is not None
    assert np.array_equal(again.val_probabilities, said(0, 1, 2, 0))


def test_a_round_that_changed_no_figure_says_why(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", said(0, 1, 2, 0))
    values = made.values(classes=3)
    after = explain_no_change(run, values)
    assert after.plan.because[-1].code.startswith("improve.")
    assert run.plan.because[-1].code == after.plan.because[-1].code
    assert explain_no_change(run, after) is after
    better = made.values(classes=3, accuracy=0.99)
    assert explain_no_change(run, better) is better
