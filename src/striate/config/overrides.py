"""The content of `--set`: names and values of plan settings, checked."""

import functools
import re
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from striate.config.suggestions import did_you_mean
from striate.values import (
    FIND_RATE,
    PREPROCESSING,
    NetSettings,
    Options,
    Overrides,
    Plan,
    ReadingOptions,
    SplitOptions,
    TrainingOptions,
)


@functools.lru_cache(maxsize=1)
def parse_overrides(text: str | None) -> Overrides:
    """The settings in a text such as `activation=elu kernel_size=5 augment.flip=1`.

    The value that was made when the settings were checked is the one that a fit goes by. Raises
    `ValueError` with every fault, one a line.
    """
    found: dict[str, Any] = {}
    faults: list[str] = []
    for part in re.split(r"[\s,]+", text.strip()) if text else ():
        name, equals, value = part.partition("=")
        try:
            if not equals or not value:
                raise ValueError(f"has {part!r}, which is not of the form NAME=VALUE.")
            found[name] = _parse_value(name, value)
        except ValueError as fault:
            faults.append(str(fault))
    if faults:
        raise ValueError("\n".join(faults))
    return Overrides(
        choices={name: value for name, value in found.items() if name in CHOICES},
        settings={name: value for name, value in found.items() if name in SETTINGS},
        strengths={
            name.removeprefix("augment."): value
            for name, value in found.items()
            if name.startswith("augment.")
        },
    )


def training_options(options: Options, overrides: Overrides) -> TrainingOptions:
    """The options that plan and training read.

    `overrides` is the content of their `set`.
    """
    return TrainingOptions(
        minutes=options.minutes,
        seed=options.seed,
        strategy=options.strategy,
        net=options.net,
        weights=options.weights,
        overrides=overrides,
        remedy=options.remedy,
        no_remedy=options.no_remedy,
        race=options.race,
    )


def reading_options(options: Options) -> ReadingOptions:
    """What the way from a source to decoded images reads of a person's options."""
    names = [field.name for field in fields(ReadingOptions)]
    return ReadingOptions(**{name: getattr(options, name) for name in names})


def split_options(options: Options) -> SplitOptions:
    """What the split reads of a person's options."""
    return SplitOptions(split=options.split, seed=options.seed)


def range_fault(name: str, value: Any) -> str:
    """The fault of a number of this name, as the end of a sentence `NAME …`; "" if none."""
    low, high = ALLOWED_RANGES.get(name, (0.0, float("inf")))
    if not isinstance(value, int | float) or (low <= value <= high and value < float("inf")):
        return ""
    if high < float("inf"):
        return f"is {value:g}; it must be between {low:g} and {high:g}."
    return f"is {value:g}; it must be at least {low:g}."


def _parse_value(name: str, value: str) -> Any:
    if name.startswith("augment."):
        return _parse_number(name, value, float)
    if name == "augment" and value == "none":
        return {}
    if name == "learning_rate" and value == FIND_RATE:
        return value
    kind = SETTINGS.get(name) or CHOICES.get(name)
    if kind is None or name == "augment":
        known = [*SETTINGS, *CHOICES, "augment.flip"]
        raise ValueError(
            f"has {name!r}, which is not a setting of the plan{did_you_mean(name, known)}"
        )
    if name in ALLOWED_WORDS and value.split()[0] not in ALLOWED_WORDS[name]:
        words = ", ".join(ALLOWED_WORDS[name])
        near = did_you_mean(value, ALLOWED_WORDS[name])
        raise ValueError(f"has {name}={value}; it must be one of {words}{near}")
    return value if kind is str else _parse_number(name, value, kind)


def _parse_number(name: str, value: str, kind: type[Any]) -> Any:
    try:
        number: Any = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"has {name}={value}, which is not {what}.") from None
    fault = range_fault(name, number)
    if fault:
        raise ValueError(f"has {name}, which {fault}")
    return number


def _choice_types() -> dict[str, type]:
    """The choices of a plan that hold one number or one word."""
    hints = typing.get_type_hints(Plan)
    found = {field.name: typing.get_args(hints[field.name]) for field in fields(Plan)}
    simple = {name: args[0] for name, args in found.items() if len(args) == 1}
    return {n: kind for n, kind in simple.items() if kind in (int, float, str) and n not in FLAGS}


FLAGS = ("strategy", "net", "weights", "classes", "because", "steps")
ALLOWED_RANGES: Mapping[str, tuple[float, float]] = {
    "input_size": (8, 1024),
    "batch_size": (1, 65_536),
    "threads": (1, 1024),
    "inference_batch_size": (1, 65_536),
    "epochs": (0, 100_000),
    "tuned": (0, 1000),
    "channels": (0, 64),
    "whiten_components": (0, 65_536),
    "whiten_eps": (0, 1000),
    "label_smoothing": (0, 0.99),
    "dropout": (0, 0.99),
    "spatial_dropout": (0, 0.99),
    "layer_decay": (0, 1),
    "ema": (0, 0.99999),
    "views": (1, 2),
    "head_rate": (0, 100),
    "interpolation": (0, 1),
    "width": (0.05, 16),
    "depth": (1, 20),
    "kernel_size": (1, 15),
    "stride": (1, 8),
    "dilation": (1, 8),
    "groups": (1, 1024),
    "pool_size": (1, 8),
}
ALLOWED_WORDS: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adamw", "muon"),
    "schedule": ("one-cycle", "cosine", "constant", "linear", "step", "plateau"),
    "initialisation": (
        "identity",
        "torch",
        "kaiming",
        "xavier",
        "orthogonal",
        "lsuv",
        "calibrated",
    ),
    "preprocess": PREPROCESSING,
    "resize": ("squash", "crop", "pad"),
    "mix": ("none", "mixup", "cutmix"),
    "balance": ("none", "weights", "sampling"),
    "unfreeze": ("at-once", "gradual"),
    "average": ("none", "epochs"),
    "head": ("steps", "exact"),
    "stopping": ("auto", "never", "always"),
    "activation": ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh"),
    "normalisation": ("batch", "group", "none"),
    "pool": ("max", "mean"),
    "padding": ("same", "valid"),
    "precision": ("float32", "bfloat16"),
}
SETTINGS: dict[str, type] = {
    field.name: typing.get_type_hints(NetSettings)[field.name] for field in fields(NetSettings)
}
CHOICES: dict[str, type] = _choice_types() | {"augment": dict}
