"""Layer by layer: the moments that are known, as charts and as a table, and dead units in words."""

from dataclasses import replace

import pytest
from tests import made

from striate.report.activations_gradients import layers_section
from striate.report.language import load_words
from striate.values import LayerState, LayerStates, Values


def states(dead: int, deviation: float, gradient: float) -> tuple[LayerState, ...]:
    return (
        LayerState(
            layer="stem", kind="Conv2d", units=8, weight=2, gradient=gradient, deviation=deviation
        ),
        LayerState(layer="act", kind="ReLU", units=8, dead=dead, deviation=deviation / 2),
        LayerState(layer="head", kind="Linear", units=3, weight=1, gradient=0.5, deviation=1),
    )


def looked_at(**moments: tuple[LayerState, ...]) -> Values:
    layers = LayerStates(images=64, loss=0.3, layers=states(6, 1.5, 1e-4), **moments)
    return replace(made.values(strategy="scratch"), layers=layers)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_three_moments_are_drawn_and_tabled(lang: str) -> None:
    *below, head = states(0, 0.01, 0.0)
    asleep = (*(replace(one, gradient=0.0) for one in below), head)
    found = looked_at(drawn=asleep, begun=states(1, 1.0, 0.2))
    section = layers_section(found, load_words(lang))
    assert section is not None
    assert "75" in section.lead
    assert "act" in section.lead
    deviation, gradient, table = section.blocks
    assert deviation.svg.startswith("<svg")
    assert gradient.svg.startswith("<svg")
    assert len(table.header) == 8, "as drawn there were no gradients"
    assert [len(row) for row in table.rows] == [8, 8, 8]
    assert table.rows[0][2:5] == ("0 ± 0.01", "0 ± 1", "0 ± 1.5")
    assert table.rows[0][6:] == ("0.2", "1e-04")
    assert table.rows[1][5].startswith("75")


def test_a_run_of_before_shows_what_it_knows() -> None:
    section = layers_section(looked_at(), load_words("en"))
    assert section is not None
    assert len(section.blocks[-1].header) == 5


def test_nothing_trained_nothing_shown() -> None:
    assert layers_section(made.values(strategy="linear"), load_words("en")) is None
