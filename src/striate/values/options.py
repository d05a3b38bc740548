"""What was asked for: every setting of a fit, and the few of them that each stage reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from striate.values.plan import Choice, Plan
from striate.values.saying import say

FIND_RATE = "find"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Every setting of a fit. Each flag of `striate fit` is a field of the same name."""

    minutes: float = 5.0
    seed: int = 0
    strategy: str = "auto"
    net: str = "auto"
    weights: str | None = None
    split: str = "auto"
    device: str = "auto"
    plan: str | None = None
    out: str | None = None
    restart: bool = False
    strict: bool = False
    drop_rare: bool = False
    max_pixels: int = 178_000_000
    min_accuracy: float | None = None
    lang: str = "auto"
    group: str = "group"
    group_pattern: str | None = None
    label_pattern: str | None = None
    classes_are_splits: bool = False
    crop: bool = False
    image: str = "image"
    label: str = "label"
    split_column: str = "split"
    weight: str = "weight"
    root: str | None = None
    encoding: str = "auto"
    label_separator: str | None = None
    task: str = "auto"
    data_root: str | None = None
    set: str | None = None
    remedy: bool = False
    no_remedy: bool = False
    race: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """What of the options the way from a source to decoded images and their labels reads."""

    split: str = "auto"
    drop_rare: bool = False
    max_pixels: int = 178_000_000
    group: str = "group"
    group_pattern: str | None = None
    label_pattern: str | None = None
    classes_are_splits: bool = False
    crop: bool = False
    image: str = "image"
    label: str = "label"
    split_column: str = "split"
    weight: str = "weight"
    root: str | None = None
    encoding: str = "auto"
    label_separator: str | None = None
    task: str = "auto"
    data_root: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """What of the options the split reads."""

    split: str = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The content of `--set`: settings of the plan, of a network, and augmentation strengths.

    All three are empty if nothing is set.
    """

    choices: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    strengths: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names as typed, including `augment.flip`."""
        return (*self.choices, *self.settings, *(f"augment.{name}" for name in self.strengths))

    @property
    def wants_lr_range_test(self) -> bool:
        """Whether the learning rate is to be found by a range test."""
        return self.choices.get("learning_rate") == FIND_RATE

    def touches(self, choice: str) -> bool:
        """Whether a setting is set, as `augment` is by `augment.flip=1`."""
        named = choice in self.choices or choice in self.settings
        return named or (choice == "augment" and bool(self.strengths))

    def apply(self, plan: Plan, only: tuple[str, ...] = ()) -> Plan:
        """The plan with the settings of `--set`; with `only`, some of them.

        A learning rate that is to be found stays as it was chosen.
        """
        changed: dict[str, Any] = dict(self.choices)
        if self.wants_lr_range_test:
            del changed["learning_rate"]
        if self.settings:
            changed["settings"] = replace(plan.settings.value, **self.settings)
        if self.strengths:
            kept = {**changed.get("augment", plan.augment.value), **self.strengths}
            changed["augment"] = {name: value for name, value in kept.items() if value > 0}
        why = say("plan.set", "you asked for it")
        choices: dict[str, Any] = {
            name: Choice(value=value, why=why, ground="asked")
            for name, value in changed.items()
            if not only or name in only
        }
        return replace(plan, **choices) if choices else plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """The options that plan and training read; `--set` as one value."""

    minutes: float = 5.0
    seed: int = 0
    strategy: str = "auto"
    net: str = "auto"
    weights: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    remedy: bool = False
    no_remedy: bool = False
    race: bool = False
