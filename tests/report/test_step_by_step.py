"""The network's inside on the page: a value's way, the layers, their weights, in both languages."""

from dataclasses import replace

import numpy as np
import pytest
from tests import made

from striate.report.architecture import architecture_section, kernel_sheet, weights_section
from striate.report.compose import compose_report
from striate.report.language import load_words
from striate.report.step_by_step import step_by_step_section
from striate.values import LayerStates, LayerWeights, NetworkView


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_value_is_drawn_for_each_place_and_followed_in_a_table(lang: str) -> None:
    section = step_by_step_section(made.network_view(), load_words(lang))
    assert section is not None
    gallery, first, second, table = section.blocks
    assert len(gallery.images) == 2
    assert first.svg.count("<svg") == 2, "wide and narrow"
    assert len(first.rows) == 27
    assert first.rows[0][1:] == ("0.500", "0.200", "0.100")
    assert second.title != first.title
    assert [len(row) for row in table.rows] == [3] * len(table.rows)
    cells = [row[1:] for row in table.rows]
    assert cells[3:5] == [("0.250", "0.250"), ("2.950", "−2.450")]
    assert cells[5] == ("2.950", "0.000"), "the activation"
    assert cells[6] == ("max(2.950, 1.000) = 2.950", "max(0.000, 1.000) = 1.000")
    assert cells[7:10] == [("0.500", "0.500"), ("1.475", "0.500"), ("4.000", "4.000")]
    assert table.marked == (4, 9)


def test_layers_and_stages_are_listed() -> None:
    section = architecture_section(made.network_view(), load_words("en"))
    assert section is not None
    chart, table = section.blocks
    assert "16 × 32 × 32" in chart.svg
    assert table.rows[0] == (
        "stem",
        "Conv2d",
        "3 × 3, stride 2",
        "16 × 32 × 32",
        "432",
        "442,368",
        "3",
    )
    assert "432 parameters" in section.lead


def test_weights_before_and_after_where_the_run_kept_them() -> None:
    view, words = made.network_view(), load_words("en")
    frozen = weights_section(view, None, words)
    assert frozen is not None
    assert frozen.blocks[0].rows[0][2] == "–"
    assert len(frozen.blocks[1].images) == 1
    begun = (replace(view.weights[0], deviation=0.5, low=-2.0, high=2.0),)
    states = LayerStates(images=1, loss=0.0, layers=(), weights_begun=begun)
    section = weights_section(view, states, words)
    assert section is not None
    assert "2.00" in section.lead
    assert section.blocks[0].rows[0][2] == "0 ± 0.5"
    assert len(section.blocks[1].images) == 2


def test_kernels_lie_on_a_sheet_with_zero_in_the_middle() -> None:
    weights = LayerWeights(
        layer="a",
        kind="Conv2d",
        shape=(2, 1, 2, 2),
        mean=0,
        deviation=1,
        low=-1,
        high=1,
        counts=(1,),
        kernel_shape=(1, 2, 2),
        kernels=((0.0, 1.0, -1.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
    )
    sheet = kernel_sheet(weights)
    assert sheet.shape == (8, 18)
    assert [int(sheet[0, 0]), int(sheet[0, 7]), int(sheet[7, 0])] == [128, 255, 0]
    assert set(np.unique(sheet[:, 10:])) == {128}


def test_the_page_shows_them_and_does_without() -> None:
    values, view = made.values(), made.network_view()
    keys = {section.key for section in compose_report(values, (), (), "en", view).sections}
    assert keys >= {"architecture", "steps", "weights"}
    bare = {section.key for section in compose_report(values, (), (), "en").sections}
    assert keys - bare == {"architecture", "steps", "weights"}
    nothing = NetworkView()
    assert step_by_step_section(nothing, load_words("en")) is None
    assert architecture_section(nothing, load_words("en")) is None
    assert weights_section(nothing, None, load_words("en")) is None
