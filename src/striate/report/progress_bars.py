"""Progress: live on a terminal, one line in a notebook, plain lines elsewhere."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from striate.report.language import Words, load_words, plain_spaces
from striate.values import Epoch, Progress, Watch, shown, unwatched

MODES = ("auto", "live", "notebook", "plain", "quiet")


@contextmanager
def open_progress_watcher(
    console: Console, mode: str = "auto", lang: str = "en"
) -> Iterator[Watch]:
    """A watcher that writes to `console` while the context lasts.

    `auto` is live on a terminal, one updating line in a notebook, and plain otherwise: one
    line a stage and an epoch. `quiet` says nothing.
    """
    mode = _console_mode(console) if mode == "auto" else mode
    say = load_words(lang)
    if mode == "quiet":
        yield unwatched
    elif mode == "live":
        with _make_bars(console) as bars:
            yield LiveProgress(bars, say)
    elif mode == "notebook":
        yield OneLineProgress(console, say)
        console.file.write("\n")
    else:
        yield PlainProgress(console, say)


def _console_mode(console: Console) -> str:
    if console.is_jupyter:
        return "notebook"
    return "live" if console.is_terminal and not console.is_dumb_terminal else "plain"


class PlainProgress:
    """One plain line per stage and per epoch."""

    def __init__(self, console: Console, say: Words) -> None:
        self.console, self.say = console, say
        self.clock = StageClock()

    def __call__(self, progress: Progress) -> None:
        """Writes what is new."""
        seconds = self.clock(progress.stage)
        if progress.note is not None and not progress.finished:
            self._print(plain_spaces(self.say.sentence(progress.note)))
        if progress.epoch is not None:
            self._print(epoch_line(progress.epoch, progress.total, self.say, progress.metric))
        if progress.finished:
            self._print(finished_stage_line(progress, seconds, self.say))

    def _print(self, text: str) -> None:
        self.console.print(Text(text, no_wrap=True, overflow="ignore"), soft_wrap=True)


class OneLineProgress:
    """One line that is overwritten."""

    def __init__(self, console: Console, say: Words) -> None:
        self.console, self.say = console, say
        self.longest = 0

    def __call__(self, progress: Progress) -> None:
        """Writes the line anew."""
        line = running_line(progress, self.say)
        self.longest = max(self.longest, len(line))
        self.console.file.write("\r" + line.ljust(self.longest))
        self.console.file.flush()


class LiveProgress:
    """A bar for the current stage; finished stages stay above it as lines."""

    def __init__(self, bars: Bars, say: Words) -> None:
        self.bars, self.say = bars, say
        self.clock = StageClock()
        self.task: tuple[str, TaskID] | None = None

    def __call__(self, progress: Progress) -> None:
        """Moves the bar, and writes lines for notes and for finished stages above it."""
        seconds = self.clock(progress.stage)
        if progress.note is not None and not progress.finished:
            self.bars.console.print(Text("  " + plain_spaces(self.say.sentence(progress.note))))
        if progress.finished:
            self._end()
            line = Text("✓ ", style="green")
            line.append(finished_stage_line(progress, seconds, self.say), style="default")
            self.bars.console.print(line)
            return
        self.bars.update(
            self._task(progress),
            total=progress.total or None,
            completed=progress.done,
            detail=progress_detail(progress, self.say),
        )

    def _task(self, progress: Progress) -> TaskID:
        if self.task is None or self.task[0] != progress.stage:
            self._end()
            name = self.say.named("stage", progress.stage)
            self.task = progress.stage, self.bars.add_task(name, total=None, detail="")
        return self.task[1]

    def _end(self) -> None:
        if self.task is not None:
            self.bars.remove_task(self.task[1])
            self.task = None


class StageClock:
    """Seconds since the current stage was first reported."""

    def __init__(self) -> None:
        self.stage, self.start = "", 0.0

    def __call__(self, stage: str) -> float:
        """The seconds that `stage` has been going on."""
        if stage != self.stage:
            self.stage, self.start = stage, time.perf_counter()
        return time.perf_counter() - self.start


def finished_stage_line(progress: Progress, seconds: float, say: Words) -> str:
    """A finished stage: its name, result, amount, and time."""
    parts = [say.named("stage", progress.stage)]
    if progress.note is not None:
        parts.append(say.sentence(progress.note))
    if progress.done:
        parts.append(_count_text(progress, say))
    if progress.rate:
        parts.append(say("terminal.rate", n=round(progress.rate)))
    if seconds >= 1:
        parts.append(say.seconds(seconds))
    return plain_spaces("  ".join(parts))


def epoch_line(epoch: Epoch, total: int, say: Words, metric: str = "accuracy") -> str:
    """An epoch: losses, accuracies (or the task's measure), speed."""
    judged = math.isfinite(epoch.val_accuracy)
    return plain_spaces(
        say(
            "terminal.epoch" if judged else "terminal.epoch_unjudged",
            epoch=epoch.epoch,
            total=total or "?",
            train_loss=epoch.train_loss,
            measure=say(f"measure.{metric}"),
            train_accuracy=_format_measure(epoch.train_accuracy, metric, say),
            val_loss=epoch.val_loss,
            val_accuracy=_format_measure(epoch.val_accuracy, metric, say),
            rate=round(epoch.pictures_per_second),
        )
    )


def _format_measure(value: float, metric: str, say: Words) -> str:
    """A share in per cent; R² as a number."""
    return shown(value) if metric == "r_squared" else say.percent(value)


def running_line(progress: Progress, say: Words) -> str:
    """The current stage in one line."""
    note = plain_spaces(say.sentence(progress.note)) if progress.note else ""
    parts = (say.named("stage", progress.stage), progress_detail(progress, say), note)
    return "  ".join(part for part in parts if part)


def progress_detail(progress: Progress, say: Words) -> str:
    """Progress of a stage: count, speed, time left, last epoch."""
    parts = []
    if progress.total:
        parts.append(_count_text(progress, say))
    if progress.rate:
        parts.append(say("terminal.rate", n=round(progress.rate)))
    if progress.epoch is not None and math.isfinite(progress.epoch.val_accuracy):
        share = _format_measure(progress.epoch.val_accuracy, progress.metric, say)
        if progress.metric != "accuracy":
            share = f"{say(f'measure.{progress.metric}')} {share}"
        parts.append(say("terminal.validation_accuracy", share=share))
    if progress.seconds_left is not None:
        parts.append(say("terminal.left", time=say.seconds(progress.seconds_left)))
    return plain_spaces("  ".join(parts))


def _count_text(progress: Progress, say: Words) -> str:
    unit = say.named("counted", progress.unit)
    if progress.total and progress.done < progress.total:
        return f"{progress.done:,} / {progress.total:,} {unit}".rstrip()
    return f"{progress.done:,} {unit}".rstrip()


def _make_bars(console: Console) -> Bars:
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}", markup=False),
        console=console,
        transient=True,
    )
