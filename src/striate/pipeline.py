"""The main procedure: from labelled images to a run folder with a classifier and its report."""

import shlex
from dataclasses import fields, replace
from pathlib import Path

from striate.config.overrides import (
    parse_overrides,
    reading_options,
    split_options,
    training_options,
)
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.image_series import find_series, series_notes
from striate.data.split.index_csv import complete_index
from striate.data.split.split import split_index
from striate.errors import StrictError
from striate.run import Run, TimeBudget
from striate.stages.conclude import conclude_run, write_report
from striate.stages.fit_run import (
    build_requested_cache,
    check_settings_of_task,
    fit_and_predict,
    read_given_plan,
)
from striate.store.files import arrays_codec
from striate.train.fast.machine import apply_machine, measure_machine
from striate.values import (
    Cache,
    Index,
    Options,
    Progress,
    Rows,
    Sentence,
    Split,
    SplitOptions,
    Watch,
    say,
    unwatched,
)

__all__ = ["fit", "write_report"]


def fit(
    source: object, options: Options, watch: Watch = unwatched, clock: TimeBudget | None = None
) -> Run:
    """Fit a classifier to a source; an existing run with these settings is resumed or reused.

    `clock` was started with the command; the time budget counts from there. Raises the kinds of
    `StriateError` listed in docs/reference/contracts.md.
    """
    clock = clock or TimeBudget(options.minutes)
    watch(Progress(stage="scan"))
    reading, overrides = reading_options(options), parse_overrides(options.set)
    index = read_index(source, reading)
    check_settings_of_task(index.task, overrides, options.min_accuracy)
    for noticed in index.notes:
        watch(Progress(stage="scan", note=noticed))
    watch(Progress(stage="scan", finished=True, note=_source_sentence(index)))
    with open_or_resume_run(source, index, options, clock) as run:
        if run.mode == "done":
            return run
        run.watched_by(watch)
        with run.timed("decode"):
            given_plan = read_given_plan(options)
            index, cache = build_requested_cache(index, reading, given_plan, overrides, watch)
        _refuse_if_strict(index, options)
        with run.timed("split"):
            groups = find_duplicate_groups(index, cache)
            split = run.keep(
                "split.npz",
                lambda: _split_with_notes(index, cache, groups, split_options(options)),
                arrays_codec(Split),
            )
        run.write("index.csv", complete_index(index, split))
        for note in split.notes:
            if note.code in TOLD_AT_ONCE:
                watch(Progress(stage="split", note=note))
        watch(Progress(stage="split", finished=True, note=_split_sentence(split)))
        machine = measure_machine(options.device)
        run.note(machine=machine)
        free = clock.free_share(machine.threads)
        if free < 1:
            watch(Progress(stage="plan", note=_busy_sentence(free)))
            speeds = {name: free * speed for name, speed in machine.speeds.items()}
            machine = replace(machine, speeds=speeds)
        with apply_machine(machine):
            training = training_options(run.record.settings, overrides)
            fit_and_predict(run, index, split, cache, machine, training, given_plan, watch)
            with run.timed("report"):
                conclude_run(run, complete_index(index, split), split, cache, machine)
    return run


def _split_with_notes(index: Index, cache: Cache, groups: Rows, options: SplitOptions) -> Split:
    """The split, with a note where images in a row look like a series."""
    split = split_index(index, groups, options)
    series = find_series(index, cache, groups)
    return replace(split, notes=(*split.notes, *_copies_notes(index, split), *series_notes(series)))


def _copies_notes(index: Index, split: Split) -> tuple[Sentence, ...]:
    crossed = split.evaluation == "cross-validation"
    judged = split.train if crossed else split.test
    copies = len(judged) - int(index.firsts(judged).sum())
    if not copies:
        return ()
    note = say(
        "split.copies_once",
        "{n:,} of {of:,} test images have a duplicate among the test images. Each "
        "set of duplicates is counted once.",
        n=copies,
        of=len(judged),
    )
    return (note,)


def open_or_resume_run(source: object, index: Index, options: Options, clock: TimeBudget) -> Run:
    """The run folder that these settings on these images continue, or a new one."""
    address = str(index.address or index.root) or "memory"
    return Run.open(
        index.name,
        options,
        command=_repeat_command(source, options),
        source_address=address,
        content_hash=index.content_hash,
        clock=clock,
    )


def _refuse_if_strict(index: Index, options: Options) -> None:
    aside = [e for e in index.examples if e.status == "set_aside"]
    if options.strict and aside:
        raise StrictError(
            f"{len(aside):,} of {len(index.examples):,} files were excluded, and --strict "
            f"allows none: {aside[0].path} ({aside[0].reason}).",
            "Repair or remove these files, or leave --strict out.",
        )


def _busy_sentence(free: float) -> Sentence:
    return say(
        "pipeline.busy",
        "Other programs keep this machine busy: about {free:.0%} of its speed is free, and the "
        "plan reckons with that.",
        free=free,
    )


def _source_sentence(index: Index) -> Sentence:
    used = len(index.used())
    aside = sum(example.status == "set_aside" for example in index.examples)
    if index.task == "number":
        return say(
            "pipeline.met_numbers",
            "{name}: {used:,} images with a number, {aside:,} files excluded",
            name=index.name,
            used=used,
            aside=aside,
        )
    if index.task == "labels":
        return say(
            "pipeline.met_labels",
            "{name}: {labels:,} labels (several per image), {used:,} images, {aside:,} "
            "files excluded",
            name=index.name,
            labels=len(index.classes),
            used=used,
            aside=aside,
        )
    return say(
        "pipeline.met",
        "{name}: {classes:,} classes, {used:,} images, {aside:,} files excluded",
        name=index.name,
        classes=len(index.classes),
        used=used,
        aside=aside,
    )


def _split_sentence(split: Split) -> Sentence:
    if split.evaluation == "cross-validation":
        # What is few are the images, or those of the rarest class: the note of the split says it.
        return say(
            "pipeline.crossed",
            "Too few images for a test split: evaluated by 5-fold cross-validation on "
            "all {n:,} images",
            n=len(split.train),
        )
    return say(
        "pipeline.split",
        "{train:,} training, {val:,} validation and {test:,} test images",
        train=len(split.train),
        val=len(split.val),
        test=len(split.test) - len(split.leaked),
    )


def _repeat_command(source: object, options: Options) -> str:
    """The command line that repeats the run, as a person types it."""
    words = ["striate", "fit", shown if (shown := _source_text(source)) else "SOURCE"]
    for field in fields(Options):
        value, usual = getattr(options, field.name), field.default
        if value == usual or field.name == "restart":
            continue
        flag = "--" + field.name.replace("_", "-")
        words += (
            [flag]
            if value is True
            else [flag, f"{value:g}" if isinstance(value, float) else str(value)]
        )
    return shlex.join(words)


def _source_text(source: object) -> str:
    return str(source) if isinstance(source, str | Path) else ""


# What the division of the images changes for its owner, said before any time is spent.
TOLD_AT_ONCE = (
    "split.leaked",
    "split.given_too_small",
    "split.val_is_test",
    "split.few_a_class",
    "split.contradictory",
)
