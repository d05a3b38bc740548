"""The wheel carries all that it needs, and works where nothing of the checkout is at hand."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
CARRIED = (
    "striate/py.typed",
    "striate/report/page.html",
    "striate/report/page.css",
    "striate/report/text/en.toml",
    "striate/report/text/zh.toml",
    "striate/data/demo_set/train.png",
    "striate/data/demo_set/test.png",
    "striate/data/demo_set/demo.json",
    "striate/data/demo_set/LICENSE.txt",
)
LARGEST_WHEEL = 3_500_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (found,) = folder.glob("striate-*.whl")
    return found


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what striate stands on is lent by this one."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    # A path file of a lent folder is not read, so the editable install does not come along.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return folder / "bin"


def test_wheel_carries_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert set(CARRIED) <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"striate"}
    assert any(name.endswith("licenses/NOTICE") for name in names)
    lists = {path.name for path in (ROOT / "docs/how-to/layer-lists").glob("*.toml")}
    assert lists == {name.rpartition("/")[2] for name in names if "/layer-lists/" in name}
    assert wheel.stat().st_size < LARGEST_WHEEL


def test_command_works_in_a_clean_environment(clean: Path, tmp_path: Path) -> None:
    where = run(clean / "python", "-c", "import striate; print(striate.__file__)", cwd=tmp_path)
    assert str(clean.parent) in where
    assert "fit" in run(clean / "striate", "--help", cwd=tmp_path)


def test_demo_is_fitted_in_a_clean_environment(clean: Path, tmp_path: Path) -> None:
    run(clean / "striate", "fit", "demo", "--minutes", "0.5", "--out", "run", cwd=tmp_path)
    for name in ("summary.json", "report.html", "model/weights.safetensors"):
        assert (tmp_path / "run" / name).is_file()


def run(*command: str | Path, cwd: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "STRIATE_CACHE") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
