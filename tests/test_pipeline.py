"""A fit from source to report: what was noticed while reading is said before anything else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.pipeline import fit
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
