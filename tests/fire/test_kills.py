"""A fit that is killed again and again ends with the predictions of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.run import Run

pytestmark = pytest.mark.fire


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two textures that a small network learns to tell apart, but not at once."""
    generator = np.random.default_rng(0)
    for turned, name in enumerate(("across", "down")):
        for split in ("train", "test"):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
        for number in range(80):
            split = "train" if number < 45 else "test"
            stripes = 60 * np.sin(np.arange(24) * generator.uniform(0.8, 1.2))
            pixels = generator.normal(128, 50, (24, 24)) + stripes
            pixels = (pixels.T if turned else pixels).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / split / name / f"{number}.png")
    return tmp_path


def fit(place: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    words = ["fit", "pictures", "--minutes", "0.5", "--out", out, "-q", *more]
    environment = {**os.environ, "STRIATE_CACHE": str(place / "cache")}
    return subprocess.Popen(
        [sys.executable, "-m", "striate", *words],
        cwd=place,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def kill_until_finished(place: Path, out: str, *more: str) -> int:
    """Kills the fit after 2 s, 2.6 s, 3.4 s, …, until one comes through; says how often."""
    seconds, kills = 2.0, 0
    while True:
        process = fit(place, out, *more)
        try:
            assert process.wait(seconds) == 0
            return kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        seconds, kills = seconds * 1.3, kills + 1


@pytest.mark.parametrize("strategy", ["linear", "scratch"])
def test_killed_in_every_stage_the_predictions_are_the_same(pictures: Path, strategy: str) -> None:
    assert fit(pictures, "first", "--strategy", strategy).wait() == 0
    # With minutes to spare, so that no busy machine ends a training before its plan does.
    plan = ("--plan", "first/plan.json", "--minutes", "10")
    assert fit(pictures, "whole", *plan).wait() == 0
    assert kill_until_finished(pictures, "killed", *plan) >= 3
    whole, killed = Run.load(pictures / "whole"), Run.load(pictures / "killed")
    for name in ("predictions.csv", "index.csv"):
        assert (killed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert killed.summary.test == whole.summary.test
    assert not list(killed.folder.rglob(".*"))


def test_ctrl_c_twice_and_on_again(pictures: Path) -> None:
    process = fit(pictures, "run", "--strategy", "scratch")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(6)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert fit(pictures, "run", "--strategy", "scratch").wait() == 0
    assert Run.load(pictures / "run").summary.finished
