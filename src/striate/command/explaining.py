"""What was measured and what follows, for the terminal: before a fit, and after it."""

from rich.console import Group, RenderableType

from striate.report.language import pick_language
from striate.report.terminal import result
from striate.report.tried import explained, tried
from striate.run import Run
from striate.stages.explaining import explain
from striate.store.clock import Clock
from striate.values import Options, Watch


def explanation(source: str, options: Options, watch: Watch, started: float) -> RenderableType:
    """The lines of `fit --explain-plan`."""
    evidence, plan = explain(source, options, watch, Clock(options.minutes, started))
    return explained(evidence, plan, pick_language(options.lang))


def result_of(done: Run, lang: str) -> RenderableType:
    """The table of what a run tried, where it left its evidence, and the lines of its result."""
    chosen = pick_language(lang)
    lines: list[RenderableType] = []
    if done.holds("evidence.json"):
        lines.append(tried(done.read("evidence.json"), done.plan, chosen))
    lines.append(result(done.summary, str(done.folder), chosen, done.findings, done.plan))
    return Group(*lines)
