"""Evaluation of a model on a labelled source: read, predict, score."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from striate.config.overrides import reading_options
from striate.config.settings import check_settings
from striate.data.scan import read_evaluation_index
from striate.errors import StrictError, UsageError
from striate.metrics.image_slices import Floats, image_properties, join_properties
from striate.predict.batch_predict import Predictor, predict_index
from striate.predict.decision_rules import DecisionRules
from striate.predict.evaluation import Evaluation, evaluate_predictions
from striate.values import Example, Index, Options, names_in

# Settings of a fit that say nothing about how labelled images are read.
IDLE = (
    *("minutes", "seed", "strategy", "net", "weights", "split", "device", "plan", "out"),
    *("restart", "drop_rare", "min_accuracy", "lang", "split_column", "weight", "task", "set"),
    *("remedy", "no_remedy", "race"),
)

Names = Sequence[str] | Mapping[Any, str]


def reading(settings: Options, given: Mapping[str, object], **how: Any) -> Options:
    """The settings of a run, changed by those given for other images.

    Raises `UsageError` for a setting that does not concern reading, and for a wrong value; `how` is
    passed on to `check_settings`.
    """
    known = [field.name for field in fields(Options) if field.name not in IDLE]
    idle = [name for name in given if name in IDLE]
    if idle:
        raise UsageError(
            f"{', '.join(idle)}: this has no effect here, because nothing is trained.",
            f"Settings that can be used: {', '.join(known)}.",
        )
    said = check_settings(given, **how)
    if "group_pattern" in given:  # one says what the groups are
        settings = replace(settings, group=Options().group)
    if "group" in given:
        settings = replace(settings, group_pattern=None)
    return replace(settings, **{name: getattr(said, name) for name in given})


def judge(
    model: Predictor,
    source: object,
    settings: Options,
    trained_on: Index | None,
    wanted: DecisionRules,
    *,
    classes: Names = (),
    told: Collection[str] = (),
) -> Evaluation:
    """The evaluation of a model on a labelled source, read by `settings`.

    `classes` names labels that are numbers; settings that are `told` of this source must fit it.
    Raises what reading raises; `SourceError` if no image can be evaluated, `StrictError` if images
    were excluded and `settings.strict` allows none.
    """
    index = read_evaluation_index(source, reading_options(settings), told)
    if classes:
        index = _named(index, classes)
    parts: list[dict[str, Floats]] = []

    def look(images: Any, examples: list[Example]) -> None:
        parts.append(image_properties(images, examples))

    predictions, index = predict_index(model, index, settings.max_pixels, wanted, look)
    found = evaluate_predictions(predictions, index, trained_on, wanted, join_properties(parts))
    if settings.strict and found.set_aside:
        path, reason = found.set_aside[0]
        raise StrictError(
            f"{len(found.set_aside):,} of {len(predictions):,} images could not be read, "
            f"and strict allows none: {path} ({reason}).",
            "Repair or remove these images, or leave strict out.",
        )
    return found


def _named(index: Index, classes: Names) -> Index:
    """The index with the names of its numbers; raises `UsageError` for a number without one."""
    if isinstance(classes, str) or not isinstance(classes, Mapping | Sequence):
        raise UsageError(
            f"classes is {classes!r:.60}; it must name the classes of the labels 0, 1, 2, ….",
            'Give a list, the first for 0, or a dict: classes=["cat", "dog"]',
        )
    pairs = classes.items() if isinstance(classes, Mapping) else enumerate(classes)
    by_number = {str(number): str(name) for number, name in pairs}
    several = index.task == "labels"
    name_of = _naming(by_number)
    examples = tuple(
        replace(e, label=_all_named(e.label, name_of, several)) if e.label else e
        for e in index.examples
    )
    labels = {e.label for e in examples if e.status == "used"}
    names = {n for label in labels for n in (names_in(label) if several else (label,))}
    return replace(index, examples=examples, classes=tuple(sorted(names)))


def _naming(by_number: dict[str, str]) -> Callable[[str], str]:
    known = set(by_number.values())

    def name_of(label: str) -> str:
        number = label.removesuffix(".0")
        if number in by_number:
            return by_number[number]
        if label in known or not number.lstrip("-").isdecimal():
            return label
        raise UsageError(
            f"The label {label} has no name: classes names {', '.join(list(by_number)[:20])}.",
            "Give a name for every number, the first for 0.",
        )

    return name_of


def _all_named(label: str, name_of: Callable[[str], str], several: bool) -> str:
    if not several:
        return name_of(label)
    return "|".join(name_of(name) for name in names_in(label)) or "|"
