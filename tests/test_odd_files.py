"""Damaged and odd files among real pictures: each told of, the others' predictions unchanged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.odd_files import add_odd_files

from striate.pipeline import fit
from striate.values import Options

pytestmark = pytest.mark.slow


def test_thirty_odd_files_are_told_of_and_change_nothing(
    real_set: Callable[[str], Path], tmp_path: Path
) -> None:
    source = tmp_path / "flowers"
    shutil.copytree(real_set("flowers"), source)
    plain = fit(source, Options(minutes=1, strategy="linear", out=str(tmp_path / "plain")))
    odd = add_odd_files(source / "test" / "daisy") | add_odd_files(source / "train" / "pansy")
    assert len(odd) >= 30
    before = contents(source)
    plan = str(plain.folder / "plan.json")
    again = fit(source, Options(minutes=1, plan=plan, out=str(tmp_path / "odd")))
    told = [e for e in again.read("index.csv").examples if e.status != "used"]
    assert all(example.reason for example in told)
    for folder in ("test/daisy", "train/pansy"):
        names = {e.path.removeprefix(f"{folder}/") for e in told if e.path.startswith(folder)}
        assert names >= odd
    assert again.summary.images.used == plain.summary.images.used == 1040
    stated = again.folder / "predictions.csv"
    assert stated.read_bytes() == (plain.folder / "predictions.csv").read_bytes()
    assert contents(source) == before


def contents(folder: Path) -> dict[str, int]:
    """Every file of a folder with the moment of its last change, links not followed."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}
