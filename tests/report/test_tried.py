"""The table of what was tried, and the explanation of a plan, as a terminal shows them."""

import io

import pytest
from rich.console import Console, RenderableType

import made
from striate.report.tried import explained, tried


def shown(thing: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()


def test_the_strategy_in_use_is_marked() -> None:
    values = made.values(strategy="linear")
    assert values.evidence is not None
    lines = shown(tried(values.evidence, values.plan)).splitlines()
    (marked,) = [line for line in lines if line.startswith("▸")]
    assert "all stages" in marked
    assert all("%" in line for line in lines)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_plan_is_explained_with_the_rule_of_thumb_beside(lang: str) -> None:
    values = made.values(strategy="linear")
    assert values.evidence is not None
    text = shown(explained(values.evidence, values.plan, lang))
    assert "0.15" in text  # the shift
    assert "200" in text  # as many images more
    assert "{" not in text
