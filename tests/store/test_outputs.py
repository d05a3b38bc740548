"""What may be written where: nothing of the user's is overwritten, streams are what they are."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.errors import MachineError, StriateError, UsageError
from striate.store import outputs
from striate.store.files import UNFINISHED
from striate.store.output_kinds import INSPECTION_PAGE, PREDICTIONS_KIND
from striate.store.outputs import OutputTarget, open_output

CSV = b"path,predicted,probability,familiarity,set,p:a,p:b\r\nx,a,1,1,a,1,0\r\n"
ODD = b'\xef\xbb\xbfpath,predicted,probability,"p:a\nb"\n'
JSON = b'{"path": "x", "predicted": "a", "probability": 1, "probabilities": {"a": 1}}\n'


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def place(named: str, *inputs: str, force: bool = False) -> OutputTarget:
    found = outputs.resolve_output(
        named, PREDICTIONS_KIND, flag="--out", inputs=inputs, force=force
    )
    assert found is not None
    return found


def deliver(where: OutputTarget, content: bytes = b"new") -> None:
    with open_output(where) as file:
        file.write(content)


def spellings(folder: Path) -> Iterator[str]:
    """Names of `folder/in/a.csv` by which nobody should be fooled."""
    (folder / "there").symlink_to("in")
    (folder / "linked.csv").symlink_to("in/a.csv")
    (folder / "twice.csv").symlink_to("linked.csv")
    (folder / "hard.csv").hardlink_to(folder / "in/a.csv")
    yield from ("in/a.csv", "./in/../in//a.csv", str(folder / "in/a.csv"))
    yield from ("there/a.csv", "linked.csv", "twice.csv", "hard.csv")


def test_a_file_that_is_read_is_never_written_by_whatever_name(own_folder: Path) -> None:
    (own_folder / "in").mkdir()
    (own_folder / "in/a.csv").write_bytes(CSV)
    for name in spellings(own_folder):
        for read in ("in/a.csv", "linked.csv", "hard.csv"):
            with pytest.raises(
                UsageError, match=r"input of this command|would be inside"
            ) as caught:
                place(name, read, force=True)
            assert caught.value.exit_code == 2
            assert "--out" in caught.value.hint
    assert (own_folder / "in/a.csv").read_bytes() == CSV


@pytest.mark.parametrize("named", ["in/new.csv", "in/deep/new.csv", "there/new.csv", "in/a.csv"])
def test_nothing_is_written_into_a_folder_that_is_read(own_folder: Path, named: str) -> None:
    (own_folder / "in/deep").mkdir(parents=True)
    (own_folder / "there").symlink_to("in")
    (own_folder / "in/a.csv").write_bytes(CSV)
    for read in ("in", "there", str(own_folder), "."):
        with pytest.raises(UsageError, match="would be inside"):
            place(named, read, force=True)


@pytest.mark.parametrize(
    "content", [CSV, CSV.replace(b"\r", b""), ODD, b"path,predicted\n", JSON, b""]
)
def test_own_answers_and_empty_files_may_be_renewed(own_folder: Path, content: bytes) -> None:
    (own_folder / "out.csv").write_bytes(content)
    deliver(place("out.csv", "elsewhere"))
    assert (own_folder / "out.csv").read_bytes() == b"new"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0 a photograph",
        b"image,label\r\na.png,cat\r\n",
        b"path,predicted,my remarks\r\n",
        b"path;predicted\n",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b'{"path": "x"}\n',
        b'{"path": "x", "predicted": "a", "mine": 1}\n',
        b'["path", "predicted"]\n',
        b'"path,predicted',
        b"\n",
        b"<html>",
    ],
)
def test_a_file_of_others_is_replaced_by_force_alone(own_folder: Path, content: bytes) -> None:
    (own_folder / "out.jpg").write_bytes(content)
    (own_folder / "link.jpg").symlink_to("out.jpg")
    for name in ("out.jpg", "link.jpg"):
        with pytest.raises(UsageError, match="did not write it") as caught:
            place(name)
        assert "--force" in caught.value.hint
    assert (own_folder / "out.jpg").read_bytes() == content
    deliver(place("link.jpg", force=True))
    assert (own_folder / "out.jpg").read_bytes() == b"new"
    assert (own_folder / "link.jpg").is_symlink()


def test_a_page_is_told_from_a_report(own_folder: Path) -> None:
    page = b'<head><meta name="generator" content="striate %s"></head><p class="brand">striate</p>'
    assert INSPECTION_PAGE.ours(page % b"inspect")
    assert not INSPECTION_PAGE.ours(page % b"report")
    assert INSPECTION_PAGE.ours(b'<p class="brand">striate</p><a href="#answer">')
    assert not INSPECTION_PAGE.ours(b'<p class="brand">striate</p><a href="#findings">')


@pytest.mark.parametrize("run_json", ['{"schema": "striate/run/1"}', "{dama"])
@pytest.mark.parametrize("named", ["run/run.json", "run/new.csv", "run/model/x.csv", "other/x.csv"])
def test_a_run_folder_holds_its_own_files_alone(
    own_folder: Path, named: str, run_json: str
) -> None:
    (own_folder / "run/model").mkdir(parents=True)
    (own_folder / "run/checkpoints").mkdir()
    (own_folder / "run/run.json").write_text(run_json)
    (own_folder / "other").symlink_to("run")
    with pytest.raises(UsageError, match="run folder"):
        place(named, force=True)
    assert (own_folder / "run/run.json").read_text() == run_json


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("folder", "is a folder"),
        ("folder/", "is a folder"),
        ("fresh/", "is a folder"),
        ("", "is a folder"),
        (".", "is a folder"),
        ("absent/x.csv", "There is no folder absent"),
        ("file/x.csv", "There is no folder file"),
        ("round", "symbolic links"),
        ("x" * 300, "too long"),
    ],
)
def test_a_place_that_is_none_is_told_before_anything_is_done(
    own_folder: Path, named: str, said: str
) -> None:
    (own_folder / "folder").mkdir()
    (own_folder / "file").write_bytes(b"x")
    (own_folder / "round").symlink_to("round")
    with pytest.raises(UsageError, match=said) as caught:
        place(named, force=True)
    assert "--out" in caught.value.hint


def test_a_folder_and_a_file_that_cannot_be_written(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "out.csv").write_bytes(CSV)
    denied = {str(own_folder / "out.csv")}
    monkeypatch.setattr(outputs.os, "access", lambda path, how: os.fspath(path) not in denied)
    with pytest.raises(MachineError, match="read-only"):
        place("out.csv")
    place("out.csv", force=True)
    denied.add(str(own_folder))
    for name in ("out.csv", "new.csv"):
        with pytest.raises(StriateError) as caught:
            place(name, force=True)
        assert caught.value.exit_code == 6


def test_two_outputs_are_two_files(own_folder: Path) -> None:
    (own_folder / "link.csv").symlink_to("a.csv")
    null = place("/dev/null")
    outputs.refuse_twice(place("a.csv"), place("b.csv"), null, null, None)
    with pytest.raises(UsageError, match="same file"):
        outputs.refuse_twice(place("a.csv"), place("link.csv"))


def test_a_broken_link_leads_to_a_new_file(own_folder: Path) -> None:
    (own_folder / "link.csv").symlink_to("new.csv")
    deliver(place("link.csv"))
    assert (own_folder / "new.csv").read_bytes() == b"new"
    assert (own_folder / "link.csv").is_symlink()


def test_devices_stay_devices() -> None:
    before = Path("/dev/null").stat()
    deliver(place("/dev/null", "/dev/null"))
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    assert Path("/dev/null").stat().st_ino == before.st_ino
    with pytest.raises(MachineError, match="disk is full: /dev/full"):
        deliver(place("/dev/full"))


def test_a_descriptor_is_shared_and_keeps_what_it_holds(own_folder: Path) -> None:
    with (own_folder / "kept.txt").open("wb") as file:
        file.write(b"old ")
        file.flush()
        name = f"/dev/fd/{file.fileno()}"
        (own_folder / "link").symlink_to(name)
        deliver(place(name))
        deliver(place("link"), b"er")
    assert (own_folder / "kept.txt").read_bytes() == b"old newer"
    with pytest.raises(MachineError, match="bad file descriptor"):
        deliver(place("/dev/fd/991"))


def test_a_pipe_is_written_as_it_comes(own_folder: Path) -> None:
    os.mkfifo("pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()))
    reader.start()
    deliver(place("pipe"))
    reader.join(10)
    assert read == [b"new"]
    assert Path("pipe").is_fifo()


def test_what_a_killed_process_left_of_this_file_goes(own_folder: Path) -> None:
    left = [f".out.csv.0123abcd{UNFINISHED}", f".mine.txt.0123abcd{UNFINISHED}"]
    for name in left:
        (own_folder / name).write_bytes(b"half")
    deliver(place("out.csv"))
    assert sorted(path.name for path in own_folder.iterdir()) == sorted([left[1], "out.csv"])
