"""The number first, for several labels or a number: what to expect, and what stands beside it."""

from collections.abc import Sequence

from striate.report.headline import measurement_note, verdict_block
from striate.report.language import Words
from striate.values import Block, Finding, Measure, Score, Section, Values


def task_headline(values: Values, words: Words) -> tuple[str, str]:
    """The sentence of the page and the line below it."""
    score = values.summary.test
    if score is None:
        return words("headline.none"), words("headline.none_why")
    shown = format_metric(score, score.value, words)
    return words(f"headline.{score.metric}", value=shown), metric_line(score, words)


def metric_line(score: Score, words: Words) -> str:
    """The metric by name with its interval."""
    low, high = score.interval
    return words(
        "headline.metric_line",
        metric=words.named("metric", score.metric),
        value=format_metric(score, score.value, words),
        level=round(100 * score.level),
        low=format_metric(score, low, words),
        high=format_metric(score, high, words),
    )


def format_metric(score: Score, value: float, words: Words) -> str:
    """A value of a score's metric: a percentage, or a number in its own unit."""
    if score.metric == "mean_absolute_error":
        return words.number(value)
    return words.percent(value)


def task_answer(values: Values, findings: Sequence[Finding], words: Words) -> Section:
    """The verdict, the figures beside the metric, and what they may be trusted for."""
    blocks: list[Block] = []
    score = values.summary.test
    if score is not None:
        blocks.append(_facts(score, words))
        blocks.append(Block(kind="text", text=measurement_note(score, words)))
    verdict = values.summary.verdict
    gravity = "serious" if verdict.code.endswith("_guessed") else "passed"
    blocks.append(verdict_block(verdict, findings, words, gravity))
    points = (words("trust.same_source"),), (words("distrust.other_source"),)
    blocks.append(Block(kind="list", title=words("trust.title"), rows=points[:1]))
    blocks.append(Block(kind="list", title=words("distrust.title"), rows=points[1:]))
    return Section(key="answer", title=words("answer.title"), blocks=tuple(blocks))


def measure_text(measure: Measure, words: Words) -> str:
    """A measure with its interval: an error in the number's unit, R² plain, others as shares."""
    if measure.name == "root_mean_squared_error":
        span = f"{words.number(measure.low)}–{words.number(measure.high)}"
        return f"{words.number(measure.value)} ({span})"
    if measure.name == "r_squared":
        return f"{measure.value:.3f} ({measure.low:.3f}–{measure.high:.3f})"
    return f"{words.percent(measure.value)} ({words.span(measure.low, measure.high)})"


def _facts(score: Score, words: Words) -> Block:
    rows = [
        (words.named("metric", score.metric), metric_line(score, words)),
        *((words.named("metric", m.name), measure_text(m, words)) for m in score.beside),
    ]
    if score.guessing is not None:
        shown = format_metric(score, score.guessing, words)
        rows.append((words(f"answer.guessing_{score.metric}"), shown))
    if score.calibration_error is not None:
        rows.append((words("answer.calibration"), words.percent(score.calibration_error)))
    if score.with_leaked is not None:
        shown = format_metric(score, score.with_leaked.value, words)
        rows.append((words("answer.with_leaked", n=score.with_leaked.n), shown))
    return Block(kind="facts", rows=tuple(rows))
