"""Bad input: the right exit code, one sentence, what to type, and nothing left or touched."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate import cli

Told = Callable[..., tuple[int, str]]


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Told:
    """Runs a command in an empty folder; gives exit code and errors, checked for their form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def tell(*words: str) -> tuple[int, str]:
        before = everything(tmp_path)
        code = cli.run(words)
        said = capsys.readouterr()
        assert code != 0
        assert said.out == ""
        assert "Traceback" not in said.err
        errors = said.err.splitlines()[-2:]
        assert errors[0].startswith("error: ")
        assert errors[0].endswith((".", "?"))
        assert errors[1].startswith("  ")
        assert len(errors[1].strip()) > 5
        assert everything(tmp_path) == before, "something was left behind or touched"
        return code, said.err

    return tell


def everything(folder: Path) -> dict[str, str]:
    """Every file and folder with a digest of its content."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


def pictures(folder: Path, classes: tuple[str, ...], count: int) -> None:
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 255, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


# The source --------------------------------------------------------------------------------------


def test_a_source_that_is_not_there(told: Told) -> None:
    pictures(Path("flowers"), ("a", "b"), 2)
    code, err = told("fit", "flowerz")
    assert code == 3
    assert "flowerz" in err
    assert "flowers" in err.replace("flowerz", "")


def test_a_file_where_a_folder_is_due(told: Told) -> None:
    Path("notes.txt").write_text("no pictures")
    code, err = told("fit", "notes.txt")
    assert code == 3
    assert "notes.txt" in err


def test_an_empty_folder(told: Told) -> None:
    Path("empty").mkdir()
    code, err = told("fit", "empty")
    assert code == 3
    assert "empty" in err


def test_one_class(told: Told) -> None:
    pictures(Path("pets"), ("cat",), 5)
    code, err = told("fit", "pets")
    assert code == 3
    assert "pets" in err or "cat" in err


def test_a_class_with_one_image_is_named_with_the_way_on(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 8)
    pictures(Path("pets"), ("axolotl",), 1)
    code, err = told("fit", "pets")
    assert code == 3
    assert "axolotl" in err
    assert "--drop-rare" in err


@pytest.mark.parametrize("flags", [(), ("--drop-rare",)])
@pytest.mark.parametrize("more", [0, 1])
def test_one_image_a_class_says_that_nothing_can_be_measured(
    told: Told, flags: tuple[str, ...], more: int
) -> None:
    pictures(Path("pets"), ("cat", "dog"), 1)
    pictures(Path("pets"), ("axolotl",), 1 + more)
    code, err = told("fit", "pets", *flags)
    assert code == 3
    assert f"{'The classes cat, dog' if more else 'The classes axolotl, cat, dog'} in pets" in err
    assert "no accuracy can be measured" in err
    assert "--drop-rare" not in err, "nothing would be left"


def test_a_class_that_is_missing_from_train_is_named(told: Told) -> None:
    pictures(Path("pets/train"), ("cat", "dog"), 4)
    pictures(Path("pets/test"), ("cat", "dog", "axolotl"), 4)
    code, err = told("fit", "pets")
    assert code == 3
    assert "axolotl" in err


def test_a_folder_of_broken_images_is_no_source(told: Told) -> None:
    for name in ("cat", "dog"):
        Path("pets", name).mkdir(parents=True)
        for number in range(4):
            Path("pets", name, f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    code, _ = told("fit", "pets")
    assert code == 3


def test_strict_refuses_what_was_set_aside(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)
    Path("pets/cat/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, err = told("fit", "pets", "--strict", "-q")
    assert code == 4
    assert "cat/broken.png" in err


def test_a_folder_without_permission(told: Told) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    pictures(Path("pets"), ("cat", "dog"), 4)
    Path("pets").chmod(0)
    try:
        code, err = told("fit", "pets")
    finally:
        Path("pets").chmod(0o755)
    assert code == 3
    assert "pets" in err


# The run folder ----------------------------------------------------------------------------------


def test_out_in_a_folder_of_the_users(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("years of work")
    for more in ((), ("--restart",)):
        code, err = told("fit", "pets", "--out", "thesis", *more)
        assert code == 2
        assert "thesis is not a run folder" in err


def test_out_into_the_source_itself(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)
    for out in ("pets", "pets/run"):
        code, err = told("fit", "pets", "--out", out)
        assert code == 2
        assert "inside the source pets" in err


def test_out_below_a_file(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)
    Path("taken").write_text("x")
    assert told("fit", "pets", "--out", "taken")[0] == 2
    code, err = told("fit", "pets", "--out", "taken/run")
    assert code == 6
    assert "taken/run" in err


def test_out_where_nothing_can_be_written(told: Told) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    pictures(Path("pets"), ("cat", "dog"), 4)
    code, err = told("fit", "pets", "--out", "/proc/run")
    assert code == 6
    assert "/proc/run" in err


def test_a_full_disk(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, err = told("fit", "pets", "-q")
    assert code == 6
    assert "disk is full" in err


@pytest.fixture
def copied_run(small_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(small_run, tmp_path / "run")
    shutil.copytree(small_run.parent / "pictures", tmp_path / "pictures")
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "{"),
        ("run.json", '{"schema": "striate/run/99"}'),
        ("model/weights.safetensors", ""),
        ("model/weights.safetensors", "garbage" * 100),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_damaged_run(told: Told, copied_run: Path, file: str, content: str, verb: str) -> None:
    (copied_run / file).write_text(content)
    code, err = told(verb, "run", "pictures")
    assert code == 5
    assert file in err


def test_weights_that_are_cut_short(told: Told, copied_run: Path) -> None:
    path = copied_run / "model" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    code, err = told("predict", "run", "pictures")
    assert code == 5
    assert "weights.safetensors" in err


def test_a_run_without_a_model(told: Told, copied_run: Path) -> None:
    shutil.rmtree(copied_run / "model")
    code, err = told("predict", "run", "pictures")
    assert code == 5
    assert "run" in err


def test_a_damaged_run_is_not_continued(told: Told, copied_run: Path) -> None:
    (copied_run / "run.json").write_text("{")
    code, err = told("fit", "pictures", "--strategy", "linear", "--out", "run")
    assert code == 5
    assert "run/run.json" in err


def test_the_report_of_a_run_whose_images_are_gone(told: Told, copied_run: Path) -> None:
    shutil.rmtree(copied_run.parent / "pictures")
    record = json.loads((copied_run / "run.json").read_text("utf-8"))
    gone = str(copied_run.parent / "nowhere")
    record["files"]["index.csv"]["facts"]["root"] = gone
    record["checksum"] = ""  # as before there were checksums
    (copied_run / "run.json").write_text(json.dumps(record))
    code, err = told("report", "run")
    assert code == 3
    assert "nowhere" in err


# Weights and plans -------------------------------------------------------------------------------


def test_weights_that_are_not_there(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 4)
    code, err = told("fit", "pets", "--net", "resnet18", "--weights", "none.safetensors")
    assert code == 2
    assert "none.safetensors" in err


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_weights_that_are_damaged(told: Told, name: str) -> None:
    pictures(Path("pets"), ("cat", "dog"), 40)
    Path(name).write_bytes(b"garbage" * 99)
    code, err = told("fit", "pets", "--net", "resnet18", "--weights", name, "-q")
    assert code == 5
    assert name in err


def test_weights_of_another_network(told: Told) -> None:
    import safetensors.numpy

    pictures(Path("pets"), ("cat", "dog"), 40)
    safetensors.numpy.save_file({"conv.weight": np.zeros((3, 3), np.float32)}, "w.safetensors")
    code, err = told("fit", "pets", "--net", "resnet18", "--weights", "w.safetensors", "-q")
    assert code == 5
    assert "bn1.weight" in err


def test_a_plan_that_is_none(told: Told) -> None:
    pictures(Path("pets"), ("cat", "dog"), 40)
    Path("plan.json").write_text('{"schema": "striate/summary/1"}')
    code, err = told("fit", "pets", "--plan", "plan.json", "-q")
    assert code == 2
    assert "plan.json is not a plan" in err


def test_a_plan_for_other_classes(told: Told, copied_run: Path) -> None:
    pictures(Path("pets"), ("cat", "dog"), 40)
    code, err = told("fit", "pets", "--plan", "run/plan.json", "-q")
    assert code == 2
    assert "run/plan.json" in err
    assert "cat" in err
