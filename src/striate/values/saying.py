"""Sentences with figures, and the short names of types that all values use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


Rows = NDArray[np.int64]


Targets = NDArray[np.int64] | NDArray[np.float32]


Figure = float | int | str | None


Task = Literal["label", "labels", "number"]


SPLITS = ("train", "val", "test")


TASKS = ("label", "labels", "number")


CLOSED_FORM = ("linear", "layers")
TUNED = ("shallow", "deep")
STRATEGIES = (*CLOSED_FORM, *TUNED, "scratch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with its figures: `text` in English, `code` and `figures` for other languages."""

    code: str
    figures: dict[str, Figure] = field(default_factory=dict)
    text: str = ""


def say(code: str, template: str, **figures: Figure) -> Sentence:
    """A sentence whose English text is `template` filled with `figures`."""
    return Sentence(code=code, figures=figures, text=filled(template, figures))


def filled(template: str, figures: Mapping[str, Figure]) -> str:
    """The template filled as by `str.format`, but with every figure as `shown` shows it."""
    return _SHORT.vformat(template, (), figures)


def shown(figure: Any, how: str = ".3f") -> str:
    """A figure as by `format`; a float of a million or more with three digits: 1.5e+300.

    The loss of a diverged training would have hundreds of digits.
    """
    fixed = how.endswith(("f", "%"))
    if fixed and isinstance(figure, float) and abs(figure) >= LONG:
        return f"{figure * 100:.3g}%" if how.endswith("%") else f"{figure:.3g}"
    return format(figure, how)


class _ShortFormatter(Formatter):
    """Fills templates, with figures that stay short."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return shown(value, format_spec)


_SHORT = _ShortFormatter()
LONG = 1e6


def names_in(label: str) -> tuple[str, ...]:
    """The labels that a text such as `a|b` names, each once, by code point; `|` names none."""
    return tuple(sorted({name.strip() for name in label.split("|")} - {""}))
