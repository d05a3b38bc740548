"""`--split OLD/index.csv`, whole: images of an earlier run stay on their side, new ones fill up."""

import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def sides(run: Path) -> dict[str, str]:
    """The side of every image in use, by path."""
    with (run / "index.csv").open(encoding="utf-8", newline="") as file:
        return {line["path"]: line["split"] for line in csv.DictReader(file)}


@pytest.mark.slow
def test_a_grown_folder_keeps_its_split(small_run: Path, tmp_path: Path) -> None:
    grown = tmp_path / "pictures"
    shutil.copytree(small_run.parent / "pictures", grown)
    before = sides(small_run)
    generator = np.random.default_rng(1)
    for channel, colour in enumerate(("green", "red")):
        for number in range(100):
            pixels = generator.integers(0, 100, (24, 24, 3), np.uint8)
            pixels[..., 1 - channel] += 60
            # Between the names of the old ones, so that no row keeps its number.
            Image.fromarray(pixels).save(grown / colour / f"{number:03}-new.png")
    earlier = small_run / "index.csv"
    words = ["fit", "pictures", "--strategy", "linear", "--minutes", "1", "--out", "run"]
    subprocess.run(
        [sys.executable, "-m", "striate", *words, "--split", str(earlier), "--seed", "3"],
        cwd=tmp_path,
        env={**os.environ, "STRIATE_CACHE": str(tmp_path / "cache")},
        check=True,
    )
    now = sides(tmp_path / "run")
    assert len(before) == 440
    assert {path: now[path] for path in before} == before
    new = Counter(side for path, side in now.items() if path not in before)
    assert sum(new.values()) == 200
    assert new["test"] == new["val"] == 30
