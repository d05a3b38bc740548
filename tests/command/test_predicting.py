"""`predict` and `evaluate` on the command line: a row for every input, whatever happens."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate import cli


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a green, a red and a broken picture."""
    generator = np.random.default_rng(5)
    (tmp_path / "new").mkdir()
    for channel, colour in enumerate(("green", "red")):
        pixels = generator.integers(0, 100, (24, 24, 3), np.uint8)
        pixels[..., 1 - channel] += 60
        Image.fromarray(pixels).save(tmp_path / "new" / f"{colour}.png")
    (tmp_path / "new" / "text.png").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = cli.run([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


GREEN, RED, TEXT = "new/green.png", "new/red.png", "new/text.png"


def test_one_that_is_missing_does_not_end_the_rest(
    small_run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = (RED, "gone.png", GREEN, RED, TEXT, "none/*.jpg")
    code, out, err = told(capsys, "predict", small_run, *paths, "-q")
    assert code == 0
    found = rows(out)
    assert tuple(row["path"] for row in found) == paths
    assert [row["predicted"] for row in found] == ["red", "", "green", "red", "", ""]
    assert found[1]["error"] == "it does not exist"
    assert "not read: gone.png" in err
    code, out, _ = told(capsys, "predict", small_run, *paths, "-q", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [bool(line["error"]) for line in lines] == [False, True, False, False, True, True]


@pytest.mark.parametrize(
    ("paths", "strict", "code", "written"),
    [
        ((GREEN, TEXT), False, 0, 2),
        ((GREEN, TEXT), True, 4, 2),
        ((GREEN, "gone.png"), True, 4, 2),
        ((GREEN,), True, 0, 1),
        ((TEXT,), False, 3, 1),
        ((TEXT, TEXT), True, 3, 2),
        (("gone.png",), False, 3, 0),
    ],
)
def test_exit_codes_follow_what_failed(
    small_run: Path,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    paths: tuple[str, ...],
    strict: bool,
    code: int,
    written: int,
) -> None:
    flags = ["--strict"] if strict else []
    assert told(capsys, "predict", small_run, *paths, "-o", "out.csv", *flags)[0] == code
    there = Path("out.csv").exists()
    assert (len(rows(Path("out.csv").read_text())) if there else 0) == written


def test_tables_and_archives_are_inputs(
    small_run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("list.csv").write_text("foto,x\nnew/red.png,1\ngone.png,2\nnew/green.png,3\n")
    Path("other.csv").write_text("a,b\n1,2\n")
    with zipfile.ZipFile("more.zip", "w") as archive:
        archive.write(RED, "deep/red.png")
    code, out, _ = told(capsys, "predict", small_run, "list.csv", "--image", "foto", "-q")
    assert code == 0
    assert [row["predicted"] for row in rows(out)] == ["red", "", "green"]
    code, out, _ = told(capsys, "predict", small_run, "more.zip", GREEN, "other.csv", "-q")
    assert code == 0
    assert [row["predicted"] for row in rows(out)] == ["red", "green", ""]
    assert "no column image" in rows(out)[2]["error"]
    assert told(capsys, "predict", small_run, "other.csv", "-q")[0] == 3


def test_a_spreadsheet_is_written_on_request(
    small_run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(RED).rename("=red.png")
    assert told(capsys, "predict", small_run, "=red.png", "--excel", "-o", "out.csv")[0] == 0
    content = Path("out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpath,")
    assert b"\n'=red.png,red," in content
    assert b"\r" not in content
    code, _, err = told(capsys, "predict", small_run, "=red.png", "--excel", "--json")
    assert code == 2
    assert "--excel" in err


def test_thresholds_have_a_heading_on_standard_error(
    small_run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--precision", "0.9", "--recall", "0.8", "-q")
    _, out, err = told(capsys, "predict", small_run, GREEN, *asked)
    assert out.startswith("path,")
    lines = err.splitlines()
    assert "precision of 0.9" in lines[0]
    assert "recall of 0.8" in lines[3]


# Evaluate ----------------------------------------------------------------------------------------


@pytest.fixture
def listed(here: Path) -> Path:
    """A table of them under names of its own, one of a class that the model does not know."""
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save("new/black.png")
    table = here / "more.csv"
    table.write_text(
        "foto,kind,who\nnew/green.png,green,a\nnew/red.png,green,b\nnew/text.png,red,b\n"
        "new/black.png,zebra,c\n"
    )
    return table


def test_evaluate_takes_the_flags_that_its_hints_name(
    small_run: Path, listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "evaluate", small_run, listed)
    assert code == 3
    assert "--label" in err
    named = ("--image", "foto", "--label", "kind")
    code, out, _ = told(capsys, "evaluate", small_run, listed, *named, "-o", "rows.csv")
    assert code == 0
    assert "n = 2 images" in out
    assert "1 images are not counted" in out
    assert "zebra (1)" in out
    found = rows(Path("rows.csv").read_text())
    assert list(found[0]) == [
        *("path", "label", "predicted", "probability", "correct", "counted", "error"),
    ]
    by_path = {Path(row["path"]).stem: row for row in found}
    assert [by_path[n]["correct"] for n in ("green", "red", "text")] == ["true", "false", ""]
    counted = [by_path[n]["counted"] for n in ("green", "red", "text", "black")]
    assert counted == ["yes", "yes", "not read", "unknown class"]
    assert by_path["text"]["error"]
    assert told(capsys, "evaluate", small_run, listed, *named, "--strict")[0] == 4
    code, out, _ = told(capsys, "evaluate", small_run, listed, *named, "--group", "who", "--json")
    assert json.loads(out)["unknown_classes"] == [["zebra", 1]]
    assert told(capsys, "evaluate", small_run, listed, *named, "--group", "nobody")[0] == 3
    assert told(capsys, "evaluate", small_run, listed, "--minutes", "3")[0] == 2


def test_evaluate_names_numbers(
    small_run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("n.csv").write_text("image,label\nnew/green.png,0\nnew/red.png,1\n")
    code, _, err = told(capsys, "evaluate", small_run, "n.csv")
    assert code == 3
    assert "--classes" in err
    code, out, _ = told(capsys, "evaluate", small_run, "n.csv", "--classes", "green,red")
    assert code == 0
    assert out.startswith("Accuracy 100.0%")


# Streams -----------------------------------------------------------------------------------------


CLOSE = """
import os, sys
for number in {numbers}:
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "striate", *{words!r}])
"""


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (["completion", "bash"], {0}),
        (["--help"], {0}),
        (["predict", "RUN", GREEN, "-q"], {0}),
        (["predict", "RUN", "-", "-q"], {2}),
        (["evaluate", "RUN", "gone"], {3}),
    ],
)
def test_closed_streams_are_no_fault(
    small_run: Path, here: Path, numbers: tuple[int, ...], words: list[str], codes: set[int]
) -> None:
    if "predict" in words and numbers in ((2,), (0, 1, 2)) and GREEN in words:
        pytest.skip("as with the others; each start costs seconds")
    typed = [str(small_run) if word == "RUN" else word for word in words]
    said = subprocess.run(
        [sys.executable, "-c", CLOSE.format(numbers=numbers, words=typed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert said.returncode in codes, said.stderr
    assert b"Traceback" not in said.stderr
    assert sorted(path.name for path in here.iterdir()) == ["new"]


def test_a_reader_of_one_line_is_no_fault(small_run: Path, here: Path) -> None:
    Path("list.txt").write_text(f"{GREEN}\n" * 3000)
    words: list[Any] = [sys.executable, "-m", "striate", "predict", small_run, "-", "-q"]
    reading, writing = os.pipe()
    with Path("list.txt").open("rb") as paths:
        program = subprocess.Popen(words, stdin=paths, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = program.communicate(timeout=100)
    assert program.returncode in (0, 141)
    assert b"Traceback" not in err
    assert b"error" not in err
