"""The commands that a report offers name the same images and the same settings as the run."""

from dataclasses import replace
from typing import Any

from tests import made

from striate.report.language import load_words
from striate.report.reproduce import reproduce_section


def commands(**options: Any) -> tuple[str, str]:
    """What does it again, and what improves it."""
    values = made.values()
    values = replace(values, options=replace(values.options, **options))
    lines = (reproduce_section(values, load_words("en")).blocks[0].code or "").splitlines()
    return lines[1], lines[3]


def test_what_says_how_images_are_grouped_stands_in_both() -> None:
    for line in commands(group_pattern=r"/(\d+)_", drop_rare=True):
        assert r"--group-pattern '/(\d+)_'" in line
        assert "--drop-rare" in line


def test_choices_stand_where_more_time_is_given_and_not_beside_the_plan() -> None:
    again, improve = commands(set="dropout=0.2 clip=1", race=True, strategy="scratch")
    assert "--set 'dropout=0.2 clip=1' --race" in improve
    assert "--strategy scratch" in improve
    assert "--set" not in again
    assert "--race" not in again
    assert "--strategy" not in again


def test_usual_settings_need_no_flag() -> None:
    again, improve = commands()
    assert again.endswith(f"--seed {made.values().plan.seed}")
    assert improve.partition("--minutes ")[2].count("--") <= 1
