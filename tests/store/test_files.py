"""A file is written whole or not at all, and read back as the same value."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import made

from striate.errors import MachineError, ModelError
from striate.store import files
from striate.values import Evidence, Rows, Split, Summary


def test_a_write_replaces_what_stood_there_and_leaves_nothing_beside(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a.txt", b"old")
    files.write_atomically(tmp_path / "a.txt", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    files.write_atomically(tmp_path / "a.txt", b"old")

    def full(number: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match=r"disk is full: .*a\.txt") as caught:
        files.write_atomically(tmp_path / "a.txt", b"new")
    assert caught.value.exit_code == 6
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_a_disk_that_is_full_for_arrays_is_told_as_such(tmp_path: Path) -> None:
    error = OSError("80000 requested and 4096 written")
    assert "disk is full" in files.write_error(tmp_path / "a.npy", error).sentence


def test_a_writer_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with files.open_atomically(tmp_path / "a.bin") as file:
            file.write(b"half")
            raise KeyError("fault")

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_what_the_writer_could_not_read_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    def copy(source: str) -> None:
        with files.open_atomically(tmp_path / "a.bin") as file:
            file.write((tmp_path / source).read_bytes())

    with pytest.raises(FileNotFoundError) as caught:
        copy("gone.bin")
    assert not isinstance(caught.value, MachineError)
    assert list(tmp_path.iterdir()) == []


def test_the_dead_ones_leftovers_are_swept_the_living_ones_work_stays(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.b", "b.csv"):
        (tmp_path / f".{name}.12345678{files.UNFINISHED}").write_bytes(b"half")
    with files.open_atomically(tmp_path / "a.csv") as file:
        files.remove_unfinished(tmp_path, "b.csv")
        assert len(list(tmp_path.iterdir())) == 3
        files.remove_unfinished(tmp_path)
        file.write(b"all")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("place", ["absent/a.txt", "file/a.txt"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match=r"a\.txt cannot be written: n"):
        files.write_atomically(tmp_path / place, b"x")


def test_json_survives_odd_figures_and_names() -> None:
    value = {
        "nan": float("nan"),
        "high": np.float32(1.5),
        "name": "a\udcff\u2028",
        "n": np.int64(3),
    }
    content = files.to_json(value)
    assert json.loads(content) == {"nan": None, "high": 1.5, "name": "a\udcff\u2028", "n": 3}
    content.decode("utf-8")


def test_values_come_back_from_json() -> None:
    values = made.values()
    content = files.to_json(values.evidence)
    assert files.from_json(content, Evidence, "evidence.json") == values.evidence


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text[:100], "is damaged"),
        (lambda text: text.replace("summary/1", "summary/2"), "newer version"),
        (lambda text: text.replace("striate/summary/1", "striate/plan/1"), "schema is"),
        (lambda text: text.replace('"finished": true', '"finished": "perhaps"'), "finished"),
        (lambda text: "[" * 100_000, "is damaged"),
        (lambda text: "\x00", "is damaged"),
        (lambda text: "null", "is damaged"),
    ],
)
def test_json_that_cannot_be_used_says_why(change, complaint: str) -> None:
    text = files.to_json(made.values().summary).decode()
    with pytest.raises(ModelError, match=complaint) as caught:
        files.from_json(change(text), Summary, "runs/a-1/summary.json")
    assert caught.value.exit_code == 5
    assert "runs/a-1/summary.json" in caught.value.sentence
    assert caught.value.hint


@dataclass(frozen=True)
class Mixed:
    """Arrays of several kinds beside plain values."""

    name: str
    few: NDArray[np.float32]
    parts: tuple[Rows, ...]
    none: Rows | None = None


def test_arrays_come_back_with_kind_and_shape(tmp_path: Path) -> None:
    value = Mixed(
        name="a\udcff",
        few=np.array([[1.5, np.nan], [np.inf, 0]], np.float32),
        parts=(np.arange(3), np.empty(0, np.int64)),
    )
    codec = files.arrays_codec(Mixed)
    with files.open_atomically(tmp_path / "m.npz") as file:
        codec.write(value, file)
    back = codec.read(tmp_path / "m.npz", {})
    assert back.name == value.name
    assert back.none is None
    np.testing.assert_array_equal(back.few, value.few)
    assert back.few.dtype == np.float32
    assert [part.tolist() for part in back.parts] == [[0, 1, 2], []]


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        with files.open_atomically(tmp_path / name) as file:
            files.arrays_codec(Split).write(made.values().split, file)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_arrays_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        files.array_codec().read(tmp_path / "a.npy", {})


def test_an_empty_table_is_called_empty_and_named_once() -> None:
    for error in (StopIteration(), RuntimeError("generator raised StopIteration")):
        assert (
            files.damaged_file_error("doubts.csv", error).sentence
            == "doubts.csv is damaged: it is empty."
        )
    cut = ValueError("doubts.csv has an incomplete row.")
    told = files.damaged_file_error("doubts.csv", cut).sentence
    assert told == "doubts.csv is damaged: it has an incomplete row."
