"""A real browser, and axe-core from the npm registry, kept in an ignored folder."""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "scratch" / "axe"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which looks for what keeps people from reading a page."""
    script = AXE / "package" / "axe.min.js"
    if not script.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, so axe-core cannot be fetched")
        AXE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "axe-core@4"], cwd=AXE, check=True, capture_output=True)
        with tarfile.open(next(AXE.glob("axe-core-*.tgz"))) as archive:
            archive.extractall(AXE, filter="data")
    return script.read_text(encoding="utf-8")
