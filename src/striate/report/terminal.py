"""The lines on the terminal: the source, and the result of a run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from striate.report.checks import sort_by_gravity
from striate.report.headline import (
    advice_of_verdict,
    format_metric,
    grave_leak,
    measure_text,
    verdict_text,
)
from striate.report.language import Words, load_words, plain_spaces
from striate.report.progress_bars import open_progress_watcher as open_progress_watcher
from striate.values import Finding, Index, Plan, Score, Split, Summary


def source_summary(index: Index, split: Split, lang: str = "en") -> RenderableType:
    """A line or two on the source: classes, images, split, excluded files."""
    say = load_words(lang)
    used, aside = len(index.used()), sum(e.status == "set_aside" for e in index.examples)
    line = Text()
    line.append(index.name, style="bold")
    line.append("  " + plain_spaces(say("terminal.found", classes=len(index.classes), n=used)))
    if split.evaluation == "cross-validation":
        line.append(say("unit.clause") + plain_spaces(say("terminal.crossed")))
    else:
        line.append(
            say("unit.clause")
            + plain_spaces(
                say(
                    "terminal.split",
                    train=len(split.train),
                    val=len(split.val),
                    test=len(split.test) - len(split.leaked),
                )
            )
        )
    lines = [line]
    if aside:
        lines.append(Text(plain_spaces(say("terminal.aside", n=aside)), style="yellow"))
    if len(split.leaked):
        lines.append(
            Text(plain_spaces(say("terminal.leaked", n=len(split.leaked))), style="yellow")
        )
    lines += [Text(plain_spaces(say.sentence(note))) for note in (*index.notes, *split.notes)]
    return Group(*lines)


def run_result(
    summary: Summary,
    run_path: str,
    lang: str = "en",
    findings: Sequence[Finding] = (),
    plan: Plan | None = None,
) -> RenderableType:
    """The last lines: accuracy, model with reason, verdict, advice, report, next command.

    `plan` is the plan as executed; without it the model is not named. `findings` are those of the
    run; without them the advice is that of the verdict. Print with `crop=False`, so that long paths
    stay whole.
    """
    say = load_words(lang)
    sentences = [
        *_leak(findings, say),
        (_metric_name(summary.test, say), _accuracy(summary, say)),
        *_balanced_accuracy_text(summary.test, say),
        *_unjudged(findings, say),
        *_delivered_model_text(plan, say),
        *_override_cost_text(plan, say),
        (say("terminal.verdict"), Text(plain_spaces(verdict_text(summary.verdict, say)))),
    ]
    advice = _advice(summary, findings, say)
    if advice:
        sentences.append((say("terminal.advice"), Text(plain_spaces(advice))))
    places = [
        (say("terminal.report"), f"{run_path}/report.html"),
        (say("terminal.next"), f"striate predict {shlex.quote(run_path)} {say('repeat.images')}"),
    ]
    width = 2 + max(cell_len(name) for name, _ in (*sentences, *places))
    return Group(
        *(HangingText(_padded_name(name, width), text) for name, text in sentences),
        *(_unbroken_line(name, place, width) for name, place in places),
    )


def _unjudged(findings: Sequence[Finding], say: Words) -> list[tuple[str, Text]]:
    """Classes that the accuracy does not cover."""
    told = [f for f in findings if f.code == "unjudged_class" and f.outcome == "found"]
    return [
        (say("terminal.unjudged"), Text(plain_spaces(say.finding(f)[1]), style="yellow"))
        for f in told
    ]


def _leak(findings: Sequence[Finding], say: Words) -> list[tuple[str, Text]]:
    """Copies of training images in the test split, shown before the accuracy."""
    leak = grave_leak(findings)
    if leak is None:
        return []
    return [(say("terminal.leak"), Text(plain_spaces(say.finding(leak)[1]), style="bold red"))]


def _delivered_model_text(plan: Plan | None, say: Words) -> list[tuple[str, Text]]:
    """The strategy of the delivered model, with the last reason for it."""
    if plan is None:
        return []
    name = say.named("strategy", plan.strategy.value)
    reasons = [reason for reason in plan.because if not reason.code.startswith(FORCED)]
    why = f" – {say.sentence(reasons[-1])}" if reasons else ""
    return [(say("terminal.model"), Text(plain_spaces(f"{name}{why}")))]


def _override_cost_text(plan: Plan | None, say: Words) -> list[tuple[str, Text]]:
    """The cost of a strategy or setting that was requested."""
    told = [say.sentence(r) for r in plan.because if r.code.startswith(FORCED)] if plan else []
    if not told:
        return []
    return [(say("terminal.forced"), Text(plain_spaces(say("unit.space").join(told))))]


@dataclass(frozen=True, slots=True)
class HangingText:
    """A text beside a name, wrapped to the console with a hanging indent."""

    name: Text
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, without trailing spaces."""
        room = max(20, options.max_width - self.name.cell_len)
        for number, line in enumerate(self.text.wrap(console, room)):
            line.rstrip()
            start = self.name if number == 0 else Text(" " * self.name.cell_len)
            yield start + line


def _metric_name(score: Score | None, say: Words) -> str:
    if score is None or score.metric == "accuracy":
        return say("terminal.accuracy")
    return say(f"terminal.{score.metric}")


def _balanced_accuracy_text(score: Score | None, say: Words) -> list[tuple[str, Text]]:
    """The balanced accuracy with its interval."""
    if score is None or score.balanced_accuracy is None:
        return []
    line = plain_spaces(say.percent(score.balanced_accuracy))
    if score.balanced_interval is not None:
        line = say(
            "terminal.balanced_line",
            share=line,
            level=round(100 * score.level),
            span=say.span(*score.balanced_interval),
        )
    return [(say("terminal.balanced"), Text(plain_spaces(line)))]


def _accuracy(summary: Summary, say: Words) -> Text:
    score = summary.test
    if score is None:
        return Text(say("headline.none_why"))
    if score.metric != "accuracy":
        return _other_metric(score, say)
    unproved = summary.verdict.code.startswith("guessing")
    text = Text(
        plain_spaces(say.percent(score.value)), style="bold yellow" if unproved else "bold green"
    )
    interval = say(
        "terminal.interval",
        level=round(100 * score.level),
        span=say.span(*score.interval),
        n=score.n,
        evaluation=say(f"terminal.{score.evaluation}"),
    )
    if score.guessing is not None:
        baseline = say("terminal.guessing", share=say.percent(score.guessing))
        interval += say("unit.comma") + baseline
    text.append("  " + plain_spaces(interval), style="not bold default")
    return text


def _other_metric(score: Score, say: Words) -> Text:
    """The mean average precision or the mean absolute error, then further measures."""
    text = Text(plain_spaces(format_metric(score, score.value, say)), style="bold green")
    low, high = (format_metric(score, end, say) for end in score.interval)
    interval = say(
        "terminal.interval",
        level=round(100 * score.level),
        span=f"{low}–{high}",
        n=score.n,
        evaluation=say(f"terminal.{score.evaluation}"),
    )
    beside = "".join(
        f"{say('unit.comma')}{say.named('metric', m.name)} {measure_text(m, say)}"
        for m in score.beside[:1]
    )
    text.append("  " + plain_spaces(interval + beside), style="not bold default")
    return text


def _advice(summary: Summary, findings: Sequence[Finding], say: Words) -> str:
    worst = sort_by_gravity(findings)
    if worst and worst[0].severity in ("serious", "warning"):
        return say.finding(worst[0])[2]
    advice = advice_of_verdict(summary.verdict, findings, say)
    return advice or (say.finding(worst[0])[2] if worst else "")


def _unbroken_line(name: str, place: str, width: int) -> Text:
    """A line that is never wrapped, so that it can be copied whole."""
    text = _padded_name(name, width)
    text.no_wrap, text.overflow = True, "ignore"
    return text.append(place, style="cyan")


def _padded_name(name: str, width: int) -> Text:
    return Text().append(name + " " * (width - cell_len(name)), style="dim")


FORCED = "forced."
