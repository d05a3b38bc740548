"""From the user's settings to `Options`: every fault of a command or a call in one message."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypedDict

from striate.config.overrides import parse_overrides
from striate.config.patterns import pattern_fault
from striate.config.suggestions import did_you_mean
from striate.errors import UsageError
from striate.values import STRATEGIES, TASKS, Options

SHORTEST_MINUTES = 0.5
LANGUAGES = ("auto", "en", "zh")
ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "gb18030", "big5", "shift_jis", "cp1251")
SPLIT_WORDS = ("auto", "pool")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class Settings(TypedDict, total=False):
    """The settings of a call by name, for type checkers and editors; `Options` has the defaults."""

    minutes: float
    seed: int
    strategy: str
    net: str
    weights: str | Path | None
    split: str
    device: str
    plan: str | Path | None
    out: str | Path | None
    restart: bool
    strict: bool
    drop_rare: bool
    max_pixels: int
    min_accuracy: float | None
    lang: str
    group: str
    group_pattern: str | None
    label_pattern: str | None
    classes_are_splits: bool
    crop: bool
    image: str
    label: str
    split_column: str
    weight: str
    root: str | Path | None
    encoding: str
    label_separator: str | None
    task: str
    data_root: str | Path | None
    set: str | None
    remedy: bool
    no_remedy: bool
    race: bool


def check_settings(
    settings: Mapping[str, object],
    *,
    spelt: Callable[[str], str] = str,
    faults: Iterable[str] = (),
    hint: str = "",
) -> Options:
    """The options in `settings`; values may be texts, as a command line gives them.

    `spelt` turns a name into what the person typed; `faults` are those found before. Raises
    `UsageError` with every fault.
    """
    found = list(faults)
    known = {field.name for field in fields(Options)}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in known:
            found.append(f"{spelt(name)} is not a setting{did_you_mean(name, known)}")
            continue
        try:
            values[name] = _RULES[name](value)
        except ValueError as fault:
            found += [f"{spelt(name)} {line}" for line in str(fault).splitlines()]
    found += _find_exclusions(values, spelt)
    if found:
        raise UsageError("\n".join(found), hint)
    # Each value was checked by the rule of its field; mypy sees only `object`.
    return Options(**values)  # type: ignore[arg-type]


def _find_exclusions(values: Mapping[str, object], spelt: Callable[[str], str]) -> list[str]:
    default = Options()
    given = {name for name, value in values.items() if value != getattr(default, name)}
    return [
        f"{spelt(one)} and {spelt(other)} exclude each other: {why}."
        for one, other, why in _EXCLUDE
        if {one, other} <= given
    ]


@dataclass(frozen=True, slots=True)
class _NumberRule:
    """A rule: a number of some kind between two bounds."""

    kind: type[int] | type[float]
    low: float
    high: float = math.inf
    optional: bool = False

    def __call__(self, value: object) -> object:
        if value is None and self.optional:
            return None
        try:
            if isinstance(value, bool):
                raise ValueError
            # What int() and float() refuse is caught below.
            number = self.kind(value)  # type: ignore[call-overload, arg-type]
            if isinstance(value, float) and number != value:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            whole = "a whole number" if self.kind is int else "a number"
            raise ValueError(f"must be {whole}, not {quote_value(value)}.") from None
        if not self.low <= number <= self.high or not math.isfinite(number):
            raise ValueError(f"is {quote_value(value)}; {self._bounds()}.")
        return number

    def _bounds(self) -> str:
        if math.isfinite(self.high):
            return f"it must be between {self.low:,} and {self.high:,}"
        return f"it must be at least {self.low:,}"


@dataclass(frozen=True, slots=True)
class _WordRule:
    """A rule: one of some words."""

    words: tuple[str, ...]
    more: str = ""

    def __call__(self, value: object) -> object:
        if value in self.words:
            return value
        near = did_you_mean(str(value), self.words)
        raise ValueError(
            f"is {quote_value(value)}; it must be one of {', '.join(self.words)}{self.more}{near}"
        )


def quote_value(value: object) -> str:
    """A value as a message quotes it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check_device(value: object) -> object:
    if isinstance(value, str) and _DEVICE.fullmatch(value):
        return value
    near = did_you_mean(str(value), ("auto", "cpu", "cuda", "mps"))
    raise ValueError(
        f"is {quote_value(value)}; it must be auto, cpu, cuda, cuda:NUMBER or mps{near}"
    )


def _check_text(value: object) -> object:
    if isinstance(value, str | Path) and str(value):
        return str(value)
    raise ValueError(f"must be text, not {quote_value(value)}.")


def _check_path(value: object) -> object:
    return None if value is None else _check_text(value)


def _check_encoding(value: object) -> object:
    """The name of a text encoding that Python knows, or `auto`."""
    name = str(_check_text(value))
    try:
        "".encode(name) if name != "auto" else None
    except (LookupError, ValueError):
        near = did_you_mean(name, ENCODINGS)
        raise ValueError(
            f"is {quote_value(value)}; it must be auto or a name such as "
            f"{', '.join(ENCODINGS)}{near}"
        ) from None
    return name


def _check_separator(value: object) -> object:
    return value if value is None or value == " " else _check_text(value)


def _check_file(value: object) -> object:
    if value is None:
        return None
    path = Path(str(_check_text(value)))
    if path.is_file():
        return str(path)
    if path.is_dir():
        raise ValueError(f"is {path}, which is a folder; it must be a file.")
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    raise ValueError(f"is {path}, which does not exist{did_you_mean(path.name, siblings)}")


def _check_pattern(value: object) -> object:
    """A regular expression that captures something; `{class}` in it stands for a class's name."""
    if value is None:
        return None
    pattern = str(_check_text(value))
    fault = pattern_fault(pattern)
    if fault:
        raise ValueError(f"is {quote_value(value)}, which {fault}.")
    return pattern


def _check_split(value: object) -> object:
    """A word, or the `index.csv` of an earlier run."""
    if value in SPLIT_WORDS or not str(value).endswith(".csv"):
        return _WordRule(SPLIT_WORDS, " or the index.csv of an earlier run")(value)
    return _check_file(value)


def _check_overrides(value: object) -> object:
    """The settings of a plan by name, kept as typed; every fault becomes a sentence."""
    if value is None:
        return None
    text = str(_check_text(value))
    parse_overrides(text)
    return text


def _check_switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be True or False, not {quote_value(value)}.")


_RULES: dict[str, Callable[[object], object]] = {
    "minutes": _NumberRule(float, SHORTEST_MINUTES),
    "seed": _NumberRule(int, 0, 2**63 - 1),
    "strategy": _WordRule(("auto", *STRATEGIES)),
    "task": _WordRule(("auto", *TASKS)),
    "net": _check_text,
    "weights": _check_file,
    "split": _check_split,
    "device": _check_device,
    "plan": _check_file,
    "out": _check_path,
    "restart": _check_switch,
    "strict": _check_switch,
    "drop_rare": _check_switch,
    "max_pixels": _NumberRule(int, 1),
    "min_accuracy": _NumberRule(float, 0, 1, optional=True),
    "lang": _WordRule(LANGUAGES),
    "group": _check_text,
    "group_pattern": _check_pattern,
    "label_pattern": _check_pattern,
    "classes_are_splits": _check_switch,
    "crop": _check_switch,
    "image": _check_text,
    "label": _check_text,
    "split_column": _check_text,
    "weight": _check_text,
    "root": _check_path,
    "encoding": _check_encoding,
    "label_separator": _check_separator,
    "data_root": _check_path,
    "set": _check_overrides,
    "remedy": _check_switch,
    "no_remedy": _check_switch,
    "race": _check_switch,
}

_EXCLUDE = (
    ("plan", "strategy", "the plan contains the strategy"),
    ("plan", "net", "the plan contains the network"),
    ("plan", "weights", "the plan contains the weights file"),
    ("plan", "set", "change the setting in the plan itself"),
    ("plan", "race", "the plan contains all settings that would be compared"),
    ("remedy", "no_remedy", "one tries remedies, the other does not"),
    ("group", "group_pattern", "each defines the groups"),
    ("label_pattern", "classes_are_splits", "classes come from file names, or from folders"),
    ("label_pattern", "crop", "the label comes from the file name, or from each box"),
    ("classes_are_splits", "crop", "the label comes from the folder, or from each box"),
)
