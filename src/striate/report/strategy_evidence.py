"""How the strategy was chosen: what was tried, with results and reasons."""

from dataclasses import fields
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from striate.report.charts import DotSeries, draw_stage_intervals
from striate.report.four_corners import (
    four_corner_blocks,
    learning_curve_block,
    learning_curve_sentence,
)
from striate.report.language import Words, load_words, plain_spaces
from striate.values import (
    CLOSED_FORM,
    Block,
    Choice,
    Evidence,
    Interval,
    NetSettings,
    Plan,
    Probe,
    Section,
    Tap,
    Trial,
    Values,
    shown,
)

UNUSED = ("plan.closed_form", "plan.no_whitening", "plan.steps_whole")
GATE_PREFIX = "gate."


def strategy_choice_section(values: Values, words: Words) -> Section:
    """The reasons, the strategies tried, accuracy per stage, and every choice."""
    blocks: list[Block] = []
    if values.plan.because:
        reasons = tuple((words.sentence(sentence),) for sentence in values.plan.because)
        blocks.append(Block(kind="list", rows=reasons))
    if values.evidence is not None:
        blocks.append(_strategies(values, values.evidence, words))
        blocks += _outcomes(values, values.evidence, words)
        if len(values.evidence.probes) > 1 and values.evidence.metric == "accuracy":
            blocks.append(_stages(values.evidence, words))
        blocks += four_corner_blocks(values.evidence, values.plan, words)
        blocks += learning_curve_block(values.evidence.growth, words)
    blocks.append(_choices(values.plan, words))
    return Section(
        key="choices",
        title=words("choices.title"),
        lead=words("choices.lead", strategy=words.named("strategy", values.plan.strategy.value)),
        blocks=tuple(blocks),
    )


def _strategies(values: Values, evidence: Evidence, words: Words) -> Block:
    rows: list[tuple[str, ...]] = []
    bars: list[tuple[float, float, float]] = []
    if evidence.metric == "accuracy":
        rows.append(
            (
                words("choices.majority"),
                "–",
                words("choices.by_judging"),
                words.percent(values.guessing),
                "–",
                "–",
            )
        )
        bars.append((values.guessing, values.guessing, values.guessing))
    marked = -1
    for probe in _stages_to_show(evidence):
        if probe.name == evidence.best_probe and values.plan.strategy.value in CLOSED_FORM:
            marked = len(rows)
        rows.append(
            _row(
                words.named("probe", probe.name),
                evidence.net or words("choices.net_pretrained"),
                words("choices.by_leaving_out"),
                probe.loo_accuracy,
                probe.seconds + estimate_feature_seconds(evidence),
                words,
            )
        )
        bars.append(_bar(probe.loo_accuracy))
    for raced in evidence.networks:
        judged = words("choices.by_leaving_out")
        name = words(
            "choices.raced", speed=words.number(float(raced.settings["images_per_second"] or 0))
        )
        rows.append(_row(name, raced.net, judged, raced.accuracy, raced.seconds, words))
        bars.append(_bar(raced.accuracy))
    for trial in evidence.trials:
        if trial.kept and values.plan.strategy.value == trial.strategy:
            marked = len(rows)
        rows.append(
            _row(
                trial_name(trial, words),
                trial.net,
                words("choices.by_validation"),
                trial.accuracy,
                trial.seconds,
                words,
            )
        )
        bars.append(_bar(trial.accuracy))
    if _was_trained_ungated(values, evidence):
        marked = len(rows)
        rows.append(_trained_row(values, words))
        bars.append(_bar(_validation_interval(values)))
    names = ("strategy", "net", "judged", evidence.metric, "interval", "seconds")
    return Block(
        kind="table",
        title=words("choices.strategies"),
        note=words("choices.strategies_note"),
        header=tuple(words(f"choices.{name}") for name in names),
        rows=tuple(rows),
        bars=tuple(bars),
        marked=(marked,) if marked >= 0 else (),
    )


def _outcomes(values: Values, evidence: Evidence, words: Words) -> list[Block]:
    """Why each trial was used or not, unless the reasons already say it."""
    said = {sentence.code for sentence in values.plan.because}
    every = (*evidence.networks, *evidence.trials)
    reasons = [trial.why for trial in every if trial.why.code not in said]
    rows = tuple((words.sentence(reason),) for reason in reasons if reason.text)
    return [Block(kind="list", rows=rows)] if rows else []


def trial_name(trial: Trial, words: Words) -> str:
    """The name of a trial, short or in full."""
    arm = trial.settings.get("arm")
    if arm is not None:
        epochs = trial.settings["epochs"]
        return words("choices.raced_arm", arm=words.named("arm", str(arm)), epochs=epochs)
    name = words.named("strategy", trial.strategy)
    return words(
        "choices.full" if trial.why.code.startswith(GATE_PREFIX) else "choices.trial", name=name
    )


def _was_trained_ungated(values: Values, evidence: Evidence) -> bool:
    """Whether the network was trained in full without a closed-form model to compare."""
    gated = any(trial.why.code.startswith(GATE_PREFIX) for trial in evidence.trials)
    return values.history is not None and values.summary.val is not None and not gated


def _validation_interval(values: Values) -> Interval:
    score = values.summary.val
    assert score is not None
    low, high = score.interval
    return Interval(value=score.value, low=low, high=high, n=score.n)


def _trained_row(values: Values, words: Words) -> tuple[str, ...]:
    epochs = values.history.epochs if values.history is not None else ()
    return _row(
        words("choices.full", name=words.named("strategy", values.plan.strategy.value)),
        values.plan.net.value,
        words("choices.by_validation"),
        _validation_interval(values),
        sum(epoch.seconds for epoch in epochs),
        words,
    )


def estimate_feature_seconds(evidence: Evidence) -> float:
    """Estimated time for the features of training and validation images."""
    speed = evidence.speeds.get("features", 0.0)
    return (sum(evidence.images_per_class) + evidence.val_images) / speed if speed else 0.0


def _stages_to_show(evidence: Evidence) -> list[Probe]:
    """The top stage, which is the usual choice, and the best one."""
    wanted = {"top", evidence.best_probe}
    return [probe for probe in evidence.probes if probe.name in wanted]


def _row(
    name: str, net: str, judged: str, found: Interval, seconds: float, words: Words
) -> tuple[str, ...]:
    return (
        name,
        net,
        judged,
        words.percent(found.value),
        words.span(found.low, found.high),
        words.seconds(seconds),
    )


def _bar(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def _stages(evidence: Evidence, words: Words) -> Block:
    probes = evidence.probes
    title = words("choices.stages")
    names = [words.named("tapped", probe.name) for probe in probes]
    series = [
        DotSeries(
            name=words("choices.leave_one_out"),
            intervals=[probe.loo_accuracy for probe in probes],
            colour="accent",
            marker="o",
        )
    ]
    if any(probe.val_accuracy for probe in probes):
        series.append(
            DotSeries(
                name=words("choices.validation"),
                intervals=[probe.val_accuracy for probe in probes],
                colour="second",
                marker="D",
            )
        )
    best = next(i for i, probe in enumerate(probes) if probe.name == evidence.best_probe)
    return Block(
        kind="chart",
        title=title,
        note=words("choices.stages_note"),
        svg=draw_stage_intervals(
            "stages", title, words("choices.stages_about", best=names[best]), names, series
        ),
        header=tuple(words(f"choices.{name}") for name in STAGE_HEADER),
        rows=tuple(
            (
                name,
                f"{probe.dimensions:,}",
                _share(probe.loo_accuracy, words),
                _share(probe.val_accuracy, words),
                shown(probe.loo_log_loss),
            )
            for name, probe in zip(names, probes, strict=True)
        ),
        marked=(best,),
    )


def _share(found: Interval | None, words: Words) -> str:
    if found is None:
        return "–"
    return f"{words.percent(found.value)} ({words.span(found.low, found.high)})"


def _choices(plan: Plan, words: Words) -> Block:
    rows = []
    for field in fields(plan):
        choice = getattr(plan, field.name)
        # What a model has no use for, such as a learning rate without steps, is no choice.
        if isinstance(choice, Choice) and choice.why.code not in UNUSED:
            rows.append(
                (
                    words.named("choice", field.name),
                    _format_choice(field.name, choice.value, words),
                    words.sentence(choice.why),
                    words(f"ground.{choice.ground}"),
                )
            )
    return Block(
        kind="table",
        title=words("choices.all"),
        header=tuple(words(f"choices.{name}") for name in ("choice", "value", "why", "ground")),
        rows=tuple(rows),
        folded=True,
    )


def _format_choice(name: str, value: Any, words: Words) -> str:
    """The value of a choice as text."""
    if isinstance(value, NetSettings):
        return ", ".join(f"{field.name} {getattr(value, field.name)}" for field in fields(value))
    if isinstance(value, dict):
        pairs = (f"{words.named('augment', key)} {share:g}" for key, share in value.items())
        return words.listed(list(pairs)) or "–"
    if isinstance(value, tuple):
        return words.listed([f"{tap.stage} ({tap.pool})" for tap in value if isinstance(tap, Tap)])
    if isinstance(value, float):
        return f"{value:.3g}"
    return words.named(name, str(value)) if isinstance(value, str) else f"{value:,}"


STAGE_HEADER = ("stage", "dimensions", "leave_one_out", "validation", "log_loss")


def tried_strategies_text(evidence: Evidence, plan: Plan, lang: str = "en") -> RenderableType:
    """The strategies measured, the one in use marked; empty if there is only one."""
    say = load_words(lang)
    found: list[tuple[bool, str, Interval, float]] = []
    for probe in evidence.probes:
        best = probe.name == evidence.best_probe
        if best or probe.name in ("top", "taps", "all"):
            marked = best and plan.strategy.value in CLOSED_FORM
            seconds = probe.seconds + estimate_feature_seconds(evidence)
            found.append((marked, say.named("probe", probe.name), probe.loo_accuracy, seconds))
    for raced in evidence.networks:
        speed = say.number(float(raced.settings["images_per_second"] or 0))
        name = f"{raced.net}, {say('choices.raced_speed', speed=speed)}"
        found.append((False, name, raced.accuracy, raced.seconds))
    for trial in evidence.trials:
        marked = trial.kept and trial.strategy == plan.strategy.value
        found.append((marked, trial_name(trial, say), trial.accuracy, trial.seconds))
    if len(found) < 2 or evidence.metric != "accuracy":
        return Group()
    width = max(len(name) for _, name, _, _ in found)
    heading = Text(plain_spaces(say("terminal.tried")))
    return Group(heading, *(_line(*row, width, say) for row in found))


def plan_explanation_text(evidence: Evidence, plan: Plan, lang: str = "en") -> RenderableType:
    """The measurements, the rule of thumb, the plan and its reasons."""
    say = load_words(lang)
    lines = [Text(plain_spaces(say.sentence(sentence))) for sentence in plan.because]
    lines += [
        Text(plain_spaces(block.text))
        for block in four_corner_blocks(evidence, plan, say)
        if block.text
    ]
    if evidence.growth is not None:
        lines.append(Text(plain_spaces(learning_curve_sentence(evidence.growth, say))))
    return Group(tried_strategies_text(evidence, plan, lang), *lines)


def _line(marked: bool, name: str, found: Interval, seconds: float, width: int, say: Words) -> Text:
    span = say.span(found.low, found.high)
    text = f"{'▸' if marked else ' '} {name:{width}}  {say.percent(found.value)} ({span})"
    return Text(
        f"{plain_spaces(text)}  {plain_spaces(say.seconds(seconds))}",
        style="bold" if marked else "",
    )
