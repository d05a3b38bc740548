"""Logs as they come: other separators, encodings and programs, gaps, repetitions, many rows."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from striate.errors import SourceError
from striate.store.training_log import MOST_POINTS, read_training_log

HEAD = "epoch,train_loss,val_loss,train_accuracy,val_accuracy"
ROWS = [(e, 2 * 0.8**e, 2 * 0.75**e + 0.3, 1 - 0.7 * 0.8**e, 0.9 - 0.5 * 0.8**e) for e in range(12)]
LINES = [",".join(f"{value:.6g}" for value in row) for row in ROWS]
PLAIN = "\n".join([HEAD, *LINES]) + "\n"


def written(folder: Path, text: str, name: str = "log.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding)
    return path


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "   "),
        PLAIN.replace(",", " | "),
        PLAIN.replace("\n", "\r\n"),
        "# run 5\n" + PLAIN,
        "\n".join([HEAD, *reversed(LINES)]),
        "\n".join([HEAD, *LINES[:6], HEAD, *LINES[6:]]),
        "\n".join([HEAD, *(line for line in LINES for _ in range(2))]),
        "\n".join([HEAD, *LINES[:8], *LINES[3:]]),
    ],
)
def test_the_same_curves_however_they_are_written(tmp_path: Path, text: str) -> None:
    expected = read_training_log(written(tmp_path, PLAIN))
    found = read_training_log(written(tmp_path, text, "other.csv"))
    assert found.epochs == expected.epochs == tuple(range(12))
    assert found.val_loss == pytest.approx(expected.val_loss)
    assert found.train_accuracy == pytest.approx(expected.train_accuracy)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    assert read_training_log(written(tmp_path, PLAIN, encoding=encoding)).epochs == tuple(range(12))


def test_what_a_training_did_before_it_went_back_is_forgotten(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n1,5,6\n2,4,5\n3,9,9\n4,9,9\n2,3,4\n3,2,3\n"
    curves = read_training_log(written(tmp_path, text))
    assert curves.epochs == (1, 2, 3)
    assert curves.train_loss == (5, 3, 2)


def test_a_table_of_training_rows_then_validation_rows_is_no_return(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n1,5,\n2,4,\n1,,6\n2,,5\n"
    curves = read_training_log(written(tmp_path, text))
    assert (curves.train_loss, curves.val_loss) == ((5, 4), (6, 5))


@pytest.mark.parametrize(
    ("cells", "shares"),
    [
        (("40", "60"), (0.4, 0.6)),
        (("1.1", "1.3"), (0.011, 0.013)),
        (("40 %", "60%"), (0.4, 0.6)),
        (("0.4", "1.0"), (0.4, 1.0)),
    ],
)
def test_per_cent(tmp_path: Path, cells: tuple[str, str], shares: tuple[float, float]) -> None:
    text = f"epoch,loss,val_acc\n1,2,{cells[0]}\n2,1,{cells[1]}\n"
    assert read_training_log(written(tmp_path, text)).val_accuracy == pytest.approx(shares)


def test_a_name_may_say_per_cent(tmp_path: Path) -> None:
    text = "Epoch,Train Loss,Val Acc (%)\n1,2,0.5\n2,1,0.9\n"
    assert read_training_log(written(tmp_path, text)).val_accuracy == pytest.approx((0.005, 0.009))


@pytest.mark.parametrize("epoch", ["{}/12", "Epoch {}", "{}"])
def test_epochs_as_people_write_them(tmp_path: Path, epoch: str) -> None:
    lines = [f"{epoch.format(e)},{5 - e}" for e in (3, 4)]
    assert read_training_log(written(tmp_path, "\n".join(["epoch,loss", *lines]))).epochs == (3, 4)


def test_ultralytics(tmp_path: Path) -> None:
    text = "  epoch,  train/loss, metrics/accuracy_top1, val/loss, lr/pg0\n"
    text += "      1,         2.0,                   0.4,      1.9,   0.01\n"
    text += "      2,         1.0,                   0.6,      1.2,   0.01\n"
    curves = read_training_log(written(tmp_path, text, "results.csv"))
    assert curves.val_accuracy == (0.4, 0.6)
    assert curves.columns["val_loss"] == "val/loss"


def test_a_detectors_log_names_what_it_has(tmp_path: Path) -> None:
    text = "epoch,train/box_loss,val/box_loss,metrics/mAP50(B)\n1,2,2,0.5\n"
    with pytest.raises(SourceError, match=r"no column of loss or accuracy .* train/box_loss"):
        read_training_log(written(tmp_path, text))


TRAINER: list[dict[str, Any]] = [
    {"epoch": 0.5, "loss": 2.0, "learning_rate": 1e-4, "step": 50},
    {"epoch": 1.0, "loss": 1.6, "learning_rate": 1e-4, "step": 100},
    {"epoch": 1.0, "eval_loss": 1.5, "eval_accuracy": 0.5, "eval_runtime": 3.0, "step": 100},
    {"epoch": 1.5, "loss": 1.2, "learning_rate": 5e-5, "step": 150},
    {"epoch": 2.0, "loss": 1.0, "learning_rate": 5e-5, "step": 200},
    {"epoch": 2.0, "eval_loss": 1.1, "eval_accuracy": 0.7, "eval_runtime": 3.0, "step": 200},
    {"epoch": 2.0, "train_loss": 1.45, "train_runtime": 10.0, "step": 200},
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"best_metric": 0.7, "log_history": TRAINER}, indent=2),
        "\n".join(json.dumps(row) for row in TRAINER),
        "\n".join(["{'not' a record", *(str(row) for row in TRAINER), "100%|####| 200/200"]),
    ],
)
def test_the_trainer_of_hugging_face(tmp_path: Path, text: str) -> None:
    curves = read_training_log(written(tmp_path, text, "trainer_state.json"))
    assert curves.epochs == (1, 2)
    assert curves.train_loss == pytest.approx((1.8, 1.1))
    assert (curves.val_loss, curves.val_accuracy) == ((1.5, 1.1), (0.5, 0.7))
    assert curves.lr == (1e-4, 5e-5)


@pytest.mark.parametrize(
    "document",
    [
        {"loss": [2.0, 1.0], "val_loss": [1.9, None]},
        {"history": {"loss": [2.0, 1.0], "val_loss": [1.9]}},
        [{"loss": 2.0, "val_loss": 1.9}, {"loss": 1.0}],
        {"loss": {"0": 2.0, "1": 1.0}, "val_loss": {"0": 1.9}},
    ],
)
def test_a_history_in_json(tmp_path: Path, document: Any) -> None:
    curves = read_training_log(written(tmp_path, json.dumps(document), "history.json"))
    assert curves.train_loss[0] == 2.0
    assert curves.val_loss[0] == 1.9


def test_a_folder_with_a_log_of_a_usual_name(tmp_path: Path) -> None:
    written(tmp_path, PLAIN, "results.csv")
    assert read_training_log(tmp_path).name == tmp_path.name
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceError, match="without TensorBoard event files and without"):
        read_training_log(empty)


@pytest.mark.parametrize("missing", ["", "None", "n/a", "-", "null"])
def test_missing_cells_are_no_values(tmp_path: Path, missing: str) -> None:
    text = f"epoch,loss,val_loss\n1,3,3\n2,{missing},2\n3,1,1\n"
    assert read_training_log(written(tmp_path, text)).train_loss == (3, 2, 1)


def test_no_number_at_all(tmp_path: Path) -> None:
    curves = read_training_log(written(tmp_path, "epoch,loss,val_loss\n1,nan,NaN\n2,nan,inf\n"))
    assert all(math.isnan(loss) for loss in curves.train_loss)


def test_one_epoch(tmp_path: Path) -> None:
    assert read_training_log(written(tmp_path, "\n".join([HEAD, LINES[0]]))).epochs == (0,)


def test_ten_thousand_rows_are_averaged(tmp_path: Path) -> None:
    lines = [f"{e},{10_000 - e}" for e in range(1, 10_001)]
    curves = read_training_log(written(tmp_path, "\n".join(["epoch,loss", *lines])))
    assert curves.epochs_met == 10_000
    assert len(curves.epochs) == MOST_POINTS
    assert (curves.epochs[0], curves.epochs[-1]) == (25, 10_000)
    assert curves.train_loss[0] == 10_000 - 13


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [1, 2', "not a training log"),
        ("[2026-01-01] begun", "not a training log"),
        ('{"a": 1}', "it has a"),
        ('{"log_history": []}', "no row with an epoch"),
        ("\n".join(LINES), "has no header"),
        ("# only this\n", "only comments"),
        ("epoch,loss\n1,\0\n", "not a text"),
        (f"epoch,{'x' * 500}\n1,y\n", "x…"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read_training_log(written(tmp_path, text))
