"""Logs of other programs are read by the names of their columns."""

from pathlib import Path

import pytest

from striate.errors import SourceError, SourceMissingError
from striate.store.training_log import classify_column, read_training_log


def written(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text, "utf-8")
    return path


def test_our_own_history(tmp_path: Path) -> None:
    text = "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n"
    text += "1,10,0.1,2.0,0.3,1.9,0.4,3\n2,20,0.05,1.0,0.6,1.2,0.5,3\n"
    curves = read_training_log(written(tmp_path, text), val_images=50)
    assert curves.epochs == (1, 2)
    assert curves.train_loss == (2.0, 1.0)
    assert curves.val_accuracy == (0.4, 0.5)
    assert curves.lr == (0.1, 0.05)
    assert curves.val_images == 50


def test_keras(tmp_path: Path) -> None:
    text = "epoch,accuracy,loss,val_accuracy,val_loss,learning_rate\n"
    text += "0,0.4,1.5,0.45,1.4,0.001\n1,0.5,1.2,0.55,1.2,0.001\n"
    curves = read_training_log(written(tmp_path, text))
    assert curves.epochs == (0, 1)
    assert curves.columns["train_loss"] == "loss"
    assert curves.train_accuracy == (0.4, 0.5)
    assert curves.val_loss == (1.4, 1.2)


def test_lightning_interleaves_its_rows(tmp_path: Path) -> None:
    text = "epoch,lr-Adam,step,train_acc,train_loss,val_acc,val_loss\n"
    text += "0,0.1,9,,,,\n0,,49,0.3,2.0,,\n0,,99,0.5,1.8,,\n0,,99,,,0.5,1.7\n"
    text += "1,,149,0.6,1.5,,\n1,,199,,,0.6,1.6\n"
    curves = read_training_log(written(tmp_path, text))
    assert curves.epochs == (0, 1)
    assert curves.train_loss == (1.9, 1.5)
    assert curves.val_loss == (1.7, 1.6)
    assert curves.lr == (0.1, 0.1)


def test_per_cent_and_padded_names_and_semicolons(tmp_path: Path) -> None:
    text = " epoch; train/loss; metrics/accuracy_top1; val/loss\n1;2.0;40;1.9\n2;1.0;60;1.2\n"
    curves = read_training_log(written(tmp_path, text))
    assert curves.val_accuracy == (0.4, 0.6)
    assert curves.train_loss == (2.0, 1.0)


def test_a_loss_that_is_no_number_stays_so(tmp_path: Path) -> None:
    curves = read_training_log(written(tmp_path, "epoch,loss\n1,2.0\n2,nan\n3,inf\n"))
    assert curves.train_loss[0] == 2.0
    assert not curves.train_loss[1] < 10
    assert curves.train_loss[2] == float("inf")


@pytest.mark.parametrize(
    ("name", "others", "figure"),
    [
        ("epoch_loss", (), "train_loss"),
        ("validation/epoch_loss", (), "val_loss"),
        ("valid_loss", (), "val_loss"),
        ("accuracy", ("train_loss", "valid_loss"), "val_accuracy"),
        ("accuracy", ("loss", "val_loss"), "train_accuracy"),
        ("eval_top1", (), "val_accuracy"),
        ("trainAcc", (), "train_accuracy"),
        ("lr/pg0", (), "lr"),
        ("learning_rate", (), "lr"),
        ("train/box_loss", (), None),
        ("val_f1", (), None),
        ("clr_loss", (), None),
    ],
)
def test_names_of_columns(name: str, others: tuple[str, ...], figure: str | None) -> None:
    assert classify_column(name, (name, *others)) == figure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "has a, b"),
        ("epoch,loss\n", "no rows of epochs; it has epoch, loss"),
        ("", "is empty"),
        ("epoch,name\n1,x\n", "no column of numbers; it has epoch, name"),
    ],
)
def test_a_log_without_the_columns_names_those_it_has(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read_training_log(written(tmp_path, text))


def test_a_log_without_a_row_says_why_a_linear_model_has_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_training_log(written(tmp_path, "epoch,train_loss,val_loss\n"))
    assert "linear model is solved in closed form" in caught.value.hint


def test_no_such_log(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="There is no"):
        read_training_log(tmp_path / "none.csv")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"\x89PNG\xff\xfe\x00\x80")
    with pytest.raises(SourceError, match="cannot be read as CSV"):
        read_training_log(path)
