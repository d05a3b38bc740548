"""The command line: help without weight, results on stdout, all else on stderr, exit codes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import made

from striate import cli
from striate.command import error_output
from striate.errors import MachineError, ModelError, SourceMissingError, StrictError
from striate.run import Run
from striate.values import Example, Index, Options, Predictions, Progress, Watch

VALUES = made.values()
VERBS = (
    "fit",
    "predict",
    "evaluate",
    "inspect",
    "diagnose",
    "report",
    "nets",
    "weights",
    "doctor",
    "completion",
)
Fit = Callable[..., Run]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "STRIATE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return tmp_path


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A main job that takes no time: it writes a finished run from made values."""
    fake = ModuleType("striate.pipeline")
    vars(fake).update(fit=made_fit, asked=[], summary=VALUES.summary)
    monkeypatch.setitem(sys.modules, "striate.pipeline", fake)
    return fake


def made_fit(source: object, options: Options, watch: Watch, clock: Any) -> Run:
    fake = sys.modules["striate.pipeline"]
    fake.asked.append((source, options, clock))
    watch(Progress(stage="read", done=300, total=300, unit="images", finished=True))
    with Run.open("flowers", options, command="striate fit x", source_address=str(source)) as run:
        if run.mode != "done":
            run.write("index.csv", VALUES.index)
            run.write("plan.json", VALUES.plan)
            run.write("findings.json", ())
            run.finish(fake.summary)
    return run


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.run(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def program(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "striate", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **more,
    )


# Help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("--help",), ("fit", "--help"), ("--version",), ("fit", "-x")])
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from striate.cli import run; run(sys.argv[1:]); "
        "print(sorted({'torch','timm','matplotlib','sklearn','rich','pandas'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines()[-1] == "[]"


def test_predicting_loads_no_more_than_it_needs(small_run: Path) -> None:
    """Nothing that trains, draws or compiles; torch itself is most of what one image costs."""
    code = (
        "import sys; from striate.cli import run; code = run(sys.argv[1:]); "
        "unwanted = {'torchvision', 'timm', 'sklearn', 'scipy', 'matplotlib', 'pandas', 'jinja2', "
        "'torch._dynamo', 'torch._inductor', 'sympy', 'triton'}; "
        "print(code, sorted(unwanted & set(sys.modules)), file=sys.stderr)"
    )
    picture = small_run.parent / "pictures" / "red" / "000.png"
    words = ["predict", str(small_run), str(picture), "--quiet"]
    said = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert said.stderr.splitlines()[-1] == "0 []"
    assert said.stdout.splitlines()[1].split(",")[1] == "red"


def test_importing_striate_loads_nothing_heavy() -> None:
    code = "import sys, striate; print({'torch','matplotlib','numpy','rich'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_help_begins_with_examples_and_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "--help")
    assert (code, err) == (0, "")
    assert out.index("striate fit flowers") < out.index("Options:")
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert told(capsys)[1] == out
    assert told(capsys, "-h")[1] == out
    assert "..." not in out.split("Commands:")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: striate {verb}")


def test_every_setting_is_a_flag_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "fit", "--help")[1]
    for field in fields(Options):
        assert f"--{field.name.replace('_', '-')}" in out
    assert "[5]" in out
    assert "[178,000,000]" in out


def test_the_module_is_the_same_program() -> None:
    said = program("--version")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("striate ")


# fit ---------------------------------------------------------------------------------------------


def test_fit_says_the_result_on_stdout_and_the_rest_on_stderr(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, "fit", "flowers", "--lang", "en")
    assert code == 0
    assert f"{100 * VALUES.summary.test.value:.1f}" in out
    assert "runs/flowers-1/report.html" in out
    assert "striate predict runs/flowers-1" in out
    assert "300" in err
    assert "report.html" not in err


def test_every_flag_reaches_the_options(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "fit pictures -m 2 --seed 3 --strategy linear --split pool --device cpu --out mine "
        "--restart --drop-rare --max-pixels 1000 --min-accuracy 0.5 --lang zh -q"
    )
    assert told(capsys, *words.split())[0] == 0
    source, options, clock = pipeline.asked[0]
    assert source == "pictures"
    assert options == Options(
        minutes=2.0,
        seed=3,
        strategy="linear",
        split="pool",
        device="cpu",
        out="mine",
        restart=True,
        drop_rare=True,
        max_pixels=1000,
        min_accuracy=0.5,
        lang="zh",
    )
    assert clock.minutes == 2
    assert clock.started == cli.STARTED


def test_json_is_the_summary_and_nothing_else(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, "fit", "flowers", "--json", "--quiet")
    assert (code, err) == (0, "")
    assert out == Path("runs/flowers-1/summary.json").read_text("utf-8")
    assert json.loads(out)["schema"] == "striate/summary/1"


def test_nothing_is_coloured_where_nobody_looks(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = told(capsys, "fit", "flowers")
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_asked_for(
    environment: dict[str, str],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in told(capsys, "fitt")[2]) == coloured


@pytest.mark.parametrize(("asked", "code"), [("0.5", 0), ("0.9999", 1)])
def test_a_bar_that_is_not_met_is_exit_1(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str], asked: str, code: int
) -> None:
    got, out, err = told(capsys, "fit", "flowers", "--min-accuracy", asked, "-q")
    assert got == code
    assert ("--min-accuracy" in err) == bool(code)
    assert "report.html" in out


def test_a_bar_without_an_accuracy_is_not_met(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    vars(pipeline)["summary"] = replace(VALUES.summary, test=None)
    assert told(capsys, "fit", "flowers", "--min-accuracy", "0", "--json")[0] == 1


def test_strict_is_exit_4_where_images_were_set_aside(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "fit", "flowers", "--strict")
    assert code == StrictError.exit_code == 4
    assert "3 files were excluded" in err
    assert "runs/flowers-1/index.csv" in err


# Faults ------------------------------------------------------------------------------------------


def test_all_faults_of_a_command_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(
        capsys, "fit", "--minuts", "3", "--strategy", "depp", "--lnag=en", "--seed", "x"
    )
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: There is no flag --minuts; did you mean --minutes?",
        "error: There is no flag --lnag; did you mean --lang?",
        "error: SOURCE is missing.",
        "error: --strategy is 'depp'; it must be one of auto, linear, layers, shallow, deep, "
        "scratch; did you mean deep?",
        "error: --seed must be a whole number, not 'x'.",
        "  Type: striate fit --help",
    ]


def test_a_network_that_does_not_exist_is_among_the_faults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = told(capsys, "fit", "flowers", "--net", "compakt", "--seed", "-1")
    assert code == 2
    assert "compakt" in err
    assert "compact?" in err
    assert "--seed" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fitt", "x"], "There is no command 'fitt'; did you mean fit?"),
        (["frobnicate"], "There is no command 'frobnicate'."),
        (["demo"], "demo is not a command"),
        (["fit"], "SOURCE is missing."),
        (["fit", "a", "b"], "one argument too many: 'b'"),
        (["fit", "a", "--minutes"], "--minutes"),
        (["fit", "a", "--strict=yes"], "--strict"),
        (["fit", "a", "-z"], "There is no flag -z."),
        (["predict", "run"], "PATHS is missing."),
        (["predict", "run", "x", "--top", "0"], "--top must be a whole number of at least 1"),
        (["report", "run", "--lang", "german"], "one of auto, en, zh"),
        (["completion", "bahs"], "did you mean bash?"),
        (["--verion"], "--verion"),
    ],
)
def test_a_wrong_command_is_exit_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, *words)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.splitlines()[-1].startswith("  Type: striate")
    assert "Traceback" not in err


def test_a_folder_instead_of_a_verb_is_understood(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "my flowers").mkdir()
    assert told(capsys, "my flowers")[2].splitlines()[-1] == "  Type: striate fit 'my flowers'"


def fails_with(pipeline: ModuleType, error: BaseException) -> None:
    def fail(*given: object) -> Run:
        raise error

    vars(pipeline)["fit"] = fail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceMissingError("There is no folder flowerz.", "Did you mean flowers?"), 3),
        (ModelError("The weights do not fit.", "Name others."), 5),
        (MachineError("The disk is full.", "Make room."), 6),
        (OSError(28, "No space left on device", "cache.npy"), 6),
        (MemoryError(), 6),
        (KeyError("x"), 7),
    ],
)
def test_errors_have_their_exit_codes_and_two_lines(
    pipeline: ModuleType,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
) -> None:
    fails_with(pipeline, error)
    got, out, err = told(capsys, "fit", "flowers", "-q")
    assert (got, out) == (code, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  ")
    assert "Traceback" not in err


def test_a_file_name_cannot_move_the_cursor(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(pipeline, SourceMissingError("There is no a\x1b[2Jb\nerror: c\udcff.", "Look."))
    err = told(capsys, "fit", "flowers", "-q")[2]
    assert err == "error: There is no a\\x1b[2Jb\\nerror: c\\udcff.\n  Look.\n"


def test_a_crash_leaves_its_traceback_in_the_run(
    pipeline: ModuleType, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(source: object, options: Options, watch: Watch, clock: Any) -> Run:
        with Run.open("flowers", options, command="", source_address="x") as run:
            run.write("index.csv", VALUES.index)
            raise ZeroDivisionError("by zero\nin two lines")

    vars(pipeline)["fit"] = crash
    code, _, err = told(capsys, "fit", "flowers", "-q")
    assert code == 7
    assert (
        err.splitlines()[0]
        == "error: striate failed because of a bug of its own: ZeroDivisionError: by zero."
    )
    assert "runs/flowers-1/crash.txt" in err
    text = (own_folder / "runs/flowers-1/crash.txt").read_text("utf-8")
    assert "ZeroDivisionError" in text
    assert "test_cli.py" in text


def test_a_crash_without_a_run_names_its_file(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(pipeline, RuntimeError("odd"))
    err = told(capsys, "fit", "flowers", "-q")[2]
    path = Path(err.splitlines()[-1].split(" in ")[-1])
    assert "RuntimeError: odd" in path.read_text("utf-8")
    path.unlink()


def test_tracebacks_are_shown_on_request(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DEBUG", "1")
    fails_with(pipeline, ModelError("no fit"))
    assert "Traceback" in told(capsys, "fit", "flowers", "-q")[2]


# Interrupting ------------------------------------------------------------------------------------


def test_an_interrupted_fit_says_how_to_go_on(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(source: object, options: Options, watch: Watch, clock: Any) -> Run:
        with Run.open("flowers", options, command="", source_address="x") as run:
            run.write("index.csv", VALUES.index)
            raise KeyboardInterrupt

    vars(pipeline)["fit"] = interrupt
    code, out, err = told(capsys, "fit", "my flowers", "-q", "--restart")
    assert (code, out) == (130, "")
    assert err.splitlines() == [
        "Interrupted; the work so far is saved in runs/flowers-1.",
        "  To continue, type the same command again: striate fit 'my flowers' -q",
    ]


def test_a_fault_while_a_signal_ends_the_command_is_the_signals(
    pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang_up(source: object, options: Options, watch: Watch, clock: Any) -> Run:
        try:
            raise error_output.Ended(signal.SIGHUP)
        finally:
            raise OSError(5, "Input/output error")  # the line of progress, to no terminal

    vars(pipeline)["fit"] = hang_up
    code, _, err = told(capsys, "fit", "flowers", "-q")
    assert code == 129
    assert "SIGHUP" in err
    assert "the same command again" in err


def test_an_interrupted_import_shows_no_traceback() -> None:
    early = (
        "import sys; sys.modules['click'] = None\n"
        "class Gone:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'striate.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from striate.__main__ import start; start()"
    )
    said = subprocess.run(
        [sys.executable, "-c", early], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (130, "")


SLOW = """
import sys, time, types
sys.path[:0] = {path!r}
from tests import test_cli
from striate import cli
from striate.command import error_output
fake = types.ModuleType("striate.pipeline")

def fit(source, options, watch, clock):
    with test_cli.Run.open("flowers", options, command="", source_address="x") as run:
        run.write("index.csv", test_cli.VALUES.index)
        print("ready", file=sys.stderr, flush=True)
        try:
            time.sleep(60)
        finally:
            time.sleep(0.3)  # a slow end, into which the second Ctrl-C falls

fake.fit = fit
sys.modules["striate.pipeline"] = fake
sys.argv = ["striate", "fit", "flowers", "-q"]
cli.main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_twice_in_a_row_does_no_harm(name: str, code: int) -> None:
    number = getattr(signal, name)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(path=sys.path)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "saved in runs/flowers-1" in err
    assert "striate fit flowers -q" in err
    assert "Traceback" not in err
    assert Run.load("runs/flowers-1").record.finished is False
    assert not list(Path("runs").rglob(".*"))


def test_a_signal_that_a_library_swallows_ends_the_command_all_the_same() -> None:
    lost = SLOW.replace(
        "try:", "try: time.sleep(60)\n        except BaseException: pass\n        try:"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", lost.format(path=sys.path)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "saved in runs/flowers-1" in err


def test_a_terminal_that_hangs_up_takes_no_program_of_nohup_with_it() -> None:
    shell = f"trap '' HUP; exec {sys.executable} -c \"$0\""
    process = subprocess.Popen(
        ["sh", "-c", shell, SLOW.format(path=sys.path)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


QUICK = """
import sys, types
sys.path[:0] = {path!r}
from tests import test_cli
fake = types.ModuleType("striate.pipeline")
vars(fake).update(fit=test_cli.made_fit, asked=[], summary=test_cli.VALUES.summary)
sys.modules["striate.pipeline"] = fake
sys.argv = ["striate", *{words!r}]
test_cli.cli.main()
"""


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize("words", [["fit", "x"], ["fit", "x", "--json"], ["completion", "zsh"]])
def test_a_reader_that_leaves_is_no_fault(closed: str, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    said = subprocess.run(
        [sys.executable, "-c", QUICK.format(path=sys.path, words=words)],
        text=True,
        check=False,
        **{**streams, closed: writing},
    )
    os.close(writing)
    assert "Traceback" not in (said.stderr or "")
    assert "error" not in (said.stderr or "")
    assert said.returncode in (0, 141)
    assert said.returncode == 0 or words[0] == "fit" or closed == "stdout"


# Using a model -----------------------------------------------------------------------------------


class FakeClassifier:
    """Says red, green or blue by the brightest channel."""

    spec = replace(
        made.made_spec(("blue", "green", "red"), "linear", 8, 3), classes=("blue", "green", "red")
    )

    def predictions(self, images_NHWC: np.ndarray, index: Index, rows: np.ndarray) -> Predictions:
        sums = images_NHWC.astype(np.float32).sum(axis=(1, 2))[:, ::-1] + 1
        number = {name: k for k, name in enumerate(self.spec.classes)}
        return Predictions(
            classes=self.spec.classes,
            paths=tuple(index.examples[row].path for row in rows),
            probabilities=sums / sums.sum(axis=1, keepdims=True),
            truth=np.array([number.get(index.examples[row].label, -1) for row in rows], np.int64),
        )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> Path:
    """A finished run whose model tells colours; pictures of them beside it."""
    monkeypatch.setattr(Run, "classifier", FakeClassifier())
    with Run.open("c", Options(out="run"), command="striate fit c", source_address="c") as run:
        run.write("index.csv", replace(VALUES.index, examples=()))
        run.finish(VALUES.summary)
    for place, colour in enumerate(("red", "green", "blue")):
        (own_folder / "new" / colour).mkdir(parents=True)
        for number in range(3):
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[..., place] = 200 + number
            Image.fromarray(pixels).save(own_folder / "new" / colour / f"{number}.png")
    return own_folder


def test_predict_prints_csv(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "predict", "run", "new/red/0.png", "new/green", "-q")
    assert (code, err) == (0, "")
    assert "\r" not in out
    lines = out.split("\n")
    assert lines[0] == "path,predicted,probability,p:blue,p:green,p:red,error"
    assert lines[1].startswith("new/red/0.png,red,0.99")
    assert [line.split(",")[1] for line in lines[1:-1]] == ["red", "green", "green", "green"]


def test_predict_takes_globs_lists_and_gives_the_top(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = told(capsys, "predict", "run", "new/**/1.png", "--top", "2", "-q")[1]
    assert out.splitlines()[0] == "path,predicted,probability,class_1,p_1,class_2,p_2,error"
    assert len(out.splitlines()) == 4
    listing = subprocess.run(["printf", r"new/red/0.png\nnew/blue/1.png\n"], capture_output=True)
    monkeypatch.setattr("sys.stdin", FakeInput(listing.stdout))
    out = told(capsys, "predict", "run", "-", "--json", "-q")[1]
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["predicted"] for answer in answers] == ["red", "blue"]
    assert list(answers[0]["probabilities"]) == ["blue", "green", "red"]
    monkeypatch.setattr("sys.stdin", FakeInput(b"new/red/0.png\0new/red/1.png\0"))
    assert len(told(capsys, "predict", "run", "-", "-q")[1].splitlines()) == 3


class FakeInput:
    """Standard input that holds some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = self
        self.read = lambda: content


def test_predict_into_a_file_is_whole(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "predict", "run", "new", "-o", "labels.csv")
    assert (code, out) == (0, "")
    assert len((model / "labels.csv").read_text("utf-8").splitlines()) == 10


def test_predict_never_writes_over_what_it_reads_or_what_is_not_its_own(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "table.csv").write_text("image,label\nnew/red/0.png,red\n")
    (model / "labels.csv").hardlink_to(model / "table.csv")
    (model / "seen.csv").symlink_to("run/index.csv")
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    for words in (
        ("-o", "new/red/0.png", "new/red/1.png", "new/red/2.png"),  # -o new/red/*.png
        ("new/red/0.png", "-o", "new/red/0.png", "--force"),
        ("table.csv", "-o", "labels.csv", "--force"),
        ("table.csv", "-o", "new/red/0.png", "--force"),
        ("new/red/0.png", "-o", "table.csv"),
        ("new/red/0.png", "-o", "run/run.json", "--force"),
        ("new/red/0.png", "-o", "run/predictions.csv", "--force"),
        ("new/red/0.png", "-o", "seen.csv", "--force"),
        ("new", "-o", "new/labels.csv"),
        ("new/red/0.png", "-o", "new"),
        ("new/red/0.png", "-o", "nowhere/labels.csv"),
    ):
        code, out, err = told(capsys, "predict", "run", *words)
        assert (code, out) == (2, ""), words
        assert "--out" in err
    after = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("more", [(), ("--json",), ("--top", "2"), ("--json", "--top", "1")])
def test_predict_renews_its_own_answers(
    model: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    words = ("predict", "run", "new/red", "-q", "-o", "labels.csv")
    assert told(capsys, *words, *more)[0] == 0
    assert told(capsys, *words)[0] == 0
    assert len((model / "labels.csv").read_text("utf-8").splitlines()) == 4
    (model / "labels.csv").write_text("mine\n")
    assert told(capsys, *words)[0] == 2
    assert told(capsys, *words, "--force")[0] == 0


def test_predict_writes_to_streams(model: Path) -> None:
    words = ["predict", "run", "new/red", "-q", "-o", "/dev/stdout"]
    code = (
        "import sys; from tests.test_cli import FakeClassifier; from striate.cli import run; "
        "from striate.run import Run; Run.classifier = FakeClassifier(); "
        "sys.exit(run(sys.argv[1:]))"
    )
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=place
    )
    assert (said.returncode, len(said.stdout.splitlines())) == (0, 4)


def test_what_may_not_be_written_is_refused_before_anything_heavy(model: Path) -> None:
    code = (
        "import sys; from striate.cli import run; print(run(sys.argv[1:])); "
        "print(sorted({'torch', 'torchvision', 'timm', 'sklearn'} & set(sys.modules)))"
    )
    for words in (
        ["predict", "run", "new/red/1.png", "-o", "new/red/0.png"],
        ["inspect", "new", "--out", "new/red/0.png"],
    ):
        said = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert said.stdout.splitlines() == ["2", "[]"], (words, said.stderr)


def test_an_unreadable_image_keeps_its_row_and_is_told_of(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "new/red/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (model / "new/red/empty.jpg").write_bytes(b"")
    code, out, err = told(capsys, "predict", "run", "new/red", "-q")
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["predicted"] for row in rows] == ["red", "red", "red", "", ""]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, True]
    assert rows[3]["probability"] == rows[3]["p:red"] == ""
    assert "not read: new/red/bad.png: " in err
    assert "not read: new/red/empty.jpg: " in err
    code, out, err = told(capsys, "predict", "run", "new/red/bad.png", "-q")
    assert code == 3
    assert len(out.splitlines()) == 2
    assert "None of 1 images could be read" in err


@pytest.mark.parametrize(
    ("paths", "complaint"),
    [
        (["new/red/7.png"], "new/red/7.png does not exist"),
        (["a", "b", "c", "d"], "a, b, c and 1 more do not exist"),
        (["new/*.tif"], "new/*.tif does not exist"),
        (["new/rad"], "did you mean red?"),
    ],
)
def test_predict_names_what_is_not_there(
    model: Path, capsys: pytest.CaptureFixture[str], paths: list[str], complaint: str
) -> None:
    code, out, err = told(capsys, "predict", "run", *paths)
    assert (code, out) == (3, "")
    assert complaint in err


def test_a_run_that_is_not_there_is_a_wrong_command(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("predict", "evaluate"):
        code, _, err = told(capsys, verb, "runs/flowers-1", "x")
        assert code == 2
        assert "runs/flowers-1 is not a run folder" in err


def test_evaluate_tells_accuracy_classes_and_confusion(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "new/red/0.png").rename(model / "new/green/swapped.png")
    code, out, err = told(capsys, "evaluate", "run", "new")
    assert (code, err) == (0, "")
    assert out.startswith("Accuracy 88.9% (95% CI ")
    assert "9 images" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["green", "red", "1"] in [row[:3] for row in rows]
    assert rows[-1] == ["100.0%", "green", "red", "green/swapped.png"]
    told_ = json.loads(told(capsys, "evaluate", "run", "new", "--json")[1])
    assert told_["schema"] == "striate/evaluation/1"
    assert told_["confusion"] == [[3, 0, 0], [0, 3, 1], [0, 0, 2]]


def test_evaluate_does_not_count_what_the_model_was_trained_on(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from striate.data.scan import read_index

    run = Run.load("run")
    index = read_index("new", Options())
    trained = tuple(replace(e, split="train") for e in index.examples if e.path == "red/0.png")
    run.write("index.csv", replace(index, examples=trained))
    out = told(capsys, "evaluate", "run", "new")[1]
    assert "8 images" in out
    assert "1 images are not counted" in out


def test_evaluate_takes_a_single_class(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "one/none").mkdir(parents=True)
    (model / "new/red").rename(model / "one/red")
    assert "3 images" in told(capsys, "evaluate", "run", "one")[1]
    assert told(capsys, "evaluate", "run", "one/none")[0] == 3


def test_evaluate_names_classes_that_the_model_does_not_know(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "new/red").rename(model / "new/purple")
    code, out, _ = told(capsys, "evaluate", "run", "new")
    assert code == 0
    assert "6 images" in out
    assert "purple (3)" in out
    (model / "only").mkdir()
    (model / "new/purple").rename(model / "only/purple")
    code, _, err = told(capsys, "evaluate", "run", "only")
    assert code == 3
    assert "no class purple" in err


def test_python_predicts_what_it_is_given(model: Path) -> None:
    run = Run.load("run")
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert run.predict(model / "new/red/0.png").labels == ("red",)
    assert run.predict([str(model / "new/blue/0.png"), red]).labels == ("blue", "red")
    assert run.predict(Image.fromarray(red)).labels == ("red",)
    assert run.predict(np.stack([red, red[..., ::-1]])).labels == ("red", "blue")
    assert run.predict((red / 255)[None]).labels == ("red",)


def test_report_writes_the_report_again(
    model: Path, pipeline: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    vars(pipeline)["write_report"] = lambda run, lang: asked.append(lang)
    code, out, err = told(capsys, "report", "run", "--lang", "zh")
    assert (code, out, err) == (0, "run/report.html\n", "")
    assert asked == ["zh"]


# Machine and shell -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["nets", "doctor"])
def test_nets_and_doctor_tell_and_tell_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, verb)
    assert (code, err) == (0, "")
    assert "compact" in out if verb == "nets" else "torch" in out
    code, out, _ = told(capsys, verb, "--json")
    assert code == 0
    assert json.loads(out)["schema"] == f"striate/{verb}/1"


def test_nets_with_a_name_tells_its_layers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "nets", "lenet-5")
    assert (code, err) == (0, "")
    assert "61,608 parameters" in out
    first = next(line for line in out.splitlines() if line.startswith("s2.0"))
    assert first.split()[-4:] == ["456", "352,800", "5", "px"]
    code, out, err = told(capsys, "nets", "lenett-5")
    assert (code, out) == (2, "")
    assert "lenet-5" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "completion", shell)
    assert (code, err) == (0, "")
    assert out.startswith(f"# Completion of striate for {shell}.")
    assert "_STRIATE_COMPLETE" in out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("striate ", "predict"), ("striate fit --stra", "--strategy"),
     ("striate fit x --strategy s", "scratch")],
)  # fmt: skip
def test_shells_are_offered_verbs_flags_and_words(typed: str, offered: str) -> None:
    environment = {
        **os.environ,
        "_STRIATE_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }
    said = program(env=environment)
    assert f"plain,{offered}" in said.stdout.splitlines()


def test_only_the_first_of_several_interrupts_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(error_output.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(error_output, "_interrupted", [-5.0])
    monkeypatch.setattr(error_output, "_watch_the_end", lambda number: None)
    with pytest.raises(KeyboardInterrupt) as first:
        error_output.interrupt_once(15, None)
    assert error_output.exit_code_of(first.value) == 143
    now[0] += 4
    error_output.interrupt_once(2, None)
    now[0] += 4
    with pytest.raises(KeyboardInterrupt) as third:
        error_output.interrupt_once(2, None)
    assert error_output.exit_code_of(third.value) == 130


def test_an_example_that_was_left_out_is_named_harmlessly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = [Example(path=f"{n}\x1b.jpg", reason="cut\nshort") for n in range(30)]
    cli._tell_lines(error_output.left_out_lines(many))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "not read: 0\\x1b.jpg: cut\\nshort"
    assert lines[-1] == "not read: 10 more"
    assert len(lines) == 21
