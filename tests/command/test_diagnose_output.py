"""`striate diagnose`: words, JSON, both languages, what it refuses."""

import json
from pathlib import Path

import pytest

from striate import cli


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that overfits after epoch 10."""
    lines = ["epoch,train_loss,val_loss,lr"]
    for epoch in range(30):
        wobble = 0.01 * (-1) ** epoch
        train = 2 * 0.8**epoch + 0.05 + wobble
        val = 2 * 0.7**epoch + 0.3 + 0.03 * max(0, epoch - 10) + wobble
        lines.append(f"{epoch},{train},{val},0.1")
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.run(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_it_says_what_the_curves_tell(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "diagnose", str(log), "--lang", "en")
    assert (code, err) == (0, "")
    assert out.startswith("log.csv: 30 epochs; train_loss = train_loss")
    assert "\nIt overfits.\n" in out
    assert "After epoch" in out
    assert "weights of epoch" in out


def test_in_chinese(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "diagnose", str(log), "--lang", "zh")
    assert code == 0
    assert "过拟合" in out


def test_as_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "diagnose", str(log), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "striate/diagnosis/1"
    assert found["verdict"]["code"] == "overfitting"
    assert 7 <= found["chosen"]["epoch"] <= 13


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "LOG is missing"),
        (("none.csv",), 3, "There is no none.csv"),
        (("none.csv", "--val-images", "0"), 2, "--val-images must be a whole number"),
        (("none.csv", "--lang", "fr"), 2, "--lang is 'fr'"),
    ],
)
def test_what_it_refuses(
    words: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = told(capsys, "diagnose", *words)
    assert (found, out) == (code, "")
    assert said in err
