"""Words with figures, and the short names of types that all values use."""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


Rows = NDArray[np.int64]


Targets = NDArray[np.int64] | NDArray[np.float32]


Figure = float | int | str | None


Task = Literal["label", "labels", "number"]


SPLITS = ("train", "val", "test")


TASKS = ("label", "labels", "number")


STRATEGIES = ("linear", "layers", "shallow", "deep", "scratch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with its figures: `text` in English, `code` and `figures` for other languages."""

    code: str
    figures: dict[str, Figure] = field(default_factory=dict)
    text: str = ""


def say(code: str, template: str, **figures: Figure) -> Sentence:
    """A sentence whose English text is `template` filled with `figures` by `str.format`."""
    return Sentence(code=code, figures=figures, text=template.format(**figures))


def names_in(label: str) -> tuple[str, ...]:
    """The labels that a text such as `a|b` names, each once, by code point; `|` names none."""
    return tuple(sorted({name.strip() for name in label.split("|")} - {""}))
