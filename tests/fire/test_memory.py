"""With too little memory a command ends with a sentence and exit code 6, or does its work."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fire.nursery import ONE_THREAD
from tests.fire.size import FULL, by_size
from tests.fire.textures import draw_textures

from striate.run import Run

pytestmark = pytest.mark.fire

MIB = 1 << 20
# Of all addresses, which the libraries' own code takes most of; and of written memory.
SPACE = by_size([500, 4000], [200, 500, 1000, 2000, 3000, 3500, *range(3800, 5000, 150)])
DATA = by_size([450], [50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 800])
LIMITS = [
    *(pytest.param(resource.RLIMIT_AS, mib, id=f"space-{mib}") for mib in SPACE),
    *(pytest.param(resource.RLIMIT_DATA, mib, id=f"data-{mib}") for mib in DATA),
]
# What glibc says where it ends the process itself: it found no room for a library's variables.
GLIBC = "cannot allocate memory for thread-local data: ABORT"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("memory")
    draw_textures(place)
    return place


def fit(place: Path, out: str, limit: int = 0, mib: int = 0) -> subprocess.CompletedProcess[str]:
    words = ["fit", "pictures", "--out", out, "-q", "--strategy", "scratch", "--minutes", "0.5"]

    def lower() -> None:
        if mib:
            resource.setrlimit(limit, (mib * MIB, mib * MIB))

    return subprocess.run(
        [sys.executable, "-m", "striate", *words, "--set", "epochs=2 width=0.5"],
        cwd=place,
        env={**os.environ, **ONE_THREAD, "STRIATE_CACHE": str(place / "cache")},
        preexec_fn=lower,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(("limit", "mib"), LIMITS)
def test_too_little_memory_is_told(
    place: Path, limit: int, mib: int, record_property: Callable[[str, object], None]
) -> None:
    out = f"run-{limit}-{mib}"
    done = fit(place, out, limit, mib)
    record_property(f"memory limit {limit} of {mib} MiB", f"exit {done.returncode}")
    if GLIBC in done.stderr:
        assert done.returncode == 127
    elif done.returncode not in (
        -signal.SIGSEGV,
        -signal.SIGABRT,
    ):  # else a library fell
        assert done.returncode in (0, 6), done.stderr
    if done.returncode == 6:
        told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(told) == 1, done.stderr
    assert "Traceback" not in done.stderr
    if (place / out).exists():
        assert not [path for path in (place / out).rglob("*") if path.name.startswith(".")]
    assert not list((place / "cache").rglob("*.part"))


@pytest.mark.skipif(not FULL, reason="in `make fire` only")
def test_what_memory_ended_goes_on_without_the_limit(place: Path) -> None:
    """A run that was ended by its limit after it had begun is finished by the same command."""
    for mib in (4100, 4200, 4300, 4400, 4500):
        if fit(place, f"again-{mib}", resource.RLIMIT_AS, mib).returncode == 6:
            assert fit(place, f"again-{mib}").returncode == 0
            assert Run.load(place / f"again-{mib}").summary.finished
