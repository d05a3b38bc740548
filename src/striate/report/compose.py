"""Values, findings and explanations -> the Report, in one language."""

from striate.report.choices import choices_section
from striate.report.classes import classes_section
from striate.report.confidence import confidence_section
from striate.report.confusion import confusion_section
from striate.report.doubts import doubts_section
from striate.report.findings import findings_section
from striate.report.headline import answer, headline
from striate.report.labels import label_mistakes, labels_section
from striate.report.language import words
from striate.report.mistakes import mistakes_section
from striate.report.numbers import number_mistakes, numbers_section
from striate.report.repeat import repeat_section
from striate.report.seeing import seeing_section
from striate.report.source import aside_section, source_section
from striate.report.task_answer import task_answer, task_headline
from striate.report.training import training_section
from striate.values import Explanation, Finding, Report, Values


def compose(
    values: Values,
    findings: tuple[Finding, ...],
    explanations: tuple[Explanation, ...],
    lang: str = "en",
) -> Report:
    """The report in the order of a reader's questions; sections with nothing to say are left out.

    How good is it? What could be wrong with that? What goes wrong, and where? How sure is it?
    How was it decided? What does it see? What was it learnt from? How do I repeat it?
    """
    say = words(lang)
    if values.index.task != "label":
        return _of_other_task(values, findings, explanations, lang)
    sentence, line = headline(values, say)
    sections = (
        answer(values, findings, say),
        findings_section(findings, values.summary.verdict, say),
        mistakes_section(values, say),
        doubts_section(values, say),
        classes_section(values, say),
        confusion_section(values, say),
        confidence_section(values, say),
        choices_section(values, say),
        training_section(values, say),
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


def _of_other_task(
    values: Values,
    findings: tuple[Finding, ...],
    explanations: tuple[Explanation, ...],
    lang: str,
) -> Report:
    """The report on several labels or a number: the same questions in the same order."""
    say = words(lang)
    sentence, line = task_headline(values, say)
    number = values.index.task == "number"
    sections = (
        task_answer(values, findings, say),
        findings_section(findings, values.summary.verdict, say),
        (numbers_section if number else labels_section)(values, say),
        (number_mistakes if number else label_mistakes)(values, say),
        choices_section(values, say),
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
