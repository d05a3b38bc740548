"""Values, findings and explanations -> the Report, in one language."""

from striate.report.activations_gradients import layers_section, seeing_section
from striate.report.baselines import ladder_section
from striate.report.calibration_chart import confidence_section
from striate.report.checks import findings_section
from striate.report.confusion_matrix import confusion_section
from striate.report.headline import answer, headline
from striate.report.image_kinds import mistakes_section, slices_section
from striate.report.label_safe_augmentation import copies_section
from striate.report.language import Words, words
from striate.report.learning_curves import rates_section, training_section
from striate.report.other_headlines import task_answer, task_headline
from striate.report.reproduce import repeat_section
from striate.report.results_per_class import classes_section
from striate.report.results_per_label import (
    label_mistakes,
    labels_section,
    number_mistakes,
    numbers_section,
)
from striate.report.split_leaks import grave_leak, leakage_section
from striate.report.strategy_evidence import choices_section
from striate.report.suspected_images import doubts_section, outliers_section
from striate.report.training_data import aside_section, source_section
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
