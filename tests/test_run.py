"""The run folder: found again, resumed, improved, never half, never another's."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import made

from striate.errors import MachineError, ModelError, SourceError, StriateError, UsageError
from striate.run import Run, TimeBudget
from striate.store.files import array_codec, arrays_codec, json_codec
from striate.store.run_folder import make_folder_name
from striate.values import Options, Progress, Split

VALUES = made.values()
KEPT: dict[str, Any] = {
    "index.csv": VALUES.index,
    "split.npz": VALUES.split,
    "evidence.json": VALUES.evidence,
    "plan.json": VALUES.plan,
    "history.csv": VALUES.history,
    "predictions.csv": VALUES.predictions,
}
OWN_CODECS = {"split.npz": arrays_codec(Split)}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(name: str = "flowers", content_hash: str = "", **options: Any) -> Run:
    return Run.open(
        name,
        Options(**options),
        command=f"striate fit {name}",
        source_address=f"pictures/{name}",
        content_hash=content_hash,
    )


def keep_all(run: Run) -> list[str]:
    """Keeps every value in order; gives the names of those that had to be made."""
    names: list[str] = []
    for name, value in KEPT.items():

        def make(name: str = name, value: Any = value) -> Any:
            names.append(name)
            return value

        run.keep(name, make, OWN_CODECS.get(name))
    return names


def finished(name: str = "flowers", **options: Any) -> Run:
    with opened(name, **options) as run:
        keep_all(run)
        run.finish(VALUES.summary)
    return run


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Keeping -----------------------------------------------------------------------------------------


def test_what_was_kept_is_not_made_again() -> None:
    with opened() as run:
        assert keep_all(run) == list(KEPT)
    with opened() as again:
        assert again.mode == "resume"
        assert keep_all(again) == []


@pytest.mark.parametrize("damaged", [name for name in KEPT if name != "split.npz"])
def test_a_file_that_was_changed_is_made_again(damaged: str) -> None:
    with opened() as run:
        keep_all(run)
    path = run.path(damaged)
    path.write_bytes(path.read_bytes()[:-20])
    with opened() as again:
        # Equal values are made again, so nothing that was made from them is stale.
        assert keep_all(again) == [damaged]


def test_what_came_before_counts() -> None:
    with opened() as run:
        run.keep("a.json", lambda: 1, json_codec(int))
        run.keep("b.json", lambda: 2, json_codec(int))
    with opened() as again:
        assert again.keep("a.json", lambda: 5, json_codec(int), also="other") == 5
        assert again.keep("b.json", lambda: 6, json_codec(int)) == 6


def test_inputs_can_be_named() -> None:
    with opened() as run:
        run.keep("a.json", lambda: 1, json_codec(int))
        run.keep("b.json", lambda: 2, json_codec(int), inputs=())
        run.keep("c.json", lambda: 3, json_codec(int), inputs=("b.json",))
    with opened() as again:
        again.keep("a.json", lambda: 5, json_codec(int), also="other")
        assert again.keep("b.json", lambda: 6, json_codec(int), inputs=()) == 2
        assert again.keep("c.json", lambda: 7, json_codec(int), inputs=("b.json",)) == 3


def test_big_arrays_are_mapped_not_read() -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    with opened() as run:
        run.keep("features.npy", lambda: table, array_codec())
    with opened() as again:
        kept = again.keep("features.npy", lambda: table * 0, array_codec())
    assert isinstance(kept, np.memmap)
    np.testing.assert_array_equal(kept, table)


def test_a_maker_that_fails_keeps_what_was_kept() -> None:
    with opened() as run:
        keep_all(run)

    def fail() -> int:
        raise RuntimeError("fault")

    with pytest.raises(RuntimeError) as caught, opened() as again:
        again.keep("late.json", fail, json_codec(int))
    assert caught.value.striate_run == str(run.folder)
    with opened() as third:
        assert keep_all(third) == []


def test_reading_what_is_not_there_says_how_to_get_it() -> None:
    with opened() as run:
        keep_all(run)
    with pytest.raises(ModelError, match=r"runs/flowers-1 has no summary\.json") as caught:
        _ = Run.load(run.folder).summary
    assert "striate fit flowers" in caught.value.hint


def test_reading_what_is_damaged_names_it() -> None:
    run = finished()
    (run.folder / "findings.json").write_text("{")
    with pytest.raises(ModelError, match=r"findings\.json is damaged") as caught:
        _ = Run.load(run.folder).findings
    assert caught.value.exit_code == 5


def test_reading_what_another_run_wrote_names_it() -> None:
    run = finished()
    run.write("predictions.csv", VALUES.predictions)
    path = run.path("predictions.csv")
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    with pytest.raises(ModelError, match="has changed since it was written") as caught:
        Run.load(run.folder).read("predictions.csv")
    assert "--restart" in caught.value.hint


@pytest.mark.parametrize("part", ["seed", "settings_key", "digest", "rounds", "checksum"])
def test_a_record_that_was_changed_is_refused(part: str) -> None:
    run = finished()
    path = run.folder / "run.json"
    text = path.read_text("utf-8")
    place = text.index(f'"{part}": ') + len(part) + 4
    place += text[place] == '"'
    other = "1" if text[place] != "1" else "2"
    path.write_text(text[:place] + other + text[place + 1 :], "utf-8")
    with pytest.raises(ModelError, match=r"run\.json is damaged"):
        Run.load(run.folder)


def test_a_record_of_an_earlier_version_is_read() -> None:
    run = finished()
    path = run.folder / "run.json"
    plain = json.loads(path.read_text("utf-8"))
    del plain["checksum"]
    path.write_text(json.dumps(plain))
    assert Run.load(run.folder).record == run.record


def test_what_is_damaged_is_made_again_and_told() -> None:
    with opened() as run:
        keep_all(run)
        held = [run.path(name) for name in run.record.files]
    held[0].write_bytes(held[0].read_bytes()[:-1] + b" ")
    told: list[Progress] = []
    with opened() as again:
        again.watched_by(told.append)
        assert keep_all(again)
    assert [p.note.code for p in told if p.note] == ["store.mended"]
    assert str(held[0]) in told[0].note.text


# Which folder ------------------------------------------------------------------------------------


def test_the_same_command_prints_its_result_again() -> None:
    run = finished(minutes=2)
    before = everything(run.folder)
    again = opened(minutes=1)
    assert again.mode == "done"
    assert again.folder == run.folder
    assert again.summary == VALUES.summary
    assert again.plan == VALUES.plan
    assert everything(run.folder) == before


def test_more_minutes_improve() -> None:
    run = finished(minutes=2)
    with opened(minutes=3) as more:
        assert (more.mode, more.minutes, more.folder) == ("improve", 3, run.folder)
    with opened(minutes=3) as broken_off:
        assert broken_off.mode == "resume"
        assert broken_off.record.rounds == 1
        broken_off.finish(VALUES.summary)
    assert opened(minutes=3).mode == "done"
    assert opened(minutes=2).mode == "done"


def test_other_settings_make_the_next_folder() -> None:
    finished()
    assert finished(seed=1).folder == Path("runs/flowers-2")
    assert finished(strategy="linear").folder == Path("runs/flowers-3")
    assert opened(seed=1).folder == Path("runs/flowers-2")
    assert opened().folder == Path("runs/flowers-1")


@pytest.mark.parametrize("aside", [{"lang": "zh"}, {"strict": True}, {"min_accuracy": 0.9}])
def test_settings_that_change_no_prediction_do_not_count(aside: dict[str, Any]) -> None:
    finished()
    assert opened(**aside).mode == "done"


def test_a_plan_counts_by_its_content(tmp_path: Path) -> None:
    run = finished()
    (tmp_path / "copy.json").write_bytes((run.folder / "plan.json").read_bytes())
    first = finished(plan=str(run.folder / "plan.json"))
    assert opened(plan="copy.json").folder == first.folder
    (tmp_path / "copy.json").write_text("{}")
    assert opened(plan="copy.json").folder == Path("runs/flowers-3")


def test_other_images_make_the_next_folder() -> None:
    finished(content_hash="a")
    assert opened(content_hash="a").mode == "done"
    assert opened(content_hash="b").folder == Path("runs/flowers-2")


def test_the_number_counts_on_from_the_highest(tmp_path: Path) -> None:
    (tmp_path / "runs/flowers-7").mkdir(parents=True)
    (tmp_path / "runs/flowers-old").mkdir()
    (tmp_path / "runs/flowers-08").mkdir()
    assert opened().folder == Path("runs/flowers-8")


def test_restart_begins_the_same_folder_anew() -> None:
    run = finished(minutes=2)
    (run.folder / "notes of mine.txt").write_text("keep me")
    with opened(restart=True) as again:
        assert (again.mode, again.folder) == ("new", run.folder)
        assert sorted(p.name for p in run.folder.iterdir()) == [
            "checkpoints",
            "notes of mine.txt",
            "run.json",
        ]
        assert keep_all(again) == list(KEPT)


def test_out_names_the_folder_and_its_parents_are_made() -> None:
    assert finished(out="deep/down/here").folder == Path("deep/down/here")
    assert opened(out="deep/down/here").mode == "done"


def test_out_with_other_settings_is_refused_unless_restarted() -> None:
    finished(out="mine")
    with pytest.raises(UsageError, match="seed is 0 there and 4 here") as caught:
        opened(out="mine", seed=4)
    assert "--restart" in caught.value.hint
    assert opened(out="mine", seed=4, restart=True).mode == "new"


def test_a_stage_that_fails_is_told_of_though_its_seconds_cannot_be_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MachineError("The disk is full: run.json could not be written.")

    with opened(out="mine") as run:
        monkeypatch.setattr(run, "stage_done", full)
        with pytest.raises(MachineError, match=r"val\.npy"), run.timed("decode"):
            raise MachineError("The disk is full: val.npy could not be written.")
        with pytest.raises(MachineError, match=r"run\.json"), run.timed("decode"):
            pass


@pytest.mark.parametrize("setting", ["plan", "weights", "split"])
def test_restart_clears_nothing_that_the_command_reads(tmp_path: Path, setting: str) -> None:
    with opened(out="mine") as run:
        keep_all(run)
    read = {"plan": "plan.json", "weights": "model/w.safetensors", "split": "index.csv"}[setting]
    (tmp_path / "mine/model").mkdir(exist_ok=True)
    (tmp_path / "mine/model/w.safetensors").write_bytes(b"weights")
    (tmp_path / "link").symlink_to("mine")
    before = (tmp_path / "mine" / read).read_bytes()
    for given, out in ((f"mine/{read}", "link"), (f"link/{read}", "mine")):
        with pytest.raises(UsageError, match="--restart would clear"):
            opened(out=out, restart=True, **{setting: given})
    assert (tmp_path / "mine" / read).read_bytes() == before


@pytest.mark.parametrize("out", ["mine/inner", "mine/checkpoints", "link/deep/inner"])
def test_no_run_is_made_inside_another(tmp_path: Path, out: str) -> None:
    with opened(out="mine") as run:
        keep_all(run)
    (tmp_path / "link").symlink_to("mine")
    before = sorted((tmp_path / "mine").rglob("*"))
    with pytest.raises(UsageError, match="inside the run folder"):
        opened(out=out)
    assert sorted((tmp_path / "mine").rglob("*")) == before


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path: Path, restart: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years of work")
    before = everything(tmp_path)
    with pytest.raises(UsageError, match="not a run folder") as caught:
        opened(out="thesis", restart=restart)
    assert caught.value.exit_code == 2
    assert everything(tmp_path) == before


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(UsageError, match="taken is a file"):
        opened(out="taken")
    with pytest.raises(MachineError, match="taken/below"):
        opened(out="taken/below")
    (tmp_path / "runs").write_text("x")
    with pytest.raises(StriateError, match="runs"):
        opened()


@pytest.mark.parametrize("out", ["pictures/flowers/run", "pictures/flowers"])
def test_nothing_is_written_into_the_source(tmp_path: Path, out: str) -> None:
    (tmp_path / "pictures/flowers").mkdir(parents=True)
    with pytest.raises(UsageError, match="inside the source"):
        opened(out=out)
    assert list((tmp_path / "pictures/flowers").iterdir()) == []


def test_a_source_around_the_current_folder_needs_a_named_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runs is inside the source") as caught:
        Run.open("here", Options(), command="", source_address=".")
    assert "--out" in caught.value.hint


def test_a_source_may_be_spelt_in_several_ways(tmp_path: Path) -> None:
    (tmp_path / "pictures/flowers").mkdir(parents=True)
    run = finished()
    absolute = str(tmp_path / "pictures" / "flowers")
    again = Run.open("flowers", Options(), command="", source_address=absolute)
    assert (again.mode, again.folder) == ("done", run.folder)


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert opened(out="empty").mode == "new"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "striate/run/1"}', "\x00"])
@pytest.mark.parametrize("named", [True, False])
def test_a_damaged_run_is_told_of(tmp_path: Path, content: str, named: bool) -> None:
    run = finished(**({"out": "runs/flowers-1"} if named else {}))
    (run.folder / "run.json").write_text(content)
    before = everything(tmp_path)
    with pytest.raises(ModelError, match=r"runs/flowers-1/run\.json is damaged") as caught:
        opened(**({"out": "runs/flowers-1"} if named else {}))
    assert caught.value.exit_code == 5
    assert everything(tmp_path) == before
    assert opened(out="runs/flowers-1", restart=True).mode == "new"


@pytest.mark.parametrize("content", ['{"job": 3}', "", "{"])
def test_what_another_program_wrote_is_no_damaged_run(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "theirs"
    for name in ("model/net.bin", "checkpoints/epoch-1.pt", "predictions.csv", "summary.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("theirs")
    (folder / "run.json").write_text(content)
    before = everything(tmp_path)
    with pytest.raises(ModelError):
        opened(out="theirs", restart=True)
    assert everything(tmp_path) == before


def test_a_run_of_a_newer_striate_is_told_of() -> None:
    run = finished()
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace("striate/run/1", "striate/run/12"))
    for attempt in (opened, lambda: Run.load(run.folder)):
        with pytest.raises(ModelError, match="newer version") as caught:
            attempt()
        assert "upgrade" in caught.value.hint


def test_another_programs_run_json_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/run.json").write_text('{"steps": 3}')
    (tmp_path / "other/data.bin").write_text("x")
    for restart in (False, True):
        with pytest.raises(ModelError):
            opened(out="other", restart=restart)
    assert (tmp_path / "other/run.json").read_text() == '{"steps": 3}'


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_loading_what_is_no_run_says_so(path: str) -> None:
    with pytest.raises(UsageError, match=r"is not a run folder") as caught:
        Run.load(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("flowers", "flowers"),
        ("my flowers (2)", "my-flowers-2"),
        ("向日葵", "向日葵"),
        ("../../etc", "etc"),
        ("-rf", "rf"),
        ("", "images"),
        ("...", "images"),
        ("a\udcff\x1b[31m\nb", "a-31m-b"),
        ("x" * 300, "x" * 80),
        ("日" * 100, "日" * 26),
    ],
)
def test_a_source_gives_its_name_to_a_folder(source: str, folder: str) -> None:
    assert make_folder_name(source) == folder


# Failing -----------------------------------------------------------------------------------------


def test_a_useless_source_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> Any:
        raise SourceError("pets has 1 class folder.", "Add one.")

    with pytest.raises(SourceError), opened(out="deep/down") as run:
        run.keep("index.csv", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_leaves_nothing_behind_but_a_model_stays(tmp_path: Path) -> None:
    misfit = ModelError("The weights do not fit.")
    with pytest.raises(ModelError):
        break_off(misfit)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError):
        break_off(misfit, model=True)
    assert (tmp_path / "runs/flowers-1/index.csv").exists()


def break_off(error: BaseException, *, model: bool = False) -> None:
    """A run whose index is written, perhaps a model too, when `error` comes."""
    with opened() as run:
        run.write("index.csv", VALUES.index)
        if model:
            run.model.mkdir()
        raise error


def test_an_interrupted_run_stays_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        break_off(KeyboardInterrupt())
    assert caught.value.striate_run == "runs/flowers-1"
    assert opened().mode == "resume"


def test_an_empty_folder_of_the_users_stays_when_the_run_does_not(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(SourceError), opened(out="mine"):
        raise SourceError("empty.")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_full_disk_at_the_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="disk is full"):
        opened()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_later_keeps_what_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with opened() as run:
        keep_all(run)
        before = everything(run.folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(MachineError, match="disk is full"):
                run.write("report.html", "<html>")
        assert everything(run.folder) == before
    with opened() as again:
        assert keep_all(again) == []


def test_a_folder_that_cannot_be_written_is_named() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    with pytest.raises(MachineError, match=r"/proc/striate cannot be written") as caught:
        opened(out="/proc/striate")
    assert caught.value.exit_code == 6
    assert "--out" in caught.value.hint


OTHER = """
import sys
sys.path[:0] = {path!r}
from tests import test_run
run = test_run.opened()
print("open", flush=True)
{then}
"""


def other_process(then: str) -> subprocess.Popen[str]:
    code = OTHER.format(path=sys.path, then=then)
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    return other


def test_two_at_once_do_not_mix() -> None:
    other = other_process("import time; time.sleep(60)")
    try:
        with pytest.raises(MachineError, match=r"Another striate process is using runs/flowers-1"):
            opened()
    finally:
        other.kill()
        other.communicate()
    assert opened().mode == "resume"


def test_killed_at_any_moment_nothing_is_half(tmp_path: Path) -> None:
    """A process that keeps everything over and over is killed; the folder is always whole."""
    moments = random.Random(1)
    change = "run._shelf.change(files={})\n    run._shelf._chain = []"
    again = f"while True:\n    test_run.keep_all(run)\n    {change}"
    for _ in range(5):
        other = other_process(again)
        time.sleep(moments.uniform(0.0, 0.15))
        other.send_signal(signal.SIGKILL)
        other.communicate()
        loaded = Run.load("runs/flowers-1")
        for name, known in loaded.record.files.items():
            assert known.digest
            if name in KEPT:
                loaded.read(name, OWN_CODECS.get(name))
    with opened() as run:
        keep_all(run)
        assert not list(run.folder.rglob(".*"))
    alone = finished(seed=9)
    for name in ("index.csv", "plan.json", "predictions.csv"):
        assert (run.folder / name).read_bytes() == (alone.folder / name).read_bytes()


# Saying ------------------------------------------------------------------------------------------


def test_run_json_tells_what_the_contract_asks() -> None:
    with opened(seed=3, minutes=2, content_hash="5f") as run:
        keep_all(run)
        run.stage_done("train", 1.5)
        run.stage_done("train", 2.0)
        run.note(machine=VALUES.machine)
        run.finish(VALUES.summary)
    told = json.loads((run.folder / "run.json").read_text())
    assert told["schema"] == "striate/run/1"
    assert told["seed"] == 3
    assert told["settings"]["minutes"] == 2
    assert told["command"] == "striate fit flowers"
    assert told["source"] == {"address": "pictures/flowers", "content_hash": "5f"}
    assert told["versions"]["striate"]
    assert told["machine"] == {"device": "cpu", "threads": 2, "precision": "bfloat16"}
    assert told["stages"] == {"train": 3.5}
    assert told["finished"] is True


def test_looks_count_plans_not_readings() -> None:
    longer = replace(VALUES.plan, epochs=replace(VALUES.plan.epochs, value=99))
    with opened() as run:
        assert [run.look(VALUES.plan), run.look(VALUES.plan), run.look(longer)] == [1, 1, 2]


def test_the_clock_counts_from_the_command() -> None:
    clock = TimeBudget(2, started=time.monotonic() - 30)
    assert 30 <= clock.elapsed() < 40
    assert 80 < clock.remaining() <= 90
    assert TimeBudget(0.5, started=time.monotonic() - 60).remaining() < 0


def test_the_card_is_escaped_and_stands_alone() -> None:
    run = finished(out="<b>run")
    html = run._repr_html_()
    assert "&lt;b&gt;run" in html
    assert "<b>" not in html
    assert "http" not in html
    assert "<script" not in html
    assert f"{VALUES.summary.test.value:.1%}" in html
    assert "%–" in html


def test_the_card_of_a_run_that_has_not_ended_says_so() -> None:
    with opened() as run:
        assert "No result so far" in run._repr_html_()
