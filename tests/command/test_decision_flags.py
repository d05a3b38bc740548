"""`predict` and `evaluate` with wishes, on a real small run; what an older run says."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate import cli
from striate.predict.classifier import load_classifier, save_classifier, with_held_out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A green picture, a red one, and a checkerboard that is neither."""
    generator = np.random.default_rng(5)
    for channel, colour in enumerate(("green", "red")):
        pixels = generator.integers(0, 100, (24, 24, 3), np.uint8)
        pixels[..., 1 - channel] += 60
        Image.fromarray(pixels).save(tmp_path / f"{colour}.png")
    board = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((6, 6))) * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "strange.png")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = cli.run([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_answers_are_acted_on(
    small_run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = pictures / "costs.csv"
    costs.write_text("true,green,red\ngreen,0,1\nred,1,0\n")
    asked = ("--coverage", "0.9", "--unknown", "0.02", "--costs", costs, "-q")
    code, out, _ = told(capsys, "predict", small_run, pictures, *asked)
    lines = [line.split(",") for line in out.split("\n")]
    assert code == 0
    head = "path,predicted,probability,familiarity,set,expected_cost,p:green,p:red,error"
    assert lines[0] == head.split(",")
    assert [line[1] for line in lines[1:4]] == ["green", "red", "unknown"]
    assert [line[4] for line in lines[1:3]] == ["green", "red"]
    code, out, _ = told(capsys, "predict", small_run, pictures, *asked, "--json")
    first = json.loads(out.splitlines()[0])
    assert (first["predicted"], first["set"]) == ("green", ["green"])
    assert 0 < first["familiarity"] <= 1
    assert first["expected_cost"] < 0.5


def test_familiarity_is_told_unasked_and_python_takes_the_same(
    small_run: Path, pictures: Path
) -> None:
    run = striate.load(small_run)
    plain = run.predict(pictures / "strange.png")
    assert plain.familiarity is not None
    assert plain.labels[0] in plain.classes
    assert plain.sets is None
    found = run.predict(pictures / "strange.png", coverage=0.9, unknown=0.02)
    assert found.labels == ("unknown",)
    assert found.predicted.tolist() == plain.predicted.tolist()
    assert found.to_frame()["set"][0]


def test_a_dear_mistake_moves_the_answer(small_run: Path, pictures: Path) -> None:
    costs = pictures / "costs.csv"
    costs.write_text("true,green,red\ngreen,0,1000000\nred,1,0\n")
    found = striate.load(small_run).predict(pictures / "red.png", costs=costs)
    assert found.labels == ("green",)
    assert found.stated[0] == found.probabilities[0, 0] < 0.5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--coverage", "1"), 2, "--coverage must be a number above 0"),
        (("--coverage", "x", "--unknown", "7"), 2, "--unknown must be a number above 0"),
        (("--coverage", "0.9999"), 2, "allow at most"),
        (("--unknown", "0.0001"), 2, "smallest possible rate is"),
        (("--costs", "none.csv"), 3, "no file none.csv"),
    ],
)
def test_what_cannot_be_kept_is_one_sentence(
    small_run: Path,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    ended, out, err = told(capsys, "predict", small_run, pictures, *words)
    assert (ended, out) == (code, "")
    assert said in err


def test_a_run_without_held_out_images_predicts_and_promises_nothing(
    small_run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    shutil.copytree(small_run, old)
    save_classifier(with_held_out(load_classifier(old / "model"), None), old / "model")
    code, out, _ = told(capsys, "predict", old, pictures / "red.png", "-q")
    assert code == 0
    assert out.startswith("path,predicted,probability,p:green")
    code, _, err = told(capsys, "predict", old, pictures / "red.png", "--coverage", "0.9")
    assert code == 5
    assert "No held-out images are stored with this model" in err


def test_what_is_kept_is_read_back(small_run: Path, tmp_path: Path) -> None:
    model = load_classifier(small_run / "model")
    assert model.held_out is not None
    assert model.spec.held_out == model.held_out.card
    assert model.held_out.how == "leave-one-out"
    save_classifier(model, tmp_path / "copy")
    again = load_classifier(tmp_path / "copy").held_out
    assert again is not None
    for name in ("probabilities", "truth", "groups", "distances", "reference"):
        assert np.array_equal(getattr(again, name), getattr(model.held_out, name))


def test_evaluate_tells_what_the_answers_cost(
    small_run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs, source = pictures / "costs.csv", pictures / "labelled"
    costs.write_text("true,green,red\ngreen,0,1000000\nred,1,0\n")
    for colour in ("green", "red"):
        (source / colour).mkdir(parents=True)
        shutil.copy(pictures / f"{colour}.png", source / colour)
    code, out, _ = told(capsys, "evaluate", small_run, source, "--costs", costs)
    assert code == 0
    assert out.startswith("Accuracy 50.0%")
    assert "Mean cost of a prediction 0.5" in out
    shown = json.loads(told(capsys, "evaluate", small_run, source, "--costs", costs, "--json")[1])
    assert (shown["cost"]["value"], shown["cost_of_likeliest"]["value"]) == (0.5, 0.0)
    costs.write_text("true,green,blue\ngreen,0,1\nblue,1,0\n")
    code, _, err = told(capsys, "evaluate", small_run, source, "--costs", costs)
    assert code == 2
    assert "lacks red; has too many blue" in err


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Seventy new pictures of each colour, every seventh in the wrong folder."""
    generator = np.random.default_rng(6)
    for channel, colour in enumerate(("green", "red")):
        for number in range(70):
            pixels = generator.integers(0, 100, (24, 24, 3), np.uint8)
            pixels[..., channel if number % 7 == 0 else 1 - channel] += 60
            path = tmp_path / "labelled" / colour / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return tmp_path / "labelled"


WISHES = ("--coverage", "0.9", "--precision", "0.9", "--recall", "0.9", "--unknown", "0.05")


def test_evaluate_tells_what_wishes_came_to(
    small_run: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, "evaluate", small_run, labelled, *WISHES)
    assert (code, err) == (0, "")
    assert "target coverage 0.9: 85.7%" in out
    assert "target precision 0.9: " in out
    assert "target recall 0.9: " in out
    assert "Predicted 'unknown', at most 0.05" in out
    for head in (
        "predicted from",
        "flagged from",
        "true class",
        "kind",
        "Most confident mistakes:",
    ):
        assert head in out
    assert "Darkest quarter" in out
    plain = told(capsys, "evaluate", small_run, labelled)[1]
    assert "target coverage" not in plain
    assert "Most confident mistakes:" in plain


def test_evaluate_gives_the_same_as_json_and_in_python(
    small_run: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "evaluate", small_run, labelled, *WISHES, "--json")
    shown = json.loads(out)
    found = striate.load(small_run).evaluate(
        labelled, coverage=0.9, precision=0.9, recall=0.9, unknown=0.05
    )
    assert code == 0
    seen = found.observed
    assert seen.coverage is not None
    assert seen.precision is not None
    assert shown["observed"]["coverage"]["holds"]["value"] == seen.coverage.holds.value
    assert seen.coverage.holds.value == pytest.approx(6 / 7)
    assert [each.name for each in seen.precision.classes] == ["green", "red"]
    assert len(shown["mistakes"]) == 12
    assert {pair["images"] for pair in shown["confused"]} == {10}
    assert {kind["name"] for kind in shown["kinds"]} >= {"dark", "bright"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--coverage", "1"), 2, "--coverage must be a number above 0"),
        (("--precision", "95%"), 2, "--precision must be a number above 0"),
        (("--recall", "0", "--coverage", "9"), 2, "--recall must be a number above 0"),
        (("--coverage", "0.9999"), 2, "allow at most"),
        (("--costs", "none.csv"), 3, "no file none.csv"),
        (("--precision", "0.9", "--costs", "none.csv"), 2, "exclude each other"),
    ],
)
def test_evaluate_refuses_what_cannot_be(
    small_run: Path,
    labelled: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    ended, out, err = told(capsys, "evaluate", small_run, labelled, *words)
    assert (ended, out) == (code, "")
    assert said in err
    assert "predict" not in err


def test_evaluate_refuses_a_folder_that_says_no_class(
    small_run: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = labelled / "green"
    code, out, err = told(capsys, "evaluate", small_run, folder, "--coverage", "0.9")
    assert (code, out) == (3, "")
    assert "is in a class folder" in err
    assert len(err.splitlines()) == 2


def test_python_refuses_the_same(small_run: Path, labelled: Path) -> None:
    run = striate.load(small_run)
    with pytest.raises(ValueError, match="precision is 1; it must be above 0"):
        run.predict(labelled / "red" / "00.png", precision=1)
    with pytest.raises(ValueError, match="recall is -1; it must be above 0"):
        run.evaluate(labelled, recall=-1)


def test_python_predicts_with_precision_and_recall(small_run: Path, labelled: Path) -> None:
    found = striate.load(small_run).predict(
        [labelled / "red" / "01.png"], precision=0.9, recall=0.9
    )
    assert found.unsure is not None
    assert found.flagged is not None
    assert found.flagged.shape == (1, 2)


def test_thresholds_are_told_and_kept(
    small_run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--precision", "0.9", "--recall", "0.9", "-q")
    code, out, err = told(capsys, "predict", small_run, pictures, *asked)
    assert code == 0
    lines = [line.split(",") for line in out.split("\n")]
    assert lines[0][:5] == ["path", "predicted", "probability", "familiarity", "flagged"]
    assert {line[1] for line in lines[1:4]} <= {"green", "red", "unsure"}
    assert lines[1][4] in {"green", "green|red"}
    said = [line for line in err.splitlines() if "held-out images" in line]
    assert len([line for line in said if "precision" in line]) == 2
    assert len([line for line in said if "recall" in line]) == 2
    code, out, _ = told(capsys, "predict", small_run, pictures, *asked, "--json")
    assert "green" in json.loads(out.splitlines()[0])["flagged"]


@pytest.mark.parametrize("value", ["0", "1", "2", "much", "nan", "-0.5"])
@pytest.mark.parametrize("flag", ["--precision", "--recall"])
def test_a_share_out_of_bounds_is_told(
    small_run: Path, capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    code, _, err = told(capsys, "predict", small_run, "x.png", f"{flag}={value}")
    assert code == 2
    assert flag in err
    assert "Traceback" not in err


def test_precision_and_costs_exclude_each_other(
    small_run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = pictures / "costs.csv"
    costs.write_text("true,green,red\ngreen,0,1\nred,1,0\n")
    asked = ("--precision", "0.9", "--costs", costs)
    code, _, err = told(capsys, "predict", small_run, pictures, *asked)
    assert code == 2
    assert "exclude each other" in err
