"""Several processes at once: on one run folder, on one cache entry, and reading what is written."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fire.nursery import Child, Ended, Nursery
from tests.fire.size import by_size
from tests.fire.textures import draw_textures

from striate.run import Run

pytestmark = pytest.mark.fire

FIVE = by_size(3, 5)
ROUNDS = by_size(1, 5)
BUSY = "Another striate process is using"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Path:
    place = tmp_path_factory.mktemp("together")
    draw_textures(place)
    words = ["--strategy", "scratch", "--minutes", "0.5", "--set", "epochs=5 width=0.5"]
    for out, more in (("first", words), ("whole", PLANNED)):
        child = nursery.start(["fit", "pictures", "--out", out, "-q", *more], place, cache(place))
        assert ended(child).code == 0, child.said.read_text()
    return place


PLANNED = ["--plan", "first/plan.json", "--minutes", "10"]


def cache(place: Path, name: str = "cache") -> dict[str, str]:
    return {"STRIATE_CACHE": str(place / name)}


def fit(nursery: Nursery, place: Path, *more: str, kept: str = "cache") -> Child:
    return nursery.start(["fit", "pictures", "-q", *PLANNED, *more], place, cache(place, kept))


def ended(child: Child) -> Ended:
    found = child.wait(300)
    if found is None:
        child.send(signal.SIGKILL)
    assert found is not None, child.said.read_text()
    return found


def must_be_like_the_whole(run: Path, place: Path) -> None:
    assert Run.load(run).summary.finished
    for name in ("predictions.csv", "index.csv"):
        assert (run / name).read_bytes() == (place / "whole" / name).read_bytes()


def test_a_second_process_on_a_run_is_told(place: Path, nursery: Nursery) -> None:
    first = fit(nursery, place, "--out", "busy")
    while not (place / "busy" / "run.json").exists():
        time.sleep(0.01)
    for more in ([], ["--restart"]):
        second = fit(nursery, place, "--out", "busy", *more)
        assert ended(second).code == 6
        assert BUSY in second.said.read_text()
    assert ended(first).code == 0, first.said.read_text()
    must_be_like_the_whole(place / "busy", place)


@pytest.mark.parametrize("out", [["--out", "shared"], []], ids=["named", "found"])
def test_many_begin_one_run_at_once(
    place: Path, nursery: Nursery, out: list[str], record_property: Callable[[str, object], None]
) -> None:
    codes: Counter[int] = Counter()
    for number in range(ROUNDS):
        own = [*out[:1], f"{out[1]}-{number}"] if out else ["--seed", str(number)]
        children = [fit(nursery, place, *own) for _ in range(FIVE)]
        for child in children:
            code = ended(child).code
            codes[code] += 1
            assert code in (0, 6), child.said.read_text()
            assert code == 0 or BUSY in child.said.read_text()
        assert ended(fit(nursery, place, *own)).code == 0
        if out:
            must_be_like_the_whole(place / own[1], place)
    record_property(f"{FIVE} at once on one run, by exit code", dict(codes))
    assert codes[0]


def test_many_make_one_cache_entry_at_once(place: Path, nursery: Nursery) -> None:
    for number in range(ROUNDS):
        kept = f"cache-{number}"
        children = {
            out: fit(nursery, place, "--out", out, kept=kept)
            for out in (f"entry-{number}-{k}" for k in range(FIVE))
        }
        for out, child in children.items():
            assert ended(child).code == 0, child.said.read_text()
            must_be_like_the_whole(place / out, place)
        files = [path for path in (place / kept).rglob("*") if path.is_file()]
        assert not [path for path in files if path.suffix == ".part" or path.name.startswith(".")]
        assert len([path for path in files if path.suffix == ".npy"]) == 1


def test_predictions_while_the_run_is_made(
    place: Path, nursery: Nursery, record_property: Callable[[str, object], None]
) -> None:
    """From the first model on they come, and before that a sentence does."""
    making = fit(nursery, place, "--out", "read", "--restart")
    codes: Counter[int] = Counter()
    while making.wait(0) is None:
        words = ["predict", "read", "pictures/test/across", "-q"]
        reading = nursery.start(words, place, cache(place))
        codes[ended(reading).code] += 1
        assert "Traceback" not in reading.said.read_text()
    record_property("predictions while a run was made, by exit code", dict(codes))
    assert set(codes) <= {0, 2, 5}
    assert codes[0]
    must_be_like_the_whole(place / "read", place)
