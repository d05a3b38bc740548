"""The terminal: few lines, the number in bold, one line a stage and an epoch."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType
from tests import made

from striate.diagnose import run_checks
from striate.report.language import load_words
from striate.report.progress_bars import epoch_line
from striate.report.terminal import open_progress_watcher, run_result, source_summary
from striate.values import Progress, Watch, say


def shown(thing: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing, crop=False)
    return console.file.getvalue()


def watched(mode: str, lang: str = "en") -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=mode == "live")
    with open_progress_watcher(console, mode, lang) as watch:
        play(watch)
    return console.file.getvalue()


def play(watch: Watch) -> None:
    watch(Progress(stage="cache", done=150, total=300, unit="images", rate=500.0))
    watch(Progress(stage="cache", done=300, total=300, unit="images", rate=500.0, finished=True))
    note = say("choose.linear_found", "{loo:.1%} of {n:,}.", loo=0.91, n=210)
    watch(Progress(stage="probe", note=note))
    history = made.values().history
    assert history is not None
    for epoch in history.epochs[:2]:
        watch(Progress(stage="train", done=epoch.epoch, total=2, unit="epochs", epoch=epoch))
    watch(Progress(stage="train", done=2, total=2, unit="epochs", finished=True))
    watch(Progress(stage="[red]odd[/red]", finished=True))


def test_what_was_found_stands_in_a_few_lines() -> None:
    values = made.values()
    text = shown(source_summary(values.index, values.split))
    assert "flowers  3 classes, 300 images" in text
    assert "3 files cannot be read" in text
    assert "4 test images have a copy in training" in text
    assert len(text.splitlines()) <= 5


def test_the_result_ends_with_path_and_next_command() -> None:
    values = made.values()
    lines = shown(run_result(values.summary, "runs/flowers-1")).splitlines()
    assert all(figure in lines[0] for figure in ("92.7 %", "95 %", "80.6–97.5", "n = 41"))
    assert lines[-2].endswith("runs/flowers-1/report.html")
    assert lines[-1].endswith("striate predict runs/flowers-1 NEW-IMAGES/")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_balanced_accuracy_and_the_baseline_stand_beside_the_accuracy(lang: str) -> None:
    summary = made.values().summary
    assert summary.test is not None
    summary = replace(summary, test=replace(summary.test, guessing=0.345, balanced_accuracy=0.678))
    lines = shown(run_result(summary, "run", lang), width=120).splitlines()
    assert "34.5" in lines[0]
    assert "67.8" in lines[1]


def test_paths_are_never_broken() -> None:
    path = "a/" * 60 + "run"
    assert f"{path}/report.html" in shown(run_result(made.values().summary, path), width=40)


def test_grave_findings_give_the_advice() -> None:
    values = made.values()
    findings = run_checks(values)
    leak = next(f for f in findings if f.code == "leakage" and f.outcome == "found")
    text = shown(run_result(values.summary, "run", findings=findings), width=200)
    assert leak.advice
    assert leak.advice in text


def test_the_result_speaks_chinese() -> None:
    text = shown(run_result(made.values().summary, "run", "zh"))
    assert "准确率" in text
    assert "95% 置信区间 80.6–97.5" in text


def test_plain_mode_writes_one_line_a_stage_and_an_epoch() -> None:
    lines = watched("plain").splitlines()
    assert lines[0] == "Decode the images  300 images  500 images/s"
    assert lines[1] == "91.0 % of 210."
    assert lines[2].startswith("epoch 1/2  loss 0.985  accuracy 52.2 %")
    assert lines[4].startswith("Train  2 epochs")
    assert lines[5] == "[red]odd[/red]"
    assert len(lines) == 6


def test_a_finished_stage_with_a_note_stays_one_line() -> None:
    console = Console(file=io.StringIO(), width=80)
    with open_progress_watcher(console, "plain") as watch:
        watch(Progress(stage="scan", finished=True, note=say("x", "3 classes")))
    assert console.file.getvalue() == "Read the source  3 classes\n"


def test_notebook_mode_keeps_to_one_line() -> None:
    text = watched("notebook")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert "\rDecode the images  150 / 300 images" in text


def test_live_mode_leaves_finished_stages_behind() -> None:
    text = watched("live", "zh")
    assert "✓" in text
    assert "解码图像" in text


def test_quiet_mode_says_nothing() -> None:
    assert watched("quiet") == ""


@pytest.mark.parametrize(("terminal", "mark"), [(True, "✓"), (False, "Decode the images  300")])
def test_auto_goes_live_on_a_terminal_only(terminal: bool, mark: str) -> None:
    console = Console(
        file=io.StringIO(), width=80, force_terminal=terminal, _environ={"TERM": "xterm"}
    )
    with open_progress_watcher(console) as watch:
        play(watch)
    assert mark in console.file.getvalue()


def test_long_sentences_hang_beside_their_name() -> None:
    lines = shown(run_result(made.values().summary, "run"), width=40).splitlines()
    verdict = next(i for i, line in enumerate(lines) if line.startswith("Verdict"))
    assert lines[verdict + 1].startswith(" " * 10)
    assert not any(line.endswith(" ") for line in lines)


def test_the_model_that_is_delivered_is_named_with_its_reason() -> None:
    values = made.values(strategy="scratch")
    told = shown(run_result(values.summary, "runs/x", "en", (), values.plan), width=200)
    assert "Model" in told
    assert values.plan.because[-1].text in told
    assert "Model" not in shown(run_result(values.summary, "runs/x"), width=200)


def test_an_epoch_that_no_image_judged_shows_no_empty_numbers() -> None:
    history = made.values().history
    assert history is not None
    epoch = replace(history.epochs[0], val_loss=float("nan"), val_accuracy=float("nan"))
    line = epoch_line(epoch, 2, load_words("en"))
    assert line.startswith("epoch 1/2")
    assert "nan" not in line


def test_r_squared_is_no_share() -> None:
    history = made.values().history
    assert history is not None
    epoch = replace(history.epochs[0], train_accuracy=0.75, val_accuracy=0.5)
    line = epoch_line(epoch, 2, load_words("en"), "r_squared")
    assert ("0.750" in line, "0.500" in line, "%" in line) == (True, True, False)
    assert "75.0 %" in epoch_line(epoch, 2, load_words("en")).replace("\u202f", " ").replace(
        "\xa0", " "
    )


def test_a_path_with_spaces_is_quoted_where_it_is_to_be_typed() -> None:
    text = shown(run_result(made.values().summary, "my runs/a-1"), width=200)
    assert "striate predict 'my runs/a-1' NEW-IMAGES/" in text
    assert "  my runs/a-1/report.html" in text
