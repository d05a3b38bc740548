"""The headline: expected accuracy, verdict, and what the model can be trusted for."""

from collections.abc import Sequence

from striate.diagnose import judgement_of
from striate.report.html import SMALL_IMAGE_SIDE, image_data_uri
from striate.report.language import Words
from striate.report.results_per_class import ClassResult, class_results, recall_interval
from striate.values import Block, Finding, Measure, Score, Section, Values, Verdict


def report_headline(values: Values, words: Words) -> tuple[str, str]:
    """The headline of the page and the line below it."""
    score = values.summary.test
    if score is None:
        return words("headline.none"), words("headline.none_why")
    low, high = score.interval
    right = round(score.value * score.n)
    key = "sentence"
    if values.summary.verdict.code.startswith("guessing"):
        key = "unproved"  # what the accuracy is not comes before what it is
    elif score.n < FEW_IMAGES:
        key = "few"
    return words(f"headline.{key}", n=score.n, right=right), words(
        "headline.line",
        accuracy=words.percent(score.value),
        level=round(100 * score.level),
        span=words.span(low, high),
        n=score.n,
        evaluation=words(f"terminal.{score.evaluation}"),
    )


def answer_blocks(values: Values, findings: Sequence[Finding], words: Words) -> Section:
    """Verdict, accuracy beside the majority class, and what the model can be trusted for."""
    blocks: list[Block] = []
    if values.summary.test is not None:
        blocks.append(_scale_block(values, values.summary.test, words))
    verdict = values.summary.verdict
    blocks.append(verdict_block(verdict, findings, words, _verdict_gravity(verdict.code)))
    if values.summary.test is not None:
        blocks.append(_trust_block(values, words))
        blocks.append(_distrust_block(values, words))
    return Section(key="answer", title=words("answer.title"), blocks=tuple(blocks))


def balanced_text(score: Score, words: Words) -> str:
    """The balanced accuracy, with its interval if known."""
    shown = words.percent(score.balanced_accuracy)
    if score.balanced_interval is None:
        return shown
    return f"{shown} ({words.span(*score.balanced_interval)})"


def verdict_text(verdict: Verdict, words: Words) -> str:
    """The verdict's sentence in the language of the page."""
    meaning = words.filled(f"{_finding_key_of_verdict(verdict.code)}.meaning", verdict.figures, "")
    judgement = judgement_of(verdict.code)
    if not meaning or judgement is None:
        return meaning or words.typeset(verdict.sentence)
    return words("unit.space").join((words.sentence(judgement), meaning))


def advice_of_verdict(verdict: Verdict, findings: Sequence[Finding], words: Words) -> str:
    """The advice of the verdict, else of the finding behind it."""
    advice = words.filled(f"verdict.{verdict.code}.advice", verdict.figures, "")
    source = _finding_key_of_verdict(verdict.code)
    behind = [f for f in findings if source.startswith(f"finding.{f.code}.{f.outcome}")]
    return advice or (words.finding(behind[0])[2] if behind else "")


def measurement_note(score: Score, words: Words) -> str:
    """How the accuracy was measured, number of test evaluations, kind of interval."""
    sentences = [words(f"measured.{score.evaluation}", n=score.n)]
    if score.evaluation == "test-split":
        looked = "measured.looks" if score.looks > 1 else "measured.once"
        sentences.append(words(looked, n=score.looks))
    sentences.append(words("measured.interval", method=words.named("method", score.method)))
    return words("unit.space").join(sentences)


def _scale_block(values: Values, score: Score, words: Words) -> Block:
    low, high = score.interval
    majority = values.guessing
    facts = [
        (words("answer.balanced"), balanced_text(score, words)),
    ]
    if score.with_leaked is not None:
        facts.append(
            (
                words("answer.with_leaked", n=score.with_leaked.n),
                words.percent(score.with_leaked.value),
            )
        )
    return Block(
        kind="scale",
        text=measurement_note(score, words),
        bars=((score.value, low, high), (majority, majority, majority)),
        rows=tuple(facts),
        captions=(words("answer.guessing", share=words.percent(majority)),),
    )


def verdict_block(
    verdict: Verdict, findings: Sequence[Finding], words: Words, severity: str
) -> Block:
    """The verdict with its advice."""
    return Block(
        kind="finding",
        title=words.filled(f"verdict.{verdict.code}.title", {}, words("verdict.title")),
        text=verdict_text(verdict, words),
        note=advice_of_verdict(verdict, findings, words),
        captions=(words("verdict.title"),),
        severity=severity,
    )


def _finding_key_of_verdict(code: str) -> str:
    """The key of the finding that a verdict repeats, else the verdict's own."""
    for check in ("overfitting", "underfitting", "not_converged", "guessing"):
        if code.startswith(check):
            return f"finding.{check}.found.{code[len(check) + 1 :]}".rstrip(".")
    if code.startswith("balanced"):
        return f"finding.overfitting.passed.{code[len('balanced_') :]}".rstrip(".")
    return "finding.overfitting.not_applicable" if code == "no_validation" else f"verdict.{code}"


def _verdict_gravity(code: str) -> str:
    if code in ("guessing", "guessing_always"):
        return "serious"
    if code.startswith("balanced"):
        return "passed"
    return "info" if code in ("unjudged", "no_validation") else "advice"


def _trust_block(values: Values, words: Words) -> Block:
    score = values.summary.test
    assert score is not None
    points = [
        words("trust.same_source"),
        words("trust.planning", low=words.percent(score.interval[0], 0)),
    ]
    if values.summary.verdict.code in UNPROVED:
        nothing = ((words("trust.nothing"),),)
        return Block(kind="list", title=words("trust.title"), rows=nothing)
    strong = _classes_at_least(values, score.interval[0])
    if strong:
        points.append(words("trust.classes", classes=words.listed(strong[:6])))
    return Block(kind="list", title=words("trust.title"), rows=tuple((point,) for point in points))


def _distrust_block(values: Values, words: Words) -> Block:
    points = [words("distrust.other_source"), words("distrust.other_classes")]
    weak = _weakest_class(values)
    if weak:
        low = words.percent(recall_interval(weak).low, 0)
        points.append(words("distrust.class", name=weak.name, n=weak.n, right=weak.right, low=low))
    return Block(
        kind="list", title=words("distrust.title"), rows=tuple((point,) for point in points)
    )


def _classes_at_least(values: Values, share: float) -> list[str]:
    judged = [row for row in class_results(values) if row.n]
    return [row.name for row in judged if recall_interval(row).low >= share]


def _weakest_class(values: Values) -> ClassResult | None:
    """The class whose recall has the lowest lower bound."""
    judged = [row for row in class_results(values) if row.n]
    if len(judged) < 2:
        return None
    return min(judged, key=lambda row: recall_interval(row).low)


# So few images that a number of new ones to be correct would promise too much.
FEW_IMAGES = 60
# Verdicts by which nothing was learnt that shows; `guessing_rare` tells classes apart.
UNPROVED = ("guessing", "guessing_always", "guessing_few")


def grave_leak(findings: Sequence[Finding]) -> Finding | None:
    """The finding of copies in the test split where it could change the number; else None."""
    for finding in findings:
        told = finding.code == "leakage" and finding.outcome == "found"
        if told and finding.severity in ("serious", "warning"):
            return finding
    return None


def leakage_section(values: Values, findings: Sequence[Finding], words: Words) -> Section | None:
    """The count, and a test image beside its twin; None where nothing leaked that matters."""
    leak = grave_leak(findings)
    if leak is None:
        return None
    title, meaning, advice = words.finding(leak)
    card = Block(kind="finding", title=title, text=meaning, note=advice, severity=leak.severity)
    pair = _pair(values, leak, words)
    return Section(
        key="leakage", title=words("leakage.title"), blocks=(card, *([pair] if pair else []))
    )


def _pair(values: Values, leak: Finding, words: Words) -> Block | None:
    """The two images side by side; None where the finding names none of this index."""
    rows = {example.path: row for row, example in enumerate(values.index.examples)}
    paths = [str(leak.figures.get(name) or "") for name in ("one", "other")]
    if any(path not in rows for path in paths):
        return None
    names = (words("leakage.test"), words("leakage.twin"))
    return Block(
        kind="gallery",
        title=words("leakage.pair"),
        images=tuple(image_data_uri(values.cache.images[rows[path]]) for path in paths),
        captions=tuple(f"{name}\n{path}" for name, path in zip(names, paths, strict=True)),
        alts=tuple(words("mistakes.alt", path=path) for path in paths),
        severity="sharp" if values.cache.size <= SMALL_IMAGE_SIDE else "",
    )


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
