"""Several labels and numbers from end to end: table in, run folder, report and answers out."""

import csv
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from striate import cli
from striate.errors import ModelError
from striate.pipeline import fit, write_report
from striate.run import Run
from striate.values import Options

COLOURS = {"blue": 2, "green": 1, "red": 0}
IMAGES, MANY = 150, 420


def pictures(folder: Path, images: int) -> np.ndarray:
    """Grey noise with up to three coloured squares, N x 3 which; their share is the number."""
    generator = np.random.default_rng(0)
    marks = generator.random((images, 3)) < (0.5, 0.4, 0.3)
    for number, row in enumerate(marks):
        pixels = generator.integers(60, 120, (32, 32, 3))
        for place, channel in enumerate(COLOURS.values()):
            if row[place]:
                y, x = generator.integers(0, 22, 2)
                pixels[y : y + 10, x : x + 10] = 0
                pixels[y : y + 10, x : x + 10, channel] = 250
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03}.png")
    return marks


def with_tables(folder: Path, images: int) -> Path:
    """Pictures with a table of their labels and one of their numbers."""
    marks = pictures(folder, images)
    for name in ("labels", "numbers"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("image", "label"))
            for number, row in enumerate(marks):
                names = "|".join(n for n, one in zip(COLOURS, row, strict=True) if one) or "|"
                writer.writerow(
                    (f"{number:03}.png", names if name == "labels" else row.sum() * 2.5)
                )
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_tables(tmp_path_factory.mktemp("tasks"), IMAGES)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_tables(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def runs(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    place = tmp_path_factory.mktemp("runs")
    return {
        task: fit(
            str(tables / f"{name}.csv"), Options(minutes=0.5, task=task, out=str(place / name))
        )
        for name, task in (("labels", "labels"), ("numbers", "number"))
    }


def test_several_labels_are_learnt_and_judged(runs: dict[str, Run]) -> None:
    score = runs["labels"].summary.test
    assert score is not None
    assert runs["labels"].summary.task == "multi-label"
    assert (score.metric, score.evaluation) == ("mean_average_precision", "cross-validation")
    assert score.value > 0.9
    assert score.interval[0] < score.value
    assert score.guessing is not None
    assert score.guessing < 0.6
    assert {m.name for m in score.beside} == {"mean_f1", "all_labels_right"}
    assert runs["labels"].summary.verdict.code == "labels_learnt"


def test_a_number_is_learnt_and_judged(runs: dict[str, Run]) -> None:
    score = runs["number"].summary.test
    assert score is not None
    assert runs["number"].summary.task == "number"
    assert score.metric == "mean_absolute_error"
    assert score.value < 0.5 * (score.guessing or 0)
    assert score.beside[0].name == "r_squared"
    assert score.beside[0].value > 0.7
    assert score.balanced_accuracy is None


def test_without_validation_images_the_exact_head_stays(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert run.plan.strategy.value == "linear"
        assert "choose.no_validation" in [sentence.code for sentence in run.plan.because]


def test_predictions_come_back_from_their_file_as_they_were(runs: dict[str, Run]) -> None:
    for task, run in runs.items():
        found = run.read("predictions.csv")
        assert found.task == task
        with (run.folder / "predictions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["predicted"] for row in rows] == list(found.labels)
        assert len(rows) == IMAGES
    assert list(rows[0]) == ["path", "label", "predicted"]


def test_the_report_says_it_in_two_languages(runs: dict[str, Run]) -> None:
    for task, run in runs.items():
        page = (run.folder / "report.html").read_text("utf-8")
        assert ("Results per label" if task == "labels" else "Predicted and true numbers") in page
        assert "Not applicable" in page
        write_report(run, "zh")
        page = (run.folder / "report.html").read_text("utf-8")
        assert ("各标签结果" if task == "labels" else "预测值与真实值") in page


def test_predict_and_evaluate_speak_of_the_task(
    runs: dict[str, Run], tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(tables / "000.png")
    assert cli.run(["predict", str(runs["labels"].folder), image]) == 0
    assert capsys.readouterr().out.startswith("path,predicted,p:blue,p:green,p:red,error\n")
    assert cli.run(["predict", str(runs["labels"].folder), image, "--json", "--top", "2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer["predicted"], list)
    assert len(answer["probabilities"]) == 2
    assert cli.run(["predict", str(runs["number"].folder), image, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out)["predicted"], float)
    frame = runs["number"].predict([image]).to_frame()
    assert list(frame.columns) == ["path", "predicted"]


def test_evaluate_judges_new_images(runs: dict[str, Run], tmp_path: Path) -> None:
    generator = np.random.default_rng(9)
    lines = ["image,label"]
    for number in range(6):
        pixels = generator.integers(60, 120, (32, 32, 3)).astype(np.uint8)
        if number % 2:
            pixels[4:14, 4:14] = (250, 0, 0)
        Image.fromarray(pixels).save(tmp_path / f"new{number}.png")
        lines.append(f"new{number}.png,{'red' if number % 2 else '|'}")
    (tmp_path / "new.csv").write_text("\n".join(lines), "utf-8")
    found = runs["labels"].evaluate(str(tmp_path / "new.csv"))
    assert found.score is not None
    assert found.score.n == 6
    assert [label.images for label in found.labels] == [0, 0, 3]


def test_the_same_again_gives_the_same_file(tables: Path, tmp_path: Path) -> None:
    first, second = (
        fit(str(tables / "labels.csv"), Options(minutes=0.5, out=str(tmp_path / name)))
        for name in ("a", "b")
    )
    assert (first.folder / "predictions.csv").read_bytes() == (
        second.folder / "predictions.csv"
    ).read_bytes()
    assert msgspec.json.decode((first.model / "model.json").read_bytes())["task"] == "labels"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--set", "balance=weights"], "of several labels one cannot be drawn without"),
        (["--min-accuracy", "0.9"], "there is no accuracy"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(
    tables: Path, flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["fit", str(tables / "labels.csv"), *flags]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "name", "told"),
    [
        ("labels", "labels", "Validation mean AP"),
        ("number", "numbers", "Validation R²"),
    ],
)
def test_training_by_steps_serves_the_same_verbs(
    many: Path, tmp_path: Path, task: str, name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = str(many / f"{name}.csv"), tmp_path / "run"
    options = Options(
        minutes=1, task=task, strategy="scratch", set="epochs=6 width=0.25 mix=mixup", out=str(out)
    )
    run = fit(source, options)
    score = run.summary.test
    assert score is not None
    assert (score.evaluation, score.n) == ("test-split", 63)
    assert run.plan.strategy.value == "scratch"
    if task == "labels":
        assert score.value > 0.8
        thresholds = msgspec.json.decode((run.model / "model.json").read_bytes())["thresholds"]
        assert len(set(thresholds)) == 3
    else:
        assert score.value < 0.6 * (score.guessing or 0)
    val = run.summary.val
    assert val is not None
    kept = run.read("history.csv").epochs[(run.summary.kept_epoch or 0) - 1]
    wanted = val.value if task == "labels" else val.beside[0].value
    assert kept.val_accuracy == pytest.approx(wanted, abs=0.02)
    page = (run.folder / "report.html").read_text("utf-8")
    assert told in page
    again = run.predict([str(many / f"{n:03}.png") for n in range(3)])
    assert len(again.labels) == 3
    assert cli.run(["evaluate", str(out), source, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_network_that_was_named_and_cannot_be_fetched_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("striate.weights.hub.is_cached", lambda hub_id: False)
    tables = with_tables(tmp_path, 60)
    options = Options(minutes=0.5, net="resnet18", strategy="linear", out=str(tmp_path / "run"))
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE") as caught:
        fit(str(tables / "labels.csv"), options)
    assert caught.value.exit_code == 5
    assert "--weights FILE" in caught.value.hint
