"""CSV: exact columns, any text survives, predictions come back to the bit."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import made

from striate.store import files, tables
from striate.store.shelf import CODECS
from striate.values import Example, History, Predictions

ODD = [
    "plain.jpg",
    "a, b.jpg",
    'say "cheese".jpg',
    "two\nlines.jpg",
    "carriage\rreturn.jpg",
    " space .jpg",
    "向日葵.jpg",
    "a\udcff.jpg",
    "\\udcff.jpg",
    "=1+1.jpg",
    "e\u0301.jpg",
    "\x1b[31m.jpg",
]


def stored(name: str, value: object, folder: Path) -> object:
    codec = CODECS[name]
    with files.open_atomically(folder / name) as file:
        codec.write(value, file)
    return codec.read(folder / name, codec.facts(value))


@pytest.mark.parametrize("name", ["index.csv", "history.csv"])
def test_tables_come_back(name: str, tmp_path: Path) -> None:
    values = made.values()
    value = {"index.csv": values.index, "history.csv": values.history}[name]
    assert stored(name, value, tmp_path) == value


def test_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    values = made.values(classes=2)
    stored("index.csv", values.index, tmp_path)
    stored("history.csv", values.history, tmp_path)
    stored("predictions.csv", values.predictions, tmp_path)

    def head(name: str) -> str:
        return (tmp_path / name).read_text("utf-8").splitlines()[0]

    assert head("index.csv") == (
        "path,split,label,group,status,reason,format,mode,width,height,orientation,bytes,"
        "bytes_hash,pixels_hash"
    )
    assert head("history.csv") == (
        "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds,"
        "pictures_per_second,averaged"
    )
    assert head("predictions.csv") == "path,label,predicted,probability,p:daisy,p:dandelion"


def test_a_history_from_before_a_column_was_there_is_read(tmp_path: Path) -> None:
    history = made.made_history(10, 10, epochs=2)
    stored("history.csv", history, tmp_path)
    path = tmp_path / "history.csv"
    lines = [line.rpartition(",")[0] for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert tables.HISTORY.read(path, {}).epochs == history.epochs


def test_odd_names_survive_in_an_index(tmp_path: Path) -> None:
    index = made.values().index
    examples = tuple(Example(path=name, label=name) for name in ODD)
    index = replace(index, classes=tuple(sorted(ODD)), examples=examples)
    assert stored("index.csv", index, tmp_path) == index
    content = (tmp_path / "index.csv").read_bytes().decode("utf-8")
    rows = list(csv.reader(io.StringIO(content, newline="")))
    assert len(rows) == len(ODD) + 1
    assert rows[2][0] == "a, b.jpg"


@given(st.text(st.characters(exclude_categories=()), max_size=12))
def test_any_text_is_written_and_read(text: str) -> None:
    assert tables.unescape_surrogates(tables.escape_surrogates(text)) == text
    tables.escape_surrogates(text).encode("utf-8")


def test_predictions_come_back_to_the_bit(tmp_path: Path) -> None:
    given_ = made.values(classes=5).predictions
    back = stored("predictions.csv", given_, tmp_path)
    assert isinstance(back, Predictions)
    assert back.paths == given_.paths
    assert back.classes == given_.classes
    np.testing.assert_array_equal(back.probabilities, given_.probabilities)
    np.testing.assert_array_equal(back.truth, given_.truth)


def test_of_many_classes_the_five_highest_stand(tmp_path: Path) -> None:
    given_ = made.values(classes=120, images=1200).predictions
    back = stored("predictions.csv", given_, tmp_path)
    assert isinstance(back, Predictions)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        head, row, *_ = csv.reader(file)
    assert head[4:] == [f"{what}_{rank}" for rank in range(1, 6) for what in ("class", "p")]
    assert row[4] == row[2]
    assert [float(p) for p in row[5::2]] == sorted((float(p) for p in row[5::2]), reverse=True)
    np.testing.assert_array_equal(back.predicted, given_.predicted)
    np.testing.assert_array_equal(back.truth, given_.truth)
    np.testing.assert_allclose(back.probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_tie_goes_to_the_first_class() -> None:
    assert tables.top_classes(np.array([0.2, 0.4, 0.4], np.float32), 2).tolist() == [1, 2]


def test_figures_that_are_not_finite_survive_in_a_history(tmp_path: Path) -> None:
    history = made.made_history(10, 10, epochs=2)
    epoch = replace(history.epochs[0], val_loss=float("inf"))
    back = stored("history.csv", replace(history, epochs=(epoch,)), tmp_path)
    assert isinstance(back, History)
    assert back.epochs[0].val_loss == float("inf")


@pytest.mark.parametrize("cut", [30, 200])
def test_a_table_that_is_cut_short_is_an_error(tmp_path: Path, cut: int) -> None:
    stored("index.csv", made.values().index, tmp_path)
    content = (tmp_path / "index.csv").read_bytes()
    (tmp_path / "index.csv").write_bytes(content[:-cut])
    with pytest.raises(ValueError, match=r"incomplete|EOF|end of"):
        CODECS["index.csv"].read(tmp_path / "index.csv", {})
