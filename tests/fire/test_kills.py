"""A fit that is killed again and again ends with the predictions of one that was not."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fire.nursery import Child, Ended, Nursery, Strike
from tests.fire.size import FULL, by_size
from tests.fire.textures import draw_textures

from striate.run import Run

pytestmark = pytest.mark.fire

# Plans with all kinds of state that a training carries from an epoch to the next.
EPOCHS = 8
PLANS = {
    "scratch": "width=0.5 batch_size=8",
    "averaged": "width=0.5 batch_size=8 ema=0.8 dropout=0.2 spatial_dropout=0.1 mix=mixup",
    "adamw": "width=0.5 batch_size=16 optimizer=adamw schedule=plateau clip=1",
}
USED = by_size(["averaged"], list(PLANS))  # the one with the most state alone
LAST_TARGET = 5  # of the epochs of the plans: a training has not ended there
ENDINGS = by_size(1, 30)
PATIENCE = 300.0  # seconds for a run that takes five: nothing hangs, on any machine
KILLS = by_size(3, 100)
CHECKPOINT = "checkpoints/training/training.safetensors"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Path:
    """Two textures that a small network learns to tell apart, but not at once; a run a plan."""
    place = tmp_path_factory.mktemp("kills")
    draw_textures(place)
    for name in USED:
        words = ["--strategy", "scratch", "--minutes", "0.5", "--set", f"epochs=1 {PLANS[name]}"]
        assert ended(nursery.start(fitting(f"{name}-plan", *words), place, cache(place))).code == 0
        lengthen(place / f"{name}-plan" / "plan.json")
        assert ended(nursery.start(planned(name, name), place, cache(place))).code == 0
    return place


def lengthen(path: Path) -> None:
    """Gives a plan whole epochs, as many as are meant: a busy machine may have cut it short."""
    plan = json.loads(path.read_bytes())
    plan["epochs"]["value"] = EPOCHS
    plan["steps"]["value"] = 0
    path.write_text(json.dumps(plan), "utf-8")


def fitting(out: str, *more: str) -> list[str]:
    return ["fit", "pictures", "--out", out, "-q", *more]


def planned(plan: str, out: str) -> list[str]:
    # With minutes to spare, so that no busy machine ends a training before its plan does.
    return fitting(out, "--plan", f"{plan}-plan/plan.json", "--minutes", "60")


def cache(place: Path, name: str = "cache") -> dict[str, str]:
    return {"STRIATE_CACHE": str(place / name)}


def ended(child: Child) -> Ended:
    found = child.wait(PATIENCE)
    if found is None:
        child.send(signal.SIGKILL)
    assert found is not None, child.said.read_text()
    return found


# Moments -----------------------------------------------------------------------------------------
# Each waits for its moment in a run, and tells whether it came before the run was over.

Moment = Callable[[Path, Child, random.Random], Ended | None]


def after_an_epoch(run: Path, child: Child, draw: random.Random) -> Ended | None:
    """Up to an epoch and a half after one of the next four checkpoints appears."""
    target = min(epochs_done(run) + draw.randint(1, 4), LAST_TARGET)
    return until(child, lambda: epochs_done(run) >= target) or child.wait(draw.uniform(0, 0.4))


def while_saving(run: Path, child: Child, draw: random.Random) -> Ended | None:
    """In the milliseconds in which a checkpoint is being written, or right after them."""
    target = min(epochs_done(run) + draw.randint(0, 2), LAST_TARGET)
    early = until(child, lambda: epochs_done(run) >= target)
    file = run / "checkpoints" / "training" / "training.safetensors"
    before = number_of(file)

    def saving() -> bool:
        return number_of(file) != before or any(n.startswith(".") for n in listed(file.parent))

    return early or until(child, saving, 0) or child.wait(draw.uniform(0, 0.005))


def while_concluding(run: Path, child: Child, draw: random.Random) -> Ended | None:
    """While predictions, findings and the report are written."""
    there = (run / "predictions.csv").exists
    return until(child, there) or child.wait(draw.uniform(0, 2))


def at_any_time(run: Path, child: Child, draw: random.Random) -> Ended | None:
    """At any time of a whole run."""
    return child.wait(draw.uniform(0.02, 5))


MOMENTS: dict[str, tuple[Moment, float]] = {
    "training": (after_an_epoch, 0.6),
    "saving": (while_saving, 0.15),
    "concluding": (while_concluding, 0.1),
    "any": (at_any_time, 0.15),
}


def until(child: Child, told: Callable[[], bool], pause: float = 0.001) -> Ended | None:
    """Waits for something; how the child ended, where it ended before that."""
    while not told():
        found = child.wait(0)
        if found:
            return found
        time.sleep(pause)
    return None


def epochs_done(run: Path) -> int:
    """How many epochs the checkpoint of a training tells of."""
    try:
        with (run / "checkpoints" / "training" / "training.safetensors").open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            facts = json.loads(file.read(length))["__metadata__"]["striate"]
        return len(json.loads(facts)["epochs"])
    except (OSError, ValueError, KeyError, struct.error):
        return 0


def number_of(file: Path) -> int:
    """The number of a file on its disk, which is another once it was replaced."""
    try:
        return file.stat().st_ino
    except OSError:
        return 0


def listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  the fastest look
    except OSError:
        return []


# Tests -------------------------------------------------------------------------------------------


def test_killed_anywhere_the_predictions_are_the_same(
    place: Path, nursery: Nursery, record_property: Callable[[str, object], None]
) -> None:
    hit: Counter[str] = Counter()
    seed = midway = 0
    while hit.total() < KILLS:
        draw = random.Random(seed)
        plan, out = USED[seed % len(USED)], f"killed-{seed}"
        for _ in range(min(draw.randint(1, 6), KILLS - hit.total())):
            child = nursery.start(planned(plan, out), place, cache(place))
            (moment,) = draw.choices(list(MOMENTS), [share for _, share in MOMENTS.values()])
            over = MOMENTS[moment][0](place / out, child, draw)
            if over:
                assert over.code == 0, child.said.read_text()
                break
            child.send(signal.SIGKILL)
            assert ended(child).code in (-signal.SIGKILL, 0)
            hit[moment] += 1
            midway += (
                epochs_done(place / out) > 0 and not (place / out / "predictions.csv").exists()
            )
        child = nursery.start(planned(plan, out), place, cache(place))
        assert ended(child).code == 0, f"seed {seed}: {child.said.read_text()}"
        must_be_alike(place / out, place / plan)
        seed += 1
    record_property("kills, all continued to the same bytes", f"{dict(hit)} in {seed} runs")
    record_property("kills between a first checkpoint and the predictions", midway)


@pytest.mark.parametrize("plan", USED)
def test_killed_at_a_checkpoint(place: Path, nursery: Nursery, plan: str) -> None:
    """At the second and third of a process, as it is written: midway on any machine."""
    out = f"midway-{plan}"
    for turn, epochs in by_size([(2, 1)], [(2, 1), (3, 3), (2, 4)]):
        strike = Strike(signal.SIGKILL, CHECKPOINT, turn)
        child = nursery.start(planned(plan, out), place, cache(place), strike)
        assert ended(child).code == -signal.SIGKILL
        assert epochs_done(place / out) == epochs
        assert not (place / out / "predictions.csv").exists()
    assert ended(nursery.start(planned(plan, out), place, cache(place))).code == 0
    must_be_alike(place / out, place / plan)


def must_be_alike(killed: Path, whole: Path) -> None:
    for name in ("predictions.csv", "index.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), (killed.name, name)
    one, other = Run.load(killed), Run.load(whole)
    assert one.summary.finished
    assert one.summary.test == other.summary.test
    assert one.summary.epochs == other.summary.epochs
    assert timeless(one) == timeless(other)
    left = [path for path in killed.rglob("*") if path.name.startswith(".")]
    assert not left


def timeless(run: Run) -> list[tuple[float, ...]]:
    """The history of a training without what the clock says."""
    epochs = run.read("history.csv").epochs
    return [(e.epoch, e.step, e.lr, e.train_loss, e.val_loss or 0.0) for e in epochs]


def test_killed_while_the_cache_is_made(place: Path, nursery: Nursery) -> None:
    for number in range(by_size(1, 15)):
        draw = random.Random(1000 + number)
        own = cache(place, f"cache-{number}")
        images = place / f"cache-{number}" / "images"
        out = f"cached-{number}"
        child = nursery.start(planned(USED[0], out), place, own)
        early = until(child, lambda images=images: bool(listed(images)), 0)
        if early is None and child.wait(draw.uniform(0, 0.05)) is None:
            child.send(signal.SIGKILL)
            assert ended(child).code in (-signal.SIGKILL, 0)
        assert ended(nursery.start(planned(USED[0], out), place, own)).code == 0
        must_be_alike(place / out, place / USED[0])


@pytest.mark.parametrize(("ending", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_asked_to_end_it_saves_and_goes_on(
    place: Path,
    nursery: Nursery,
    record_property: Callable[[str, object], None],
    ending: str,
    code: int,
) -> None:
    """By Ctrl-C and by SIGTERM, in the training and, in turns with it, at any time and twice."""
    number = getattr(signal, ending)
    stopped = 0
    for seed in range(ENDINGS):
        draw = random.Random(2000 + seed)
        out = f"{ending}-{seed}"
        strike = None if seed % 2 else Strike(number, CHECKPOINT, draw.randint(1, LAST_TARGET))
        child = nursery.start(planned(USED[0], out), place, cache(place), strike)
        if strike is None and at_any_time(place / out, child, draw) is None:
            child.send(number)
            child.send(number)
        found = ended(child).code
        assert found == code or (found == 0 and strike is None), child.said.read_text()
        stopped += found != 0
        assert "Traceback" not in child.said.read_text()
        assert ended(nursery.start(planned(USED[0], out), place, cache(place))).code == 0
        must_be_alike(place / out, place / USED[0])
    record_property(f"asked to end by {ending}", f"{stopped} of {ENDINGS}")


# By a shell --------------------------------------------------------------------------------------


def shelled(place: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    """A fit as a shell starts it, imports and all."""
    return subprocess.Popen(
        [sys.executable, "-m", "striate", *fitting(out, *more)],
        cwd=place,
        env={**os.environ, **cache(place)},
        stdout=subprocess.DEVNULL,
    )


def kill_until_finished(place: Path, out: str, *more: str) -> int:
    """Kills the fit after 2 s, 2.6 s, 3.4 s, …, until one comes through; says how often."""
    seconds, kills = 2.0, 0
    while True:
        process = shelled(place, out, *more)
        try:
            assert process.wait(seconds) == 0
            return kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        seconds, kills = seconds * 1.3, kills + 1


@pytest.mark.skipif(not FULL, reason="in `make fire` only")
@pytest.mark.parametrize("strategy", ["linear", "deep"])
def test_killed_later_and_later(place: Path, strategy: str) -> None:
    assert shelled(place, f"{strategy}-first", "--strategy", strategy).wait() == 0
    plan = ("--plan", f"{strategy}-first/plan.json", "--minutes", "10")
    assert shelled(place, f"{strategy}-whole", *plan).wait() == 0
    assert kill_until_finished(place, f"{strategy}-killed", *plan) >= 3
    must_be_alike(place / f"{strategy}-killed", place / f"{strategy}-whole")
