"""The set that the package carries: what it is, how large, and that it can be made again."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.sources import demo
from striate.data.sources.demo import load_demo
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.values import Options

FOLDER = Path(demo.__file__).parents[1] / "demo_set"


def test_six_thousand_pictures_stratified() -> None:
    loaded = load_demo()
    assert loaded.images.shape == (6000, 28, 28)
    counts = Counter(zip(loaded.splits, loaded.labels, strict=True))
    assert Counter(counts.values()) == {500: 10, 100: 10}
    assert len(np.unique(loaded.images.reshape(6000, -1), axis=0)) == 6000


def test_the_package_data_stay_small_and_carry_their_licence() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3_000_000
    licence = (FOLDER / "LICENSE.txt").read_text()
    assert "MIT License" in licence
    assert "Zalando" in licence


def test_the_demo_is_judged_by_its_own_test_split() -> None:
    options = Options()
    index, cache = build_cache(read_index("demo", options), options)
    assert cache.images.shape == (6000, 28, 28, 1)
    split = split_index(index, find_duplicate_groups(index, cache), options)
    assert (len(split.train), len(split.val), len(split.test)) == (4250, 750, 1000)
    assert len(split.leaked) <= 2


@pytest.mark.slow
def test_the_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    import importlib.util

    script = Path(__file__).resolve().parents[3] / "scripts" / "make_demo.py"
    spec = importlib.util.spec_from_file_location("make_demo", script)
    assert spec is not None
    assert spec.loader is not None
    make_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_demo)
    if not make_demo.SOURCE.exists():
        pytest.skip("the package dataset-fashion-mnist is not installed")
    make_demo.make(make_demo.SOURCE, tmp_path)
    for name in ("train.png", "test.png", "demo.json"):
        made, kept = (tmp_path / name).read_bytes(), (FOLDER / name).read_bytes()
        if name.endswith("png"):  # Another zlib may pack the same pixels in other bytes.
            from PIL import Image

            made, kept = (
                np.asarray(Image.open(folder / name)).tobytes() for folder in (tmp_path, FOLDER)
            )
        assert made == kept
