"""Logs in the form that each program writes: the columns, the finding, the exit code."""

from pathlib import Path

import pytest

from striate import cli
from striate.command.diagnose_output import diagnose_log_curves
from striate.store.training_log import read_training_log

LOGS = Path(__file__).parent / "logs"
COLUMNS = {
    "keras.csv": "loss val_loss accuracy val_accuracy learning_rate",
    "metrics.csv": "train_loss_epoch val_loss train_acc val_acc lr-Adam",
    "results.csv": "train/loss val/loss metrics/accuracy_top1 lr/pg0",
    "history.csv": "train_loss valid_loss accuracy",
    "trainer_state.json": "loss eval_loss eval_accuracy learning_rate",
    "summary.csv": "train_loss eval_loss eval_top1 lr",
    "one.tfevents": "Loss/train Loss/test Accuracy/train Accuracy/test lr",
}


@pytest.mark.parametrize(("name", "columns"), COLUMNS.items())
def test_a_log_that_overfits(name: str, columns: str) -> None:
    curves = read_training_log(LOGS / name)
    assert list(curves.columns.values()) == columns.split()
    assert max(curves.val_accuracy) < 1
    told = diagnose_log_curves(curves)
    assert told.verdict.code == "overfitting"
    assert told.chosen is not None
    assert 7 <= told.chosen.epoch <= 12


def test_a_rate_of_lightning_that_names_no_epoch_belongs_to_the_next() -> None:
    curves = read_training_log(LOGS / "metrics.csv")
    assert curves.lr == pytest.approx([0.001 * 0.9**epoch for epoch in range(24)], rel=1e-4)


def test_a_log_that_underfits(tmp_path: Path) -> None:
    rows = ["epoch,accuracy,loss,val_accuracy,val_loss"]
    for epoch in range(24):
        left, wobble = 0.6**epoch, 0.01 * (-1) ** epoch
        rows.append(f"{epoch},{0.7 - 0.4 * left},{0.9 + left + wobble},")
        rows[-1] += f"{0.68 - 0.35 * left},{0.95 + 0.9 * left + wobble}"
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n", "utf-8")
    found = {
        f.code
        for f in diagnose_log_curves(read_training_log(tmp_path)).findings
        if f.outcome == "found"
    }
    assert "underfitting" in found


@pytest.mark.parametrize("name", COLUMNS)
def test_they_exit_0(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diagnose", str(LOGS / name), "--lang", "en"]) == 0
    assert "It overfits" in capsys.readouterr().out


def test_a_detectors_log_names_its_columns_and_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diagnose", str(LOGS / "detector.csv")]) == 3
    said = capsys.readouterr().err
    assert "it has train/box_loss, train/cls_loss, metrics/mAP50(B)" in said


def test_a_damaged_event_file_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"\1" * 99)
    assert cli.run(["diagnose", str(path)]) == 3
    assert "not a TensorBoard event file, or it is damaged" in capsys.readouterr().err
