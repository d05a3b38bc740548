"""The table of what was tried, and the explanation of a plan, as a terminal shows them."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType
from tests import made

from striate.report.language import load_words
from striate.report.strategy_evidence import (
    plan_explanation_text,
    strategy_choice_section,
    tried_strategies_text,
)
from striate.values import Trial, Values, say


def shown(thing: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()


def test_the_strategy_in_use_is_marked() -> None:
    values = made.values(strategy="linear")
    assert values.evidence is not None
    heading, *lines = shown(tried_strategies_text(values.evidence, values.plan)).splitlines()
    assert "What was tried" in heading
    (marked,) = [line for line in lines if line.startswith("▸")]
    assert "all stages" in marked
    assert all("%" in line for line in lines)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_plan_is_explained_with_the_rule_of_thumb_beside(lang: str) -> None:
    values = made.values(strategy="linear")
    assert values.evidence is not None
    text = shown(plan_explanation_text(values.evidence, values.plan, lang))
    assert "0.15" in text  # the shift
    assert "200" in text  # as many images more
    assert "{" not in text


def raced() -> Values:
    """A fit before which two networks were held against each other."""
    values = made.values(strategy="linear")
    assert values.evidence is not None
    networks = tuple(
        Trial(
            strategy="linear",
            net=net,
            settings={"input_size": 128, "images_per_second": speed, "taps": "all"},
            accuracy=made.wilson(share, 400),
            log_loss=0.3,
            epochs=0,
            seconds=4.0,
            kept=share > 0.9,
            why=say("made.raced", "{net} ran.", net=net),
        )
        for net, speed, share in (("resnet10t (mine.pt)", 318, 0.84), ("lite", 96, 0.93))
    )
    return replace(values, evidence=replace(values.evidence, networks=networks))


@pytest.mark.parametrize(("lang", "speed"), [("en", "318 images/s"), ("zh", "每秒 318 张")])
def test_networks_that_ran_have_their_line_with_their_speed(lang: str, speed: str) -> None:
    values = raced()
    assert values.evidence is not None
    lines = shown(tried_strategies_text(values.evidence, values.plan, lang)).splitlines()
    (line,) = [line for line in lines if "resnet10t (mine.pt)" in line]
    assert speed in line
    assert "84.0" in line
    assert len([line for line in lines if line.startswith("▸")]) == 1


def test_the_report_tells_of_networks_that_ran_and_why() -> None:
    blocks = strategy_choice_section(raced(), load_words("en")).blocks
    table = next(block for block in blocks if block.kind == "table")
    (row,) = [row for row in table.rows if row[1] == "resnet10t (mine.pt)"]
    assert "318" in row[0]
    assert row[3].startswith("84.0")
    assert any(
        "lite ran." in row[0] for block in blocks if block.kind == "list" for row in block.rows
    )
