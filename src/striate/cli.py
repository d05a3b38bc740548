"""The command line: parses arguments, calls the procedure, and prints. No other file prints."""

import atexit
import gc
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from striate import __version__
from striate.command.decision_flags import (
    add_decision_flags,
    answering_flags,
    judging_flags,
    parse_decision_flags,
)
from striate.command.error_output import (
    as_known_error,
    end_is_reached,
    error_lines,
    errors_in_colour,
    exit_code_of,
    heed_signals,
    interrupt_error,
    left_out_lines,
    open_closed_streams,
    report_crash,
    signal_behind,
    silence_output,
)
from striate.command.flags import (
    TRAINING_FLAGS,
    SettingsVerb,
    Verb,
    Verbs,
    check_language,
    find_net_faults,
    idle_in_judging,
    parse_typed_options,
    parse_whole_number,
    settings_of,
)
from striate.errors import StriateError

if TYPE_CHECKING:
    from rich.console import Console

    from striate.values import Watch

STARTED = time.monotonic()
ENDED_BY_SIGNAL = (129, 130, 143)  # SIGHUP, Ctrl-C, SIGTERM
PIPE_CLOSED_EXIT_CODE = 141  # what a shell shows for a program that SIGPIPE ended


class Program(Verbs):
    """The group of commands as a program: calling it runs a command and ends the process."""

    def __call__(self, *args: Any, **more: Any) -> NoReturn:
        """Run the command line of the process."""
        if not os.environ.get("STRIATE_DEBUG"):
            warnings.simplefilter("ignore")  # findings of ours tell what matters
        open_closed_streams()
        heed_signals()
        if "_STRIATE_COMPLETE" in os.environ:
            self.main(prog_name="striate", complete_var="_STRIATE_COMPLETE")
        # Loading torch makes a million objects that stay: looking for cycles among them again and
        # again takes a sixth of what a short command takes.
        gc.set_threshold(100_000)
        _leave(run(sys.argv[1:]))


@click.group(
    cls=Program,
    name="striate",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="striate %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Train a convolutional classifier on labelled images, and report how good it is.

    \b
    striate fit flowers              a folder with one sub-folder per class
    striate fit demo --minutes 1     the data set that comes with striate
    striate predict runs/flowers-1 new/*.jpg
    striate evaluate runs/flowers-1 more-flowers
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@main.command(
    cls=SettingsVerb,
    required=("source",),
    checks_later=True,
    short_help="Train a classifier on SOURCE and report its accuracy.",
)
@click.argument("source", metavar="SOURCE", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of text.")
@click.option("--explain-plan", is_flag=True, help="Choose and explain a plan without training.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def fit(source: str, as_json: bool, explain_plan: bool, quiet: bool, **given: Any) -> int:
    """Train a classifier on the labelled images of SOURCE, and report its accuracy.

    \b
    striate fit flowers
    striate fit flowers --minutes 20 --out runs/roses
    striate fit flowers --plan runs/flowers-1/plan.json --seed 3

    SOURCE is a folder with one sub-folder per class (or with such folders train, val and test),
    an archive of one, a table, arrays (.npz, IDX), the name of a data set (cifar10, mnist), or
    demo. The same command continues an interrupted run; with more minutes it improves a finished
    one.
    """
    options = parse_typed_options(given, find_net_faults(given["net"]))
    from striate.store.clock import TimeBudget

    # Before the imports: what other programs leave of the machine shows in the seconds they take.
    clock = TimeBudget(options.minutes, STARTED)
    from striate.pipeline import fit as fit_now

    with _open_watcher(quiet, options.lang) as watch:
        if explain_plan:
            from striate.command.fit_output import plan_explanation_lines

            _make_console(stderr=False).print(
                plan_explanation_lines(source, options, watch, STARTED)
            )
            return 0
        done = fit_now(source, options, watch, clock)
    if as_json:
        _write_stdout((done.folder / "summary.json").read_text("utf-8"))
    else:
        from striate.command.fit_output import fit_result

        # Paths stay whole, so they can be copied.
        _make_console(stderr=False).print(fit_result(done, options.lang), crop=False)
    from striate.command.fit_output import unmet_accuracy_message

    unmet = unmet_accuracy_message(done.summary, done.folder, options)
    if unmet:
        click.echo(unmet, err=True)
    return 1 if unmet else 0


@main.command(
    cls=Verb,
    required=("run", "paths"),
    short_help="Predict the labels of images with the model of RUN.",
)
@click.argument("run", metavar="RUN", required=False, type=click.Path())
@click.argument("paths", metavar="PATHS...", nargs=-1, type=click.Path())
@click.option("--out", "-o", metavar="FILE", type=click.Path(), help="File to write.  [stdout]")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line instead of CSV."
)
@answering_flags
@add_decision_flags
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def predict(
    run: str, paths: tuple[str, ...], out: str | None, as_json: bool, top: str | None, **more: Any
) -> None:
    """Predict the labels of images with the model of RUN, one row per image, in order.

    \b
    striate predict runs/flowers-1 new/ --coverage 0.95 --unknown 0.01
    striate predict runs/flowers-1 'new/**/*.jpg' --out labels.csv
    find new -name '*.png' | striate predict runs/flowers-1 - --json --top 3

    PATHS are files, folders, globs, tables, archives, or - for a list of paths on standard input.
    The row of an image that cannot be read holds the reason.
    """
    most = parse_whole_number("--top", top, "Type: striate predict --help")
    typed = parse_decision_flags(more, "predict")
    from striate.command.predicting import Asking, answering
    from striate.store.outputs import write_lines

    rest = {name: more[name] for name in ("excel", "image", "root", "force")}
    asking = Asking(run=run, words=paths, as_json=as_json, top=most, out=out, **rest)
    found = answering(asking, typed)
    _tell_lines(found.told())
    # Bars and lines of CSV on one screen would be in each other's way.
    with _open_watcher(more["quiet"] or (out is None and sys.stdout.isatty()), "auto") as watch:
        write_lines(found.lines(watch), found.place, otherwise=_write_stdout)
    _tell_lines(left_out_lines(found.aside))
    found.refuse_failures(strict=more["strict"])


@main.command(
    cls=SettingsVerb,
    required=("run", "source"),
    checks_later=True,
    without=idle_in_judging,
    short_help="Evaluate the model of RUN on labelled images.",
)
@click.argument("run", metavar="RUN", required=False, type=click.Path())
@click.argument("source", metavar="SOURCE", required=False, type=click.Path())
@add_decision_flags
@judging_flags
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def evaluate(
    run: str, source: str, as_json: bool, classes: str | None, rows: str | None, **more: Any
) -> None:
    """Evaluate the model of RUN on the labelled images of SOURCE.

    \b
    striate evaluate runs/flowers-1 more.csv --image path --label species --out rows.csv
    striate evaluate runs/flowers-1 more-flowers --coverage 0.95 --precision 0.9

    Training and validation images of the model are not counted. SOURCE is read as in the fit;
    flags change that.
    """
    typed, reading = parse_decision_flags(more, "evaluate"), settings_of(more)
    from striate.command.evaluation_output import evaluated, evaluation_file, evaluation_lines

    names = [name.strip() for name in (classes or "").split(",") if classes]
    found = evaluated(run, source, {**typed, **reading, "classes": names}, rows, more)
    _print_result(
        evaluation_file(run, source, found) if as_json else found, evaluation_lines, as_json
    )


@main.command(
    cls=SettingsVerb,
    required=("source",),
    checks_later=True,
    without=TRAINING_FLAGS,
    short_help="Check the images and labels of SOURCE without training.",
)
@click.argument("source", metavar="SOURCE", required=False, type=click.Path())
@click.option(
    "--out",
    "-o",
    "page",
    metavar="FILE",
    type=click.Path(),
    help="Report to write.  [inspect.html]",
)
@click.option("--fix", "table", metavar="FILE", type=click.Path(), help="Write a cleaned table.")
@click.option("--force", is_flag=True, help="Replace files even if striate did not write them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def inspect(
    source: str, page: str | None, table: str | None, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Check SOURCE without training: duplicates, leakage, label errors, series, unusable files.

    \b
    striate inspect flowers
    striate inspect flowers --fix clean.csv
    striate fit clean.csv

    The report shows the images. --fix writes a table for fit that lists each image once and
    leaves out images with several labels; no image file is changed.
    """
    force = given.pop("force")
    options = parse_typed_options(given)
    from striate.command.inspect_output import inspect_and_write, inspection_lines
    from striate.report.language import choose_language

    with _open_watcher(quiet, options.lang) as watch:
        found, written = inspect_and_write(source, options, page, table, watch, force=force)
    lang = choose_language(options.lang)
    _print_result(found, lambda found: inspection_lines(found, written, lang), as_json)
    from striate.command.fit_output import refuse_if_strict  # reaches torch

    refuse_if_strict(found, options)


@main.command(cls=Verb, required=("log",), short_help="Diagnose the learning curves of LOG.")
@click.argument("log", metavar="LOG", required=False, type=click.Path())
@click.option("--val-images", metavar="N", help="Number of validation images.  [1,000]")
@click.option("--train-images", metavar="N", help="Number of training images.  [1,000]")
@click.option("--lang", metavar="LANG", default="auto", help="auto (locale), en, zh.  [auto]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def diagnose(log: str, lang: str, as_json: bool, **images: str | None) -> None:
    """Diagnose the learning curves of a training, whichever program wrote LOG.

    \b
    striate diagnose history.csv --val-images 500

    LOG is a table or JSON file (of striate, Keras, Lightning, …) or TensorBoard event files.
    """
    check_language(lang, "Type: striate diagnose --help")
    from striate.command.diagnose_output import diagnose_log, diagnosis_lines

    _print_result(diagnose_log(log, images), lambda found: diagnosis_lines(found, lang), as_json)


@main.command(cls=Verb, required=("run",), short_help="Write the report of RUN again.")
@click.argument("run", metavar="RUN", required=False, type=click.Path())
@click.option("--lang", metavar="LANG", default="auto", help="auto (locale), en, zh.  [auto]")
def report(run: str, lang: str) -> None:
    """Write the report of RUN again, for example in another language.

    \b
    striate report runs/flowers-1 --lang zh
    """
    check_language(lang, "Type: striate report --help")
    from striate.pipeline import write_report
    from striate.run import Run

    loaded = Run.load(run)
    write_report(loaded, lang)
    _write_stdout(f"{loaded.folder / 'report.html'}\n")


@main.command(cls=Verb, short_help="List the available networks, or the layers of one.")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def nets(name: str | None, as_json: bool) -> None:
    """List the available networks: size, cost, speed on this machine, weights.

    With NAME, list its layers: output shape, parameters, multiply-adds, receptive field.

    \b
    striate nets resnet-20
    """
    from striate.command.doctor import architecture_lines, examine_net, list_nets, nets_lines

    if name is not None:
        _print_result(examine_net(name), architecture_lines, as_json)
        return
    _print_result(list_nets(), nets_lines, as_json)


@main.command(
    cls=Verb, required=("files",), short_help="Show the network in FILES of another toolbox."
)
@click.argument("files", metavar="FILES...", nargs=-1, type=click.Path())
@click.option(
    "--check", metavar="REF", type=click.Path(), help="An .npz of x, y: compare the outputs."
)
@click.option("--net", metavar="NAME", help="The list of layers, where FILES hold weights alone.")
def weights(files: tuple[str, ...], check: str | None, net: str | None) -> int:
    """Show the network in FILES of another toolbox, layer by layer, without running any code.

    \b
    striate weights net.onnx
    striate weights deploy.prototxt net.caffemodel --check reference.npz

    --check ends with exit code 1 if an output differs by more than 1e-5 of the largest.
    """
    from striate.command.weights_output import check_weights, examine_weights, weights_lines

    found = examine_weights(files, net)
    compared = check_weights(found, check)
    _print_result(found, lambda found: weights_lines(found, compared), as_json=False)
    return 0 if all(each.passes for each in compared) else 1


@main.command(cls=Verb, short_help="Check this machine and the installation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def doctor(as_json: bool) -> None:
    """Show versions, device, threads and precision, and what is missing."""
    from striate.command.doctor import examination_lines, examine_machine

    _print_result(examine_machine(), examination_lines, as_json)


@main.command(cls=Verb, required=("shell",), short_help="Print a completion script for SHELL.")
@click.argument("shell", metavar="SHELL", required=False)
def completion(shell: str) -> None:
    """Print a script that completes commands and flags; SHELL is bash, zsh or fish.

    \b
    striate completion zsh >> ~/.zshrc
    striate completion fish > ~/.config/fish/completions/striate.fish
    """
    from striate.command.flags import completion_script

    _write_stdout(completion_script(main, shell))


# Running -----------------------------------------------------------------------------------------


def run(words: Sequence[str]) -> int:
    """Run a command line and return its exit code; errors are printed on stderr."""
    try:
        # Not click's own `main`: it turns Ctrl-C and a closed pipe into something else.
        with main.make_context("striate", list(words)) as ctx:
            code = main.invoke(ctx)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except BaseException as error:
        return _end(error, words)


def _end(error: BaseException, words: Sequence[str]) -> int:
    """Print why a command ended early, and return its exit code."""
    ended = signal_behind(error)
    if ended is not None:
        end_is_reached()
        with suppress(KeyboardInterrupt, OSError):  # a terminal that hung up hears nothing
            _print_error(interrupt_error(ended, words), mark="")
        return exit_code_of(ended)
    if isinstance(error, BrokenPipeError | SystemExit):  # rich makes the one into the other
        silence_output()
        return PIPE_CLOSED_EXIT_CODE
    if isinstance(error, Exception):
        told = as_known_error(error)
        if os.environ.get("STRIATE_DEBUG"):
            traceback.print_exception(error)
        with suppress(BrokenPipeError):
            _print_error(told or report_crash(error))
        return told.exit_code if told else StriateError.exit_code
    raise error


def _leave(code: int) -> NoReturn:
    """End the process at once, without taking torch apart piece by piece.

    That saves half a second and 100 MB. All files are complete by now; threads that are still
    decoding, after Ctrl-C, are not waited for.
    """
    if code not in ENDED_BY_SIGNAL:
        atexit._run_exitfuncs()
    with suppress(OSError, ValueError, AttributeError):  # a stream closed, or not there
        sys.stderr.flush()
    os._exit(code)


# Printing ----------------------------------------------------------------------------------------


def _print_error(error: StriateError, mark: str = "error: ") -> None:
    """Print an error on stderr: one sentence per fault, then what to type."""
    for line in error_lines(error, mark):
        click.echo(line, err=True, color=errors_in_colour())


def _tell_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _make_console(stderr: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def _open_watcher(quiet: bool, lang: str) -> Iterator["Watch"]:
    from striate.report.language import choose_language
    from striate.report.terminal import open_progress_watcher

    mode = "quiet" if quiet else "auto"
    with open_progress_watcher(_make_console(stderr=True), mode, choose_language(lang)) as watch:
        yield watch


def _print_result(found: Any, lines: Any, as_json: bool) -> None:
    from striate.store.files import to_json

    _write_stdout(
        to_json(found).decode() if as_json else "".join(f"{line}\n" for line in lines(found))
    )


def _write_stdout(text: str) -> None:
    """Write the result to stdout in UTF-8, whatever the locale; invalid bytes become escapes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
