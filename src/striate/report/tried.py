"""What was tried, for a terminal: a line a strategy with accuracy, interval and seconds."""

from rich.console import Group, RenderableType
from rich.text import Text

from striate.report.choices import called, feature_seconds
from striate.report.language import Words, plain, words
from striate.report.placing import corner_blocks, growth_sentence
from striate.values import CLOSED_FORM, Evidence, Interval, Plan


def tried(evidence: Evidence, plan: Plan, lang: str = "en") -> RenderableType:
    """The strategies that were measured, the one in use marked; nothing where there is but one."""
    say = words(lang)
    found: list[tuple[bool, str, Interval, float]] = []
    for probe in evidence.probes:
        best = probe.name == evidence.best_probe
        if best or probe.name in ("top", "taps", "all"):
            marked = best and plan.strategy.value in CLOSED_FORM
            seconds = probe.seconds + feature_seconds(evidence)
            found.append((marked, say.named("probe", probe.name), probe.loo_accuracy, seconds))
    for raced in evidence.networks:
        speed = say.number(float(raced.settings["images_per_second"] or 0))
        name = f"{raced.net}, {say('choices.raced_speed', speed=speed)}"
        found.append((False, name, raced.accuracy, raced.seconds))
    for trial in evidence.trials:
        marked = trial.kept and trial.strategy == plan.strategy.value
        found.append((marked, called(trial, say), trial.accuracy, trial.seconds))
    if len(found) < 2 or evidence.metric != "accuracy":
        return Group()
    width = max(len(name) for _, name, _, _ in found)
    heading = Text(plain(say("terminal.tried")))
    return Group(heading, *(_line(*row, width, say) for row in found))


def explained(evidence: Evidence, plan: Plan, lang: str = "en") -> RenderableType:
    """What was measured, what the rule of thumb says, and what would be done and why."""
    say = words(lang)
    lines = [Text(plain(say.sentence(sentence))) for sentence in plan.because]
    lines += [Text(plain(block.text)) for block in corner_blocks(evidence, plan, say) if block.text]
    if evidence.growth is not None:
        lines.append(Text(plain(growth_sentence(evidence.growth, say))))
    return Group(tried(evidence, plan, lang), *lines)


def _line(marked: bool, name: str, found: Interval, seconds: float, width: int, say: Words) -> Text:
    span = say.span(found.low, found.high)
    text = f"{'▸' if marked else ' '} {name:{width}}  {say.percent(found.value)} ({span})"
    return Text(f"{plain(text)}  {plain(say.seconds(seconds))}", style="bold" if marked else "")
