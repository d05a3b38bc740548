"""A system clock that is wrong, or set while a fit runs, changes nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fire.nursery import ONE_THREAD
from tests.fire.size import FULL, by_size
from tests.fire.textures import draw_textures

from striate.run import Run

pytestmark = pytest.mark.fire

JUMPING = Path(__file__).parent / "jumping_clock"
FIRST = "cache-first"
LONG = 600.0  # seconds; a fit of half a minute that ran for ever would take longer
CLOCKS = by_size(["jumps"], ["jumps", "0", "86400", "4102444800", "32503680000"])


def fit(place: Path, out: str, clock: str | None, *more: str) -> None:
    cache = place / f"cache-{out}"
    if (place / FIRST).exists() and not cache.exists():
        # What is the fastest precision stays as it was measured: under load the next measurement
        # may find another, and then other bytes are right.
        cache.mkdir()
        for measured in (place / FIRST).glob("machine-*.json"):
            shutil.copy(measured, cache)
    environment = {**os.environ, **ONE_THREAD, "STRIATE_CACHE": str(cache)}
    if clock is not None:
        path = os.pathsep.join((str(JUMPING), *filter(None, [os.environ.get("PYTHONPATH")])))
        environment |= {"JUMPING_CLOCK": clock, "PYTHONPATH": path}
    subprocess.run(
        [sys.executable, "-m", "striate", "fit", "pictures", "--out", out, "-q", *more],
        cwd=place,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=LONG,
        check=True,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clock")
    draw_textures(place)
    fit(place, "first", None, "--strategy", "scratch", "--minutes", "0.5", "--set", "epochs=3")
    fit(place, "whole", None, "--plan", "first/plan.json", "--minutes", "10")
    return place


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_fit_under_a_wrong_clock(place: Path, clock: str) -> None:
    out = f"at-{clock}"
    fit(place, out, clock, "--plan", "first/plan.json", "--minutes", "10")
    whole, run = place / "whole", place / out
    assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    must_be_plausible(run)


@pytest.mark.skipif(not FULL, reason="in `make fire` only")
def test_a_budget_is_kept_while_the_clock_jumps(place: Path) -> None:
    fit(place, "timed", "jumps", "--strategy", "scratch", "--minutes", "0.5")
    must_be_plausible(place / "timed")


def must_be_plausible(run: Path) -> None:
    """Every count of seconds is one that this fit could have taken."""
    seconds = list(told_seconds(json.loads((run / "summary.json").read_text("utf-8"))))
    seconds += list(told_seconds(json.loads((run / "run.json").read_text("utf-8"))["stages"], True))
    seconds += [epoch.seconds for epoch in Run.load(run).read("history.csv").epochs]
    assert len(seconds) > 5
    assert all(0 <= value <= LONG for value in seconds), seconds


def told_seconds(value: object, told: bool = False) -> list[float]:
    """The numbers below any key `seconds`."""
    if isinstance(value, dict):
        return [s for name, v in value.items() for s in told_seconds(v, told or name == "seconds")]
    return [float(value)] if told and isinstance(value, int | float) else []
