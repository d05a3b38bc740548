"""Every file of a run and of the cache, damaged in many ways: noticed, mended or without effect.

An answer of a damaged run is that of the whole one, or there is none.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fire.size import by_size

from striate import cli
from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.errors import MachineError, ModelError, StriateError
from striate.pipeline import fit, write_report
from striate.run import Run
from striate.store.record import RUN, read_record, record_content
from striate.values import Options, Progress

pytestmark = pytest.mark.fire

NOTICED = (2, 3, 5, 6)
FLIPS = by_size(1, 20)
Damage = Callable[[Path, bytes], None]
Note = Callable[[str, object], None]


def flipped(seed: int) -> Damage:
    """One bit of the file, at a place that the seed and the length fix."""

    def flip(path: Path, whole: bytes) -> None:
        place = int(np.random.default_rng(seed).integers(0, 8 * len(whole)))
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)

    return flip


def becoming(content: bytes) -> Damage:
    return lambda path, whole: void(path.write_bytes(content))


def a_folder(path: Path, whole: bytes) -> None:
    path.unlink()
    path.mkdir()


def a_loop(path: Path, whole: bytes) -> None:
    path.unlink()
    path.symlink_to(path.name)


def void(_: object) -> None:
    """What a damage gives."""


DAMAGES: dict[str, Damage] = {
    "empty": becoming(b""),
    "half": lambda path, whole: void(path.write_bytes(whole[: len(whole) // 2])),
    "a byte less": lambda path, whole: void(path.write_bytes(whole[:-1])),
    "a byte more": lambda path, whole: void(path.write_bytes(whole + b"\n")),
    "half inverted": lambda path, whole: void(
        path.write_bytes(
            whole[: len(whole) // 2] + bytes(255 - byte for byte in whole[len(whole) // 2 :])
        )
    ),
    "an object": becoming(b"{}"),
    "garbage": becoming(b"garbage \xff\x00 " * 40),
    "a folder": a_folder,
    "a loop": a_loop,
    **{f"bit {seed}": flipped(seed) for seed in range(FLIPS)},
}


@pytest.fixture(scope="module")
def place(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, one of another seed, their pictures and their cache."""
    place = tmp_path_factory.mktemp("damaged")
    for name in ("pictures", "cache"):
        shutil.copytree(small_run.parent / name, place / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", str(place / "cache"))
        for seed, name in enumerate(("run", "other")):
            out = str(place / name)
            options = Options(strategy="linear", minutes=1, lang="en", seed=seed, out=out)
            fit(str(place / "pictures"), options).close()
    return place


@pytest.fixture(autouse=True)
def within(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("STRIATE_CACHE", str(place / "cache"))


@contextmanager
def damaged(folder: Path, path: Path, damage: Damage) -> Iterator[None]:
    """The file damaged for a while; then everything in the folder is again as it was."""
    whole = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    damage(path, whole[path])
    try:
        yield
    finally:
        for file in folder.rglob("*"):
            if file not in whole and not file.is_dir():
                file.unlink()
        for file, content in whole.items():
            if file.is_dir() and not file.is_symlink():
                file.rmdir()
            if file.is_symlink() or not file.exists() or file.read_bytes() != content:
                file.unlink(missing_ok=True)
                file.write_bytes(content)


def files_of(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return sorted(found)


def ways_for(path: Path) -> dict[str, Damage]:
    """All damages of a file; that of another run is one where there is one of this name."""
    there = Path("other") / path.relative_to("run")
    ways = {name: way for name, way in DAMAGES.items() if path.stat().st_size or "bit" not in name}
    if there.is_file() and there.read_bytes() != path.read_bytes():
        ways["another run's"] = becoming(there.read_bytes())
    return ways


def outcome(work: Callable[[], Any], right: Any) -> str:
    """What came of it: noticed, harmless, or the wrong answer; a fault of ours is not caught."""
    try:
        found = work()
    except StriateError as error:
        return "noticed" if error.exit_code in NOTICED and error.hint else "WRONG"
    return "harmless" if found == right else "WRONG"


def answers() -> bytes:
    paths = [f"pictures/{name}/{n:03}.png" for name in ("green", "red") for n in range(4)]
    return Run.load("run").predict(paths).probabilities.tobytes()


def judged() -> Any:
    found = Run.load("run").evaluate("pictures")
    return found.accuracy if hasattr(found, "accuracy") else repr(found)


def reported() -> Any:
    run = Run.load("run")
    write_report(run, "en")
    return run.path("report.html").read_bytes()


def told_again() -> Any:
    words = ["fit", "pictures", "--strategy", "linear", "--minutes", "1", "--out", "run"]
    return cli.run([*words, "--lang", "en", "-q"])


def sweep(
    work: Callable[[], Any], ways: Callable[[Path], dict[str, Damage]], note: Note
) -> Counter[str]:
    counted: Counter[str] = Counter()
    right = work()
    for path in files_of(Path("run")):
        for name, damage in ways(path).items():
            with damaged(Path("run"), path, damage):
                found = outcome(work, right)
            assert found != "WRONG", f"{path}: {name}"
            counted[found] += 1
            if str(path) == "run/model/weights.safetensors":
                assert found == "noticed", name
    note("damaged files, " + work.__name__, dict(counted))
    return counted


def some(path: Path) -> dict[str, Damage]:
    ways = ways_for(path)
    names = by_size(["half"], list(ways))
    return {name: way for name, way in ways.items() if name in names}


def read_by_predict(path: Path) -> dict[str, Damage]:
    """All damages of what predicting reads, of other files some."""
    return ways_for(path) if path.name == RUN or path.parent.name == "model" else some(path)


def test_predict_on_damaged_files(record_property: Note) -> None:
    counted = sweep(answers, read_by_predict, record_property)
    assert counted["noticed"] >= 20


@pytest.mark.parametrize("work", [judged, reported])
def test_other_verbs_on_damaged_files(work: Callable[[], Any], record_property: Note) -> None:
    assert sweep(work, some, record_property)["noticed"] > by_size(2, 10)


def test_a_finished_fit_on_damaged_files(record_property: Note) -> None:
    """Its exit code is that of the whole run, or says what is wrong; never a fault of ours."""
    counted: Counter[str] = Counter()
    for path in files_of(Path("run")):
        for name, damage in some(path).items():
            with damaged(Path("run"), path, damage):
                code = told_again()
            assert code in (0, *NOTICED), f"{path}: {name}"
            counted["noticed" if code else "harmless"] += 1
    record_property("damaged files, a finished fit", dict(counted))
    assert counted["noticed"]


def test_a_fit_goes_on_from_damaged_files(record_property: Note) -> None:
    """What it needs is made anew, and told; the predictions are those of before."""
    right, counted = Path("run/predictions.csv").read_bytes(), Counter[str]()
    for path in files_of(Path("run/checkpoints")):
        for name, damage in some(path).items():
            with damaged(Path("run"), path, damage):
                record = replace(read_record(Path("run")), finished=False)
                Path("run", RUN).write_bytes(record_content(record))
                told: list[Progress] = []
                try:
                    fit("pictures", record.settings, told.append).close()
                except (ModelError, MachineError):  # a folder is in the way
                    counted["noticed"] += 1
                    continue
                assert Path("run/predictions.csv").read_bytes() == right, f"{path}: {name}"
            codes = [progress.note.code for progress in told if progress.note]
            counted["mended" if "store.mended" in codes else "harmless"] += 1
    record_property("damaged files, a fit that goes on", dict(counted))
    assert counted["mended"]


def test_the_cache_heals(record_property: Note) -> None:
    options = Options()
    index, cache = build_cache(read_index("pictures", options), options)
    right, counted = np.array(cache.images), Counter[str]()
    del cache
    folder = Path("cache/images")
    for path in files_of(folder):
        for name, damage in DAMAGES.items():
            with damaged(folder, path, damage):
                told: list[Progress] = []
                try:
                    again, cache = build_cache(
                        read_index("pictures", options), options, told.append
                    )
                except (ModelError, MachineError):  # a folder is in the way
                    counted["noticed"] += 1
                    continue
                assert again == index, f"{path}: {name}"
                assert np.array_equal(cache.images, right), f"{path}: {name}"
                del cache
                notes = [progress.note.code for progress in told if progress.note]
            counted["mended" if notes == ["cache.mended"] else "harmless"] += 1
    record_property("damaged files of the cache", dict(counted))
    assert counted["mended"] > 2 * FLIPS


def test_a_whole_run_has_no_file_without_a_checksum() -> None:
    record = json.loads(Path("run", RUN).read_bytes())
    kept = {
        str(path.relative_to("run")).removeprefix("checkpoints/") for path in files_of(Path("run"))
    }
    own = {RUN, "model/weights.safetensors", "model/model.json"}
    assert kept - own == set(record["files"])
    assert record["checksum"]
    assert json.loads(Path("run/model/model.json").read_bytes())["checksum"]
