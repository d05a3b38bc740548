"""Nearly four hundred odd files in one class: each ends as it must, and the source is untouched."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.data.odd_files import encoded, scene
from tests.odd.entry import Odd
from tests.odd.folder import CLASS, all_odd, make_folder, tree_hash

from striate.data.cache import build_cache, decode_rows
from striate.data.formats.decode import decode_image
from striate.data.formats.header import capture_pillow_warnings
from striate.data.scan import open_row, read_index
from striate.pipeline import fit
from striate.values import Example, Index, Options

OPTIONS = Options()
# Prints what reading and decoding a folder cost: rows by status, and MiB of memory on top.
COST = """
import json, resource, sys
from collections import Counter
from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.values import Options
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
index, _ = build_cache(read_index(sys.argv[1], Options()), Options())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
told = {e.path: (e.status, e.reason) for e in index.examples}
print(json.dumps([told, (after - before) / 1024]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The odd folder, to be read only."""
    return make_folder(tmp_path_factory.mktemp("odd") / "pets")


@pytest.fixture(scope="module")
def index(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The index of the odd folder once all is decoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        before = tree_hash(source)
        built, _ = build_cache(read_index(source, OPTIONS), OPTIONS)
        assert tree_hash(source) == before
        yield built


def test_there_are_many_and_of_every_kind() -> None:
    assert len(all_odd()) >= 350
    assert len({odd.path for odd in all_odd()}) == len(all_odd())
    kinds = Counter(odd.status for odd in all_odd())
    assert min(kinds["used"], kinds["set_aside"]) >= 100
    assert kinds["ignored"] >= 15


@pytest.mark.parametrize("odd", all_odd(), ids=lambda odd: ascii(odd.name)[:60])
def test_each_ends_as_it_must(odd: Odd, index: Index) -> None:
    row, example = found(index, f"{CLASS}/{odd.path}")
    assert example.status == odd.status, example.reason
    assert odd.reason in example.reason
    if odd.status != "used":
        assert example.reason
        return
    assert example.orientation in range(1, 9)
    assert isinstance(example.orientation, int)
    assert len(example.bytes_hash) == len(example.pixels_hash) == 32
    assert example.width * example.height > 0
    if odd.pixels is not None:
        with capture_pillow_warnings():
            seen = decode_image(open_row(index, row)).pixels
        assert seen.shape == odd.pixels.shape
        assert np.abs(seen.astype(float) - odd.pixels).mean() <= odd.within


def test_every_file_has_one_row_and_none_is_made_up(source: Path, index: Index) -> None:
    paths = [example.path for example in index.examples]
    assert len(set(paths)) == len(paths)
    assert paths == sorted(paths)
    odd = {f"{CLASS}/{odd.path}" for odd in all_odd()}
    good = {f"{label}/{number}.png" for label in ("cat", "dog") for number in range(4)}
    others = {"stray.png", "outside.png", "readme.md"}
    (pit,) = set(paths) - odd - good - others
    assert pit.startswith(f"{CLASS}/pit/")
    assert found(index, pit)[1].reason == "the folder cannot be read (File name too long)"
    assert index.classes == ("cat", "dog", CLASS)


def test_a_picture_without_a_label_is_set_aside(index: Index) -> None:
    for name in ("stray.png", "outside.png"):
        _, example = found(index, name)
        assert example.status == "set_aside"
        assert example.reason.startswith("its label is missing")
    assert "read.stray" in {note.code for note in index.notes}


def test_what_is_odd_about_files_in_use_is_counted(index: Index) -> None:
    odd = [e for e in index.examples if e.status == "used" and e.reason]
    note = next(note for note in index.notes if note.code == "cache.remarked")
    assert note.figures["n"] == len(odd)
    assert len(odd) >= 15


def test_pixels_are_the_same_however_they_are_asked_for(index: Index) -> None:
    rows = index.used()
    again, _ = decode_rows(index, rows, 32, 3)
    for row in rows:
        assert again.examples[row].status == "used"
        assert again.examples[row].pixels_hash == index.examples[row].pixels_hash


def test_memory_is_bounded_and_nothing_floods_the_terminal(source: Path, tmp_path: Path) -> None:
    before = tree_hash(source)
    done = subprocess.run(
        [sys.executable, "-c", COST, str(source)],
        env={**os.environ, "STRIATE_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    told, mib = json.loads(done.stdout)
    assert len(told) > 390
    assert mib < 600  # One picture may be unpacked to 178 million pixels; the bombs are not.
    assert done.stderr == ""
    assert tree_hash(source) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_without_permission_files_and_folders_are_set_aside() -> None:
    place = Path(tempfile.mkdtemp(prefix="striate-odd-"))  # pytest's own are root's alone
    try:
        place.chmod(0o755)
        for label in ("cat", "dog"):
            (place / "pets" / label / "more").mkdir(parents=True)
            for number in range(3):
                content = encoded(scene(seed=number), "PNG")
                (place / "pets" / label / f"{number}.png").write_bytes(content)
        (place / "pets/cat/1.png").chmod(0)
        (place / "pets/dog/more").chmod(0)
        told = reasons(
            read_index(place / "pets", OPTIONS)
        )  # As root first: it also loads all code.
        assert set(told.values()) == {""}
        os.seteuid(65534)
        try:
            told = reasons(read_index(place / "pets", OPTIONS))
        finally:
            os.seteuid(0)
        assert {path: reason for path, reason in told.items() if reason} == {
            "cat/1.png": "no permission to read it",
            "dog/more": "the folder cannot be read (Permission denied)",
        }
    finally:
        shutil.rmtree(place)


@pytest.mark.slow
def test_the_odd_folder_can_be_learnt_from(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "pets", good=40)
    before = tree_hash(source)
    options = Options(minutes=1, strategy="linear", out=str(tmp_path / "run"))
    run_ = fit(source, options)
    images = run_.summary.images
    assert images.met == images.used + images.set_aside + images.ignored
    assert images.set_aside >= 150
    assert tree_hash(source) == before


def found(index: Index, path: str) -> tuple[int, Example]:
    """The one row of a path."""
    (row,) = [row for row, example in enumerate(index.examples) if example.path == path]
    return row, index.examples[row]


def reasons(index: Index) -> dict[str, str]:
    """What is said of each path."""
    return {example.path: example.reason for example in index.examples}
