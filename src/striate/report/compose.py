"""Values, findings and explanations -> the Report, in one language."""

from striate.report.choices import choices_section
from striate.report.classes import classes_section
from striate.report.confidence import confidence_section
from striate.report.confusion import confusion_section
from striate.report.copies import copies_section
from striate.report.doubts import doubts_section
from striate.report.findings import findings_section
from striate.report.headline import answer, headline
from striate.report.labels import label_mistakes, labels_section
from striate.report.ladder import ladder_section
from striate.report.language import Words, words
from striate.report.layers import layers_section
from striate.report.leakage import grave_leak, leakage_section
from striate.report.mistakes import mistakes_section
from striate.report.numbers import number_mistakes, numbers_section
from striate.report.outliers import outliers_section
from striate.report.rates import rates_section
from striate.report.repeat import repeat_section
from striate.report.seeing import seeing_section
from striate.report.slices import slices_section
from striate.report.source import aside_section, source_section
from striate.report.task_answer import task_answer, task_headline
from striate.report.training import training_section
from striate.values import Explanation, Finding, Report, Section, Values


def compose(
    values: Values,
    findings: tuple[Finding, ...],
    explanations: tuple[Explanation, ...],
    lang: str = "en",
) -> Report:
    """The report in the order of a reader's questions; sections with nothing to say are left out.

    How good is it? What does each step buy? What could be wrong with that? What goes wrong, and
    where? How sure is it? How was it decided? What does it see? What was it learnt from? How do
    I repeat it?
    """
    say = words(lang)
    one = values.index.task == "label"
    sentence, line = (headline if one else task_headline)(values, say)
    leak = grave_leak(findings)
    if leak is not None and leak.severity == "serious":
        # Its owner has a number from that test split: this comes before the number of ours.
        line = say("leakage.line", sentence=sentence, line=line)
        sentence = say("leakage.headline", **leak.figures)
    middle = _on_classes(values, say) if one else _on_targets(values, say)
    sections = (
        leakage_section(values, findings, say),
        (answer if one else task_answer)(values, findings, say),
        ladder_section(values, say),
        findings_section(_below(findings), values.summary.verdict, say),
        *middle,
        choices_section(values, say),
        copies_section(values, say),
        rates_section(values, say),
        training_section(values, say),
        layers_section(values, say),
        seeing_section(explanations, say),
        source_section(values, say),
        aside_section(values, say),
        repeat_section(values, say),
    )
    return Report(
        lang=lang,
        title=values.index.name,
        headline=sentence,
        subline=line,
        sections=tuple(section for section in sections if section is not None),
    )


def _below(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings without the one that stands at the top already."""
    leak = grave_leak(findings)
    return tuple(finding for finding in findings if finding is not leak)


def _on_classes(values: Values, say: Words) -> tuple[Section | None, ...]:
    """What goes wrong, and how sure it is, where an image has one label."""
    return (
        mistakes_section(values, say),
        doubts_section(values, say),
        outliers_section(values.outliers or (), values.cache, say),
        classes_section(values, say),
        confusion_section(values, say),
        slices_section(values, say),
        confidence_section(values, say),
    )


def _on_targets(values: Values, say: Words) -> tuple[Section | None, ...]:
    """What goes wrong where an image has several labels or a number."""
    if values.index.task == "number":
        return numbers_section(values, say), number_mistakes(values, say)
    return labels_section(values, say), label_mistakes(values, say)
