"""Every command and every Python block on the pages is carried out, page after page.

One work folder serves all pages, as it would a reader who goes through them: `photos` to fit,
`held-out` to evaluate, `new` to label, `scans.csv`, `history.csv`, `digits` and `signs` with
groups, and `set.npz` and `MNIST/raw`. Budgets are cut to the shortest one. Commands of the
checkout itself (`make`, `pip`, `git`) are looked at elsewhere; code cells run in `make docs`.
"""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.sources.demo import load_demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "docs/index.md",
    *sorted(
        str(page.relative_to(ROOT))
        for folder in ("tutorial", "how-to", "reference", "why")
        for page in (ROOT / "docs" / folder).glob("*.md")
    ),
)
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.M | re.S)
TO_CHOOSE = re.compile(r"(?:To choose: |自己选：)(.*)$", re.M)
ELSEWHERE = ("make", "pip", "git", ".venv/bin/pre-commit")
CLASSES = ("Bag", "Sandal", "Trouser")
SHORTEST = "0.5"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images that the pages speak of."""
    folder = tmp_path_factory.mktemp("work")
    demo = load_demo()
    labels = np.array(demo.labels)
    names = [name for name in sorted(set(demo.labels)) if name.startswith(CLASSES)]
    assert len(names) == len(CLASSES)
    for name in names:
        rows = np.flatnonzero(labels == name)
        save(demo.images[rows[:160]], folder / "photos" / name.lower())
        save(demo.images[rows[160:185]], folder / "held-out" / name.lower())
        grouped(demo.images[rows[:40]], name.lower(), folder)
    save(demo.images[np.flatnonzero(labels == names[0])[200:204]], folder / "new")
    table(folder)
    log(folder)
    arrays(demo.images, labels, names, folder)
    return folder


def arrays(images: np.ndarray, labels: np.ndarray, names: list[str], folder: Path) -> None:
    """`set.npz`, and `MNIST/raw` with the files of a training split and a test split."""
    rows = np.concatenate([np.flatnonzero(labels == name)[:120] for name in names])
    numbers = np.repeat(np.arange(len(names)), 120)
    np.savez_compressed(folder / "set.npz", images=images[rows], labels=numbers)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    judging = np.arange(len(rows)) % 4 == 0
    for split, some in (("train", ~judging), ("t10k", judging)):
        pixels = images[rows[some]].reshape(-1, 28, 28)
        head = struct.pack(">4i", 0x803, len(pixels), 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        head = struct.pack(">2i", 0x801, len(pixels))
        content = head + numbers[some].astype(np.uint8).tobytes()
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(content)


def grouped(images: np.ndarray, name: str, folder: Path) -> None:
    """Forty images of one class by ten writers, and in a given split of ten tracks."""
    for number, image in enumerate(images):
        digit = folder / "digits" / name / f"input_{number % 10}_{number}.png"
        side = "test" if number % 5 == 0 else "train"
        sign = folder / "signs" / side / name / f"{number // 4}_{number}.png"
        for path in (digit, sign):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def table(folder: Path) -> None:
    """`scans.csv`: the photos with a patient each, every fourth patient for the test."""
    paths = sorted(path.relative_to(folder) for path in folder.glob("photos/*/*.png"))
    lines = ["image,label,split,patient"]
    for number, path in enumerate(paths):
        patient = number // 3
        lines.append(f"{path},{path.parent.name},{'train' if patient % 4 else 'test'},p{patient}")
    (folder / "scans.csv").write_text("\n".join(lines) + "\n", "utf-8")


def log(folder: Path) -> None:
    """`history.csv`: a training's log of twelve epochs."""
    lines = ["epoch,train_loss,val_loss,train_accuracy,val_accuracy,lr"]
    for epoch in range(1, 13):
        loss = 0.2 + 1.5 / epoch
        lines.append(f"{epoch},{loss},{loss + 0.1},{1 - loss / 3},{1 - loss / 2.9},0.1")
    (folder / "history.csv").write_text("\n".join(lines) + "\n", "utf-8")


def save(images: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, 1):
        Image.fromarray(image).save(folder / f"{number}.png")


def environment(work: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "STRIATE_CACHE": str(work / "cache"),
        "HF_HUB_OFFLINE": "1",
    }


def shortened(text: str) -> str:
    """The same commands with the shortest budget; none of them may wait for its reader's time."""
    text = re.sub(r"(--minutes |minutes=)[\d.]+", rf"\g<1>{SHORTEST}", text)
    text = re.sub(
        r"^(striate fit (?!.*--minutes).*)$", rf"\1 --minutes {SHORTEST}", text, flags=re.M
    )
    return re.sub(r'striate\.fit\(("\w+")\)', rf"striate.fit(\1, minutes={SHORTEST})", text)


def test_the_lines_to_choose_by_are_found() -> None:
    found = [page for page in PAGES if chosen_by(page)]
    assert len(found) >= 13
    for page in found:
        twin = ROOT / page.replace("docs/", "docs/zh/", 1)
        if twin.is_file():
            assert chosen_by(page) == chosen_by(str(twin.relative_to(ROOT))), page


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/why/")])
def test_what_a_page_offers_to_choose_can_be_chosen(page: str, work: Path) -> None:
    """Each with `striate fit`, of one epoch, so that the plan is made and carried out."""
    offered = chosen_by(page)
    if not offered:
        pytest.skip("nothing to choose on this page")
    for number, flags in enumerate(offered):
        once = re.sub(r'--set "?([^"]*)"?', r'--set "\1 epochs=1"', flags)
        line = f"striate fit photos {once} --restart --out chosen-{number} --minutes {SHORTEST}"
        run(["bash", "-e", "-c", line], page, flags, work)


def chosen_by(page: str) -> list[str]:
    """The flags behind "To choose:" on a page, in its own order."""
    found = TO_CHOOSE.search((ROOT / page).read_text("utf-8"))
    return re.findall(r"`(--[^`]+)`", found[1]) if found else []


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, work: Path) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text("utf-8"))
    if not blocks:
        pytest.skip("no commands on this page")
    for kind, text in blocks:
        if kind == "bash":
            for line in commands(text):
                run(["bash", "-e", "-o", "pipefail", "-c", line], page, line, work)
    code = "\n".join(text for kind, text in blocks if kind == "python")
    if code:
        run([sys.executable, "-W", "error", "-c", shortened(code)], page, code, work)


def commands(text: str) -> list[str]:
    lines = text.replace("\\\n", " ").splitlines()
    bare = [re.split(r"\s+# ", line)[0].strip() for line in lines if not line.startswith("#")]
    return [shortened(line) for line in bare if line and line.split()[0] not in ELSEWHERE]


def run(command: list[str], page: str, shown: str, work: Path) -> None:
    done = subprocess.run(
        command,
        cwd=work,
        env=environment(work),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{page}\n{shown}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
