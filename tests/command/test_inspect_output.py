"""`striate inspect`: planted faults are told, shown and left out of a table that fit can read."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate import cli
from striate.data.scan import read_index
from striate.stages import inspect
from striate.stages.inspect import SuspectedImages
from striate.values import Options


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes in train and test with a copy, a contradiction, a leak and a cut file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for label in ("frog <b>", "toad"):
            folder = tmp_path / "ponds" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{split}{number:02}.png")
    train, test = tmp_path / "ponds/train", tmp_path / "ponds/test"
    shutil.copy(train / "toad/train00.png", train / "toad/copy.png")
    shutil.copy(train / "toad/train01.png", train / "frog <b>/torn.png")
    shutil.copy(train / "toad/train02.png", test / "toad/leak.png")
    whole = (train / "toad/train03.png").read_bytes()
    (train / "toad/cut.png").write_bytes(whole[: len(whole) // 3])
    return tmp_path / "ponds"


@pytest.fixture(autouse=True)
def undoubted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is asked about labels but where a test is about that."""
    if "doubt" not in request.node.name:
        monkeypatch.setattr(
            inspect, "find_suspected_images", lambda *_: SuspectedImages(doubts=(), looked_at=0)
        )


def run(*words: str) -> int:
    return cli.run([*words, "--quiet"])


def test_what_was_planted_is_told_and_shown(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.stat().st_mtime_ns for path in pictures.rglob("*"))
    assert run("inspect", "ponds") == 0
    told = capsys.readouterr().out
    for said in (
        "39 images in 2 classes, 36 images without duplicates.",
        "Files that cannot be used: 1, such as train/toad/cut.png",
        "3 images in 6 files; one image occurs 2 times",
        "several different labels: 1, such as train/frog <b>/torn.png = train/toad/train01",
        "1 images of test are duplicates of images in other splits, such as test/toad/leak.png",
        "5-fold cross-validation on all 39 images",
        "with images: inspect.html",
    ):
        assert said in told
    page = Path("inspect.html").read_text("utf-8")
    assert "<script" not in page
    assert "frog &lt;b&gt;" in page
    assert "frog <b>" not in page
    assert page.count("data:image/png") == 6
    assert sorted(path.stat().st_mtime_ns for path in pictures.rglob("*")) == before


def test_in_chinese(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", "ponds", "--lang", "zh", "--out", "page.html") == 0
    assert "39 张图像，2 个类别" in capsys.readouterr().out
    assert "同一图像出现在两个划分中" in Path("page.html").read_text("utf-8")


def test_json_is_one_object_with_every_figure(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", "ponds", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "striate/inspection/1"
    assert found["images"]["set_aside"] == 1
    assert [leak["path"] for leak in found["leaks"]] == ["test/toad/leak.png"]
    torn = [family for family in found["copies"] if len(set(family["labels"])) > 1]
    assert torn[0]["paths"] == ["train/frog <b>/torn.png", "train/toad/train01.png"]


def test_the_clean_table_is_read_by_fit_and_has_no_fault_left(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", "ponds", "--fix", "clean.csv") == 0
    assert "clean.csv lists 35 images for striate fit" in capsys.readouterr().out
    index = read_index("clean.csv", Options())
    assert len(index.used()) == 35
    assert index.given_splits == ("train", "test")
    with Path("clean.csv").open(encoding="utf-8", newline="") as file:
        paths = {row["image"] for row in csv.DictReader(file)}
    assert len(paths & {"ponds/train/toad/train00.png", "ponds/train/toad/copy.png"}) == 1
    assert not {p for p in paths if "torn" in p or "leak" in p or "cut" in p}
    assert run("inspect", "clean.csv", "--out", "again.html") == 0
    again = capsys.readouterr().out
    assert "No duplicates." in again
    assert "All image files can be read." in again
    assert run("inspect", "ponds", "--fix", "clean.csv") == 0  # its own table may be renewed


def test_files_of_others_and_the_source_are_never_written_to(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.csv").write_text("image,label\n")
    Path("mine.html").write_text("<p>mine</p>")
    for words in (
        ("--fix", "mine.csv"),
        ("--out", "mine.html"),
        ("--fix", "ponds/clean.csv"),
        ("--out", "nowhere/page.html"),
        ("--out", "ponds"),
    ):
        assert run("inspect", "ponds", *words) == 2
    assert Path("mine.csv").read_text() == "image,label\n"
    assert not Path("inspect.html").exists()
    assert "striate did not write it" in capsys.readouterr().err


def test_outputs_are_renewed_forced_or_refused(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", "ponds", "--out", "page.html", "--fix", "clean.csv") == 0
    Path("link.csv").symlink_to("clean.csv")
    # A table is no page, an input is no output, two outputs are no one file.
    for words in (
        ("ponds", "--out", "clean.csv"),
        ("ponds", "--fix", "page.html"),
        ("clean.csv", "--fix", "link.csv", "--force"),
        ("clean.csv", "--out", "ponds/train/toad/train04.png", "--force"),
        ("ponds", "--out", "both.html", "--fix", "both.html"),
    ):
        table, page = Path("clean.csv").read_bytes(), Path("page.html").read_bytes()
        photo = (pictures / "train/toad/train04.png").read_bytes()
        assert run("inspect", *words) == 2
        assert "Name another file" in capsys.readouterr().err
        assert (Path("clean.csv").read_bytes(), Path("page.html").read_bytes()) == (table, page)
        assert (pictures / "train/toad/train04.png").read_bytes() == photo
    Path("mine.html").write_text("<p>mine</p>")
    assert run("inspect", "ponds", "--out", "mine.html", "--force") == 0
    assert 'content="striate inspect"' in Path("mine.html").read_text("utf-8")
    assert run("inspect", "ponds", "--out", "mine.html") == 0


def test_exit_codes(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", "ponds", "--strict") == 4
    assert "1 files were excluded" in capsys.readouterr().err
    assert run("inspect", "pondz") == 3
    assert run("inspect", "ponds", "--strategy", "linear") == 2
    assert run("inspect") == 2
    assert run("inspect", "demo", "--fix", "clean.csv") == 2


def test_a_series_is_suspected_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "films" / label).mkdir(parents=True)
        for film in range(8):
            scene = rng.integers(0, 200, (24, 24, 3))
            for frame in range(4):
                pixels = (scene + rng.integers(0, 55, scene.shape)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / f"films/{label}/film{film}-{frame}.png")
    assert run("inspect", "films") == 0
    assert "--group-pattern" in capsys.readouterr().out


def test_a_doubtful_label_is_told_shown_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for channel, label in enumerate(("green", "red")):
        (tmp_path / "colours" / label).mkdir(parents=True)
        for number in range(30):
            wrong = label == "red" and number == 7
            pixels = rng.integers(0, 100, (24, 24, 3), np.uint8)
            pixels[..., channel if wrong else 1 - channel] += 100
            Image.fromarray(pixels).save(tmp_path / f"colours/{label}/{number:02}.png")
    assert run("inspect", "colours", "--fix", "clean.csv", "--minutes", "0.5") == 0
    told = capsys.readouterr().out
    assert "less than 5 %, such as red/07.png (red: green?)" in told
    assert "1 possible label errors are marked" in told
    page = Path("inspect.html").read_text("utf-8")
    assert "more likely green" in page
    with Path("clean.csv").open(encoding="utf-8", newline="") as file:
        marked = [row for row in csv.DictReader(file) if row["suggested"]]
    assert [(row["image"], row["label"], row["suggested"]) for row in marked] == [
        ("colours/red/07.png", "red", "green")
    ]


@pytest.mark.parametrize(("task", "said"), [("labels", "2 labels"), ("number", "with a number")])
def test_several_labels_and_numbers_are_told_and_not_doubted(
    task: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        inspect, "find_suspected_images", lambda *_: SuspectedImages(doubts=(), looked_at=0)
    )
    rng = np.random.default_rng(0)
    lines = ["image,label"]
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(f"{number}.png")
        label = ("a", "b", "a|b")[number % 3] if task == "labels" else str(number)
        lines.append(f"{number}.png,{label}")
    Path("table.csv").write_text("\n".join(lines) + "\n")
    assert run("inspect", "table.csv", "--task", task) == 0
    told = capsys.readouterr().out
    assert said in told
    assert "Labels were not checked" in told
    assert Path("inspect.html").exists()
