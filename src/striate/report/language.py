"""Texts for people in English and Chinese: looked up by key, filled with figures, typeset."""

import locale
import math
import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from striate.values import Figure, Finding, Sentence, filled, shown

LANGUAGES = ("en", "zh")
OTHER_TASK_VARIANT = "task"
LARGEST_PLAIN_NUMBER = 1e9
NARROW_SPACE = "\u202f"


def choose_language(option: str) -> str:
    """The language asked for; for `auto` that of the locale, English where it is neither."""
    if option in LANGUAGES:
        return option
    named = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    wanted = next((name for name in named if name), "") or locale.getlocale()[0] or ""
    return "zh" if wanted.lower().startswith(("zh", "chinese")) else "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of one language; missing ones are taken from English."""

    lang: str
    texts: dict[str, str]

    def __call__(self, key: str, **figures: Figure) -> str:
        """The text under `key`, filled; `n` picks `key.one` or `key.other` if both exist.

        Raises `KeyError` for a key that no language has.
        """
        template = self._template(key, figures)
        if template is None:
            raise KeyError(key)
        return self.typeset(filled(template, figures))

    def sentence(self, sentence: Sentence) -> str:
        """A sentence in this language, by its code; in English if there is no translation."""
        return self.filled(f"say.{sentence.code}", sentence.figures, sentence.text)

    def finding(self, finding: Finding) -> tuple[str, str, str]:
        """Title, meaning and advice of a finding in this language."""
        if finding.variant == OTHER_TASK_VARIANT:
            title = f"finding.{finding.code}.not_applicable.title"
            title = title if title in self.texts else f"finding.{finding.code}.passed.title"
            return self.filled(title, {}, finding.title), self("findings.other_task"), ""
        key = ".".join(
            part for part in ("finding", finding.code, finding.outcome, finding.variant) if part
        )
        return (
            self.filled(f"{key}.title", finding.figures, finding.title),
            self.filled(f"{key}.meaning", finding.figures, finding.meaning),
            self.filled(f"{key}.advice", finding.figures, finding.advice),
        )

    def knows(self, key: str) -> bool:
        """Whether the catalogue has a text under `key`."""
        return key in self.texts or f"{key}.other" in self.texts

    def named(self, kind: str, name: str) -> str:
        """The name of a stage, split, … in this language; `name` itself if unknown."""
        return self.texts.get(f"{kind}.{name}", name)

    def percent(self, share: float | None, digits: int = 1) -> str:
        """A share as a percentage."""
        return "–" if share is None else self.typeset(shown(share, f".{digits}%"))

    def span(self, low: float, high: float) -> str:
        """An interval of shares in per cent, without the sign."""
        return f"{100 * low:.1f}–{100 * high:.1f}"

    def number(self, value: float) -> str:
        """A number with three significant digits, more if its whole part has more.

        From 1e9 on it is written with a power of ten.
        """
        size = abs(value)
        if size >= LARGEST_PLAIN_NUMBER:
            return f"{value:.3g}"
        digits = 2 - math.floor(math.log10(size)) if size > 0 else 0
        return f"{value:,.{min(12, max(0, digits))}f}"

    def seconds(self, seconds: float) -> str:
        """A duration in words."""
        if seconds < 10:
            return self("unit.seconds", n=f"{seconds:.1f}" if seconds >= 0.05 else "< 0.1")
        whole = round(seconds)
        if whole < 60:
            return self("unit.seconds", n=whole)
        if whole < 3600:
            return self("unit.minutes", minutes=whole // 60, n=whole % 60)
        return self("unit.hours", hours=whole // 3600, minutes=whole % 3600 // 60)

    def listed(self, things: tuple[str, ...] | list[str]) -> str:
        """Items joined with the language's comma."""
        return self("unit.comma").join(things)

    def typeset(self, text: str) -> str:
        """English sets a narrow space before the per cent sign; Chinese does not."""
        if self.lang == "zh":
            return text
        return re.sub(r"(?<=[\d])%", f"{NARROW_SPACE}%", text)

    def filled(self, key: str, figures: dict[str, Figure], english: str) -> str:
        """The text under `key` filled with `figures`; `english` if there is none."""
        template = self._template(key, figures)
        if template is None:
            return self.typeset(english)
        try:
            return self.typeset(filled(template, figures))
        except (KeyError, ValueError, TypeError, IndexError):
            # A run written by an older striate may lack a figure: its own English still holds.
            return self.typeset(english)

    def _template(self, key: str, figures: dict[str, Any]) -> str | None:
        if key in self.texts:
            return self.texts[key]
        n = figures.get("n")
        return self.texts.get(f"{key}.one" if n in (1, "1") else f"{key}.other")


def plain_spaces(text: str) -> str:
    """The text with ordinary spaces, since not every terminal font has the narrow one."""
    return text.replace(NARROW_SPACE, " ")


@cache
def load_words(lang: str) -> Words:
    """The catalogue of a language, `en` or `zh`."""
    texts = _read_catalogue("en")
    if lang != "en":
        texts = texts | _read_catalogue(lang)
    return Words(lang=lang, texts=texts)


def _read_catalogue(lang: str) -> dict[str, str]:
    content = files("striate.report").joinpath("text", f"{lang}.toml").read_text(encoding="utf-8")
    return dict(_flatten_table(tomllib.loads(content)))


def _flatten_table(table: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            flat += _flatten_table(value, f"{prefix}{key}.")
        else:
            flat.append((prefix + key, str(value)))
    return flat
