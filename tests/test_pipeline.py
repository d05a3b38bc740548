"""A fit from source to report: what was noticed while reading is said before anything else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from tests import made

from striate.pipeline import fit
from striate.stages import fit_run
from striate.store.plan_files import plan_content
from striate.values import Options, Progress


class Stopped(Exception):
    """Raised by a watcher that has seen enough."""


def test_what_was_noticed_while_reading_is_said_at_once(tmp_path: Path) -> None:
    for n in range(8):
        pixels = np.random.default_rng(n).integers(0, 255, (6, 6, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    rows = "".join(f"{n},{'pâté' if n < 4 else 'eau'}\n" for n in range(9))
    (tmp_path / "food.csv").write_bytes(f"id,dish\n{rows}".encode("cp1252"))
    said: list[str] = []

    def watch(progress: Progress) -> None:
        said.append(progress.note.code if progress.note else "")
        if progress.finished:
            raise Stopped

    with pytest.raises(Stopped):
        fit(tmp_path / "food.csv", Options(), watch)
    assert said[1:5] == [
        *("read.encoding_guessed", "read.columns", "read.found_in", "read.listed_gone")
    ]


def test_a_plan_that_is_edited_meanwhile_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What resizes the images and what trains on them come from one reading of the file."""
    rng = np.random.default_rng(0)
    for n in range(24):
        (tmp_path / "shapes" / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "shapes" / "ab"[n % 2] / f"{n}.png")
    file = tmp_path / "plan.json"
    plan = made.made_plan(("a", "b"), "scratch", 32)
    first = replace(plan, resize=replace(plan.resize, value="crop"))
    file.write_bytes(msgspec.json.encode(plan_content(first)))
    given: list[Any] = []

    def edit(progress: Progress) -> None:
        if progress.stage == "split":
            file.write_bytes(msgspec.json.encode(plan_content(replace(plan, seed=7))))

    def stop(context: Any) -> None:
        given.append(context)
        raise Stopped

    monkeypatch.setattr(fit_run, "fit_model", stop)
    options = Options(plan=str(file), out=str(tmp_path / "run"))
    with pytest.raises(Stopped):
        fit(tmp_path / "shapes", options, edit)
    assert given[0].given_plan == first
    assert given[0].data.cache.resize == given[0].given_plan.resize.value
