"""Colours of the page: text can be read and charts can be seen, in the light and in the dark."""

import re
from importlib.resources import files

import pytest

CSS = files("striate.report").joinpath("page.css").read_text(encoding="utf-8")
LIGHT = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", CSS.split("@media", 1)[0]))
DARK = LIGHT | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", CSS.split("@media", 2)[1]))
TEXT = [
    ("ink", "card"),
    ("ink", "page"),
    ("soft", "card"),
    ("soft", "page"),
    ("accent-text", "card"),
    *((tone, f"{tone}-soft") for tone in ("serious", "warning", "advice", "good")),
    *(("ink", f"{tone}-soft") for tone in ("serious", "warning", "advice", "good")),
    *(("ink", f"r{strength}") for strength in range(3)),
    *(("ink", f"w{strength}") for strength in range(3)),
    ("on-r3", "r3"),
    ("on-strong", "r4"),
    ("on-wrong", "w3"),
    ("on-worst", "w4"),
]
GRAPHICS = [("accent", "card"), ("second", "card"), ("soft", "card"), ("accent", "line")]


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", TEXT, ids="/".join)
def test_text_stands_out(theme: dict[str, str], pair: tuple[str, str]) -> None:
    assert contrast(theme[pair[0]], theme[pair[1]]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pair", GRAPHICS, ids="/".join)
def test_graphics_stand_out(theme: dict[str, str], pair: tuple[str, str]) -> None:
    assert contrast(theme[pair[0]], theme[pair[1]]) >= 3


def test_every_variable_that_is_used_is_set() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", CSS)) - {"at"}
    assert used <= set(LIGHT) | {"radius"}


def test_both_themes_set_the_same_colours() -> None:
    dark = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", CSS.split("@media", 2)[1]))
    assert set(LIGHT) - set(dark) <= {"on-worst"}
