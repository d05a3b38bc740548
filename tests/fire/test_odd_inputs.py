"""Odd files, tables and archives given to every verb: told of or worked on, soon, in little memory.

The inputs are those that fuzz the parsers, drawn anew for each verb; whole commands read them.
"""

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.data.odd_files import damaged_files
from tests.fire.fuzz.every import TARGETS
from tests.fire.fuzz.target import inputs
from tests.fire.nursery import Ended, Nursery
from tests.fire.size import by_size
from tests.fire.textures import draw_textures

pytestmark = pytest.mark.fire

# What a parser reads as a source, by the ending of its files.
SOURCES = {
    "csv": ".csv",
    "json_lines": ".jsonl",
    "zip": ".zip",
    "tar": ".tar",
    "packed_tar": ".tar.gz",
    "npz": ".npz",
    "idx": "-images-idx3-ubyte",
    "pictures": ".jpg",
}
VERBS = {
    "inspect": ["inspect", "SOURCE", "--out", "page.html", "-q"],
    "fit": ["fit", "SOURCE", "--minutes", "0.5", "--strategy", "linear", "--out", "made", "-q"],
    "predict": ["predict", "run", "SOURCE", "-q"],
    "evaluate": ["evaluate", "run", "SOURCE"],
}
TOLD = {0, 1, 2, 3, 4, 5, 6}
MOST_SECONDS, MOST_MIB = 60.0, 1500.0
EACH = {
    "inspect": by_size(4, 80),
    "fit": by_size(2, 60),
    "predict": by_size(4, 80),
    "evaluate": by_size(4, 80),
}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Path:
    """A run to predict with, and the pictures that the tables name."""
    place = tmp_path_factory.mktemp("inputs")
    draw_textures(place)
    words = ["--strategy", "scratch", "--minutes", "0.5", "--set", "epochs=2 width=0.5"]
    made = ended(nursery, place, ["fit", "pictures", "--out", "run", "-q", *words])
    assert made.code == 0
    whole = sorted((place / "pictures" / "train" / "down").iterdir())
    for name in ("cat/1.png", "a, b.png", "dog/2.png"):
        (place / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole.pop(), place / "given" / name)
    return place


def ended(nursery: Nursery, place: Path, words: list[str]) -> Ended:
    child = nursery.start(words, place, {"STRIATE_CACHE": str(place / "cache")})
    found = child.wait(MOST_SECONDS)
    if found is None:
        child.send(signal.SIGKILL)
        child.wait(10)
    said = child.said.read_text("utf-8", "replace")
    child.said.unlink()
    child.answered.unlink()
    assert found is not None, f"{words} took more than {MOST_SECONDS} s: {said}"
    assert "Traceback" not in said
    assert found.code in TOLD, said
    assert found.code == 0 or said.strip()
    assert found.peak < MOST_MIB, f"{words} took {found.peak:.0f} MiB"
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_drawn_inputs(
    place: Path, nursery: Nursery, verb: str, record_property: Callable[[str, object], None]
) -> None:
    codes: Counter[int] = Counter()

    @settings(
        max_examples=EACH[verb],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(data=st.data())
    def try_one(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(list(SOURCES)))
        content = data.draw(inputs(TARGETS[name]))
        source = place / "given" / f"x{SOURCES[name]}"
        source.write_bytes(content)
        try:
            codes[run_on(source)] += 1
            assert source.read_bytes() == content
        finally:
            source.unlink()
            shutil.rmtree(place / "made", ignore_errors=True)

    def run_on(source: Path) -> int:
        words = [str(source) if word == "SOURCE" else word for word in VERBS[verb]]
        return ended(nursery, place, words).code

    try_one()
    record_property(f"odd inputs of {verb}, by exit code", dict(sorted(codes.items())))


def test_damaged_pictures_one_by_one(place: Path, nursery: Nursery) -> None:
    """Each is told of by its reason, and none of them stands in for a picture."""
    folder = place / "damaged"
    folder.mkdir()
    names = sorted(damaged_files())[:: by_size(6, 1)]
    for name in names:
        (folder / name).write_bytes(damaged_files()[name])
        ended(nursery, place, ["predict", "run", f"damaged/{name}", "-q"])
    ended(nursery, place, ["predict", "run", "damaged", "-q"])
