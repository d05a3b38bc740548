"""Fixtures that several rooms' tests share."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow to make examples; no test is wrong for that.
settings.register_profile(
    "any machine", suppress_health_check=[HealthCheck.too_slow], deadline=None
)
settings.load_profile("any machine")

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; each keeps to one
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Weights that the hub left on this machine would compete: no test depends on what lies there.
os.environ["HF_HUB_CACHE"] = str(Path(__file__).parent / "no-hub-cache")

ROOT = Path(__file__).resolve().parents[1]
ARCHIVES = ROOT.parent / "shared" / "data"
UNPACKED = ROOT / "scratch" / "sets"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test session has its own cache folder, so that nothing of the user's is read."""
    folder = tmp_path_factory.getbasetemp() / "striate-cache"
    monkeypatch.setenv("STRIATE_CACHE", str(folder))


@pytest.fixture(scope="session")
def real_set() -> Callable[[str], Path]:
    """Gives the folder of a real image set by name; skips the test where the sets are absent."""

    def folder(name: str) -> Path:
        archive = ARCHIVES / f"{name}.tar.xz"
        if not archive.exists():
            pytest.skip(f"the real image set {name} is not beside this checkout")
        target = UNPACKED / name
        if not target.exists():
            UNPACKED.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as tar:
                tar.extractall(UNPACKED, filter="data")
        return target

    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a real fit of two colours, to be read only; `pictures` lies beside it."""
    import numpy as np  # not above: it reads how many threads it may use when it is imported
    from PIL import Image

    place = tmp_path_factory.mktemp("small")
    generator = np.random.default_rng(0)
    for channel, colour in enumerate(("green", "red")):
        (place / "pictures" / colour).mkdir(parents=True)
        for number in range(220):
            pixels = generator.integers(0, 100, (24, 24, 3), np.uint8)
            pixels[..., 1 - channel] += 60
            Image.fromarray(pixels).save(place / "pictures" / colour / f"{number:03}.png")
    words = "fit pictures --strategy linear --minutes 1 --out run --lang en"
    subprocess.run(
        [sys.executable, "-m", "striate", *words.split()],
        cwd=place,
        env={**os.environ, "STRIATE_CACHE": str(place / "cache")},
        check=True,
    )
    return place / "run"
