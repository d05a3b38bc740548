"""Values, findings and explanations -> the Report in one language."""

from striate.report.activations_gradients import explanations_section, layers_section
from striate.report.architecture import architecture_section, weights_section
from striate.report.baselines import baselines_section
from striate.report.calibration_chart import calibration_section
from striate.report.checks import findings_section
from striate.report.confusion_matrix import confusion_matrix_section
from striate.report.headline import (
    answer_blocks,
    grave_leak,
    leakage_section,
    report_headline,
    task_answer,
    task_headline,
)
from striate.report.image_kinds import confident_mistakes_section, image_slices_section
from striate.report.label_safe_augmentation import label_safe_section
from striate.report.language import Words, load_words
from striate.report.learning_curves import learning_curves_section, lr_range_test_section
from striate.report.reproduce import reproduce_section
from striate.report.results_per_class import classes_section
from striate.report.results_per_label import (
    label_mistakes,
    label_results_section,
    number_mistakes,
    number_results_section,
)
from striate.report.step_by_step import step_by_step_section
from striate.report.strategy_evidence import strategy_choice_section
from striate.report.suspected_images import label_errors_section, outliers_section
from striate.report.training_data import training_data_section, unused_files_section
from striate.values import Explanation, Finding, NetworkView, Report, Section, Values


def compose_report(
    values: Values,
    findings: tuple[Finding, ...],
    explanations: tuple[Explanation, ...],
    lang: str = "en",
    view: NetworkView | None = None,
) -> Report:
    """The report in the order of a reader's questions; empty sections are omitted.

    How good is it, and compared with what? Can it be trusted? Which mistakes does it make? Is it
    calibrated? How was the strategy chosen? What does the network see? What data was used? How is
    it reproduced?
    """
    say = load_words(lang)
    one = values.index.task == "label"
    sentence, line = (report_headline if one else task_headline)(values, say)
    leak = grave_leak(findings)
    if leak is not None and leak.severity == "serious":
        # Its owner has a number from that test split: this comes before the number of ours.
        line = say("leakage.line", sentence=sentence, line=line)
        sentence = say("leakage.headline", **leak.figures)
    middle = _class_sections(values, say) if one else _target_sections(values, say)
    sections = (
        leakage_section(values, findings, say),
        (answer_blocks if one else task_answer)(values, findings, say),
        baselines_section(values, say),
        findings_section(_below(findings), values.summary.verdict, say),
        *middle,
        strategy_choice_section(values, say),
        label_safe_section(values, say),
        lr_range_test_section(values, say),
        learning_curves_section(values, say),
        architecture_section(view, say),
        step_by_step_section(view, say),
        explanations_section(explanations, say),
        weights_section(view, values.layers, say),
        layers_section(values, say),
        training_data_section(values, say),
        unused_files_section(values, say),
        reproduce_section(values, say),
    )
    return Report(
        lang=lang,
        title=values.index.name,
        headline=sentence,
        subline=line,
        sections=tuple(section for section in sections if section is not None),
    )


def _below(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings except the one that is shown at the top."""
    leak = grave_leak(findings)
    return tuple(finding for finding in findings if finding is not leak)


def _class_sections(values: Values, say: Words) -> tuple[Section | None, ...]:
    """Mistakes and calibration for a task with one label per image."""
    return (
        confident_mistakes_section(values, say),
        label_errors_section(values, say),
        outliers_section(values.outliers or (), values.cache, say),
        classes_section(values, say),
        confusion_matrix_section(values, say),
        image_slices_section(values, say),
        calibration_section(values, say),
    )


def _target_sections(values: Values, say: Words) -> tuple[Section | None, ...]:
    """Mistakes for several labels or a number."""
    if values.index.task == "number":
        return number_results_section(values, say), number_mistakes(values, say)
    return label_results_section(values, say), label_mistakes(values, say)
