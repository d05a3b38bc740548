"""The output of a finished fit or inspection, and the checks of --strict and --min-accuracy."""

from pathlib import Path

from rich.console import Group, RenderableType

from striate.errors import StrictError
from striate.report.language import choose_language
from striate.report.strategy_evidence import plan_explanation_text, tried_strategies_text
from striate.report.terminal import run_result
from striate.run import Run
from striate.stages.explain_plan import explain_plan
from striate.store.clock import TimeBudget
from striate.values import Inspection, Options, Summary, Watch


def unmet_accuracy_message(summary: Summary, folder: Path, options: Options) -> str:
    """The message if `--min-accuracy` was not reached, else "".

    Raises `StrictError` if files were excluded and `--strict` allows none.
    """
    if options.strict and summary.images.set_aside:
        raise StrictError(
            f"{summary.images.set_aside:,} files were excluded, and --strict allows none.",
            f"The reasons are in {folder / 'index.csv'}. Repair or remove these files, or "
            "leave --strict out.",
        )
    asked = options.min_accuracy
    if asked is None or (summary.test is not None and summary.test.value >= asked):
        return ""
    reached = f"{summary.test.value:.1%}" if summary.test else "not known"
    return f"The accuracy is {reached}, below the {asked:.1%} of --min-accuracy."


def refuse_if_strict(inspection: Inspection, options: Options) -> None:
    """Raise `StrictError` if files were excluded and `--strict` allows none."""
    aside = inspection.set_aside
    if options.strict and aside:
        raise StrictError(
            f"{len(aside):,} files were excluded, and --strict allows none: "
            f"{aside[0].path} ({aside[0].reason}).",
            "Repair or remove these files, or leave --strict out.",
        )


def plan_explanation_lines(
    source: str, options: Options, watch: Watch, started: float
) -> RenderableType:
    """The lines of `fit --explain-plan`."""
    evidence, plan = explain_plan(source, options, watch, TimeBudget(options.minutes, started))
    return plan_explanation_text(evidence, plan, choose_language(options.lang))


def fit_result(done: Run, lang: str) -> RenderableType:
    """The result of a fit for the terminal: the strategies tried, and the lines of the result."""
    chosen = choose_language(lang)
    lines: list[RenderableType] = []
    if done.holds("evidence.json"):
        lines.append(tried_strategies_text(done.read("evidence.json"), done.plan, chosen))
    lines.append(run_result(done.summary, str(done.folder), chosen, done.findings, done.plan))
    return Group(*lines)
