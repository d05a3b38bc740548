"""How to reproduce the run: commands, seed, versions, machine, time per stage."""

import shlex
from collections.abc import Sequence

from striate.report.language import Words
from striate.values import Block, Options, Section, Values


def reproduce_section(values: Values, words: Words) -> Section:
    """Commands to type, then what a repetition depends on."""
    summary = values.summary
    run = shlex.quote(summary.run)
    source = shlex.quote(values.index.address or values.index.root or "SOURCE")
    minutes = 2 * values.options.minutes
    more = _seed_flag(values.options) + _changed_flags(values.options, OF_THE_RUN)
    commands = "\n".join(
        (
            f"# {words('repeat.again')}",
            f"striate fit {source} --plan {run}/plan.json --seed {values.plan.seed}"
            f"{_changed_flags(values.options, OF_THE_SOURCE)}",
            f"# {words('repeat.improve')}",
            f"striate fit {source} --minutes {minutes:g}{more}",
            f"# {words('repeat.predict')}",
            f"striate predict {run} {words('repeat.images')}",
        )
    )
    versions = words.listed([f"{name} {version}" for name, version in summary.versions.items()])
    facts = (
        (words("repeat.run"), summary.run),
        (words("repeat.seed"), str(values.plan.seed)),
        (words("repeat.content"), values.index.content_hash[:16] or "–"),
        (
            words("repeat.machine"),
            words(
                "repeat.machine_line",
                processor=values.machine.processor,
                threads=values.machine.threads,
                precision=values.plan.precision.value,
            ),
        ),
        (words("repeat.versions"), versions),
        (words("repeat.time"), words.seconds(summary.seconds.total)),
    )
    reasons = tuple((words.sentence(sentence),) for sentence in values.machine.why)
    blocks = [Block(kind="code", code=commands), Block(kind="facts", rows=facts)]
    if summary.seconds.stages:
        blocks.append(_stages(values, words))
    if reasons:
        blocks.append(Block(kind="list", title=words("repeat.machine_why"), rows=reasons))
    return Section(
        key="repeat", title=words("repeat.title"), lead=words("repeat.lead"), blocks=tuple(blocks)
    )


def _seed_flag(options: Options) -> str:
    return f" --seed {options.seed}" if options.seed else ""


def _changed_flags(options: Options, names: Sequence[str]) -> str:
    """The flags whose values differ from the defaults."""
    usual, flags = Options(), ""
    for name in names:
        value = getattr(options, name)
        if value != getattr(usual, name):
            given = "" if value is True else f" {shlex.quote(str(value))}"
            flags += f" --{name.replace('_', '-')}{given}"
    return flags


def _stages(values: Values, words: Words) -> Block:
    stages = values.summary.seconds.stages
    total = max(sum(stages.values()), 1e-9)
    return Block(
        kind="table",
        title=words("repeat.stages"),
        header=(words("repeat.stage"), words("repeat.seconds"), words("repeat.share")),
        rows=tuple(
            (words.named("stage", name), words.seconds(spent), words.percent(spent / total, 0))
            for name, spent in stages.items()
        ),
        folded=True,
    )


# What the images are and how they are divided: no plan holds it.
OF_THE_SOURCE = (
    *("task", "split", "image", "label", "split_column", "weight", "root", "data_root"),
    *("group", "group_pattern", "label_pattern", "classes_are_splits", "crop"),
    *("drop_rare", "max_pixels"),
    *("encoding", "label_separator"),
)
OF_THE_RUN = (
    *("strategy", "net", "weights", "plan", "device", "set", "remedy", "no_remedy", "race", "out"),
    *OF_THE_SOURCE,
)
