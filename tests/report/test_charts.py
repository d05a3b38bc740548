"""Charts: live text, colours of the page, a title and a description, ids of their own."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from tests import made

from striate.report.canvas import COLOURS, Canvas, estimate_text_width
from striate.report.charts import (
    ChartLine,
    DotSeries,
    draw_curves,
    draw_reliability,
    draw_stage_intervals,
)

# What a screen 390 pixels wide leaves for a chart beside the margins of page and section.
PHONE_CHART_WIDTH = 328


def forms(svg: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The wide and the narrow form of a chart."""
    wide, narrow, rest = svg.split("</svg>")
    assert not rest
    return ElementTree.fromstring(wide + "</svg>"), ElementTree.fromstring(narrow + "</svg>")


def curve(key: str = "loss", name: str = "training") -> str:
    return draw_curves(
        key,
        "Loss & more",
        "It falls.",
        [
            ChartLine(name=name, values=[1.0, 0.5, 0.4], colour="accent", dashed=True),
            ChartLine(name="validation", values=[1.1, 0.6, 0.4], colour="second"),
        ],
        kept_epoch=2,
        kept_label="kept: 2",
        x_label="Epoch",
        percent=False,
    )


def dots() -> str:
    intervals = [made.wilson(0.6, 50), made.wilson(0.9, 50), None]
    series = [DotSeries(name="Validation", intervals=intervals, colour="second", marker="D")]
    return draw_stage_intervals("stages", "Stages", "Rows.", ["block1", "top", "all"], series)


def diagram() -> str:
    intervals = [made.wilson(0.5, 20), made.wilson(1.0, 20)]
    return draw_reliability(
        "rel", "Reliability", "Dots.", np.array([0.6, 0.95]), intervals, x_label="x", y_label="y"
    )


@pytest.mark.parametrize("svg", [curve(), dots(), diagram()], ids=["curves", "stages", "rel"])
def test_a_chart_takes_colour_and_font_from_the_page(svg: str) -> None:
    assert "var(--ink)" in svg or "var(--soft)" in svg
    assert not any(stand_in in svg for stand_in in COLOURS.values())
    assert not re.search(r"(?:fill|stroke): #", svg)
    assert "font-family" not in svg
    assert "<style" not in svg
    assert "http" not in svg


@pytest.mark.parametrize("svg", [curve(), dots(), diagram()], ids=["curves", "stages", "rel"])
def test_a_chart_is_named_and_described(svg: str) -> None:
    for tree in forms(svg):
        title, description = tree[0], tree[1]
        assert (title.tag, description.tag) == ("title", "desc")
        assert tree.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
        assert title.text
        assert description.text


@pytest.mark.parametrize("svg", [curve(), dots(), diagram()], ids=["curves", "stages", "rel"])
def test_on_a_phone_text_is_at_least_ten_pixels_high(svg: str) -> None:
    _, narrow = forms(svg)
    assert narrow.attrib["class"] == "chart narrow"
    shown = PHONE_CHART_WIDTH / float(narrow.attrib["viewBox"].split()[2])
    sizes = [
        float(size)
        for element in narrow.iter("text")
        for size in re.findall(r"font-size: ([\d.]+)px", element.attrib["style"])
    ]
    assert sizes
    assert min(sizes) * shown >= 10


def test_titles_are_escaped() -> None:
    assert "Loss &amp; more" in curve()


def test_names_of_lines_and_the_kept_epoch_are_text() -> None:
    texts = [element.text for element in forms(curve())[0].iter("text")]
    assert {"training", "validation", "kept: 2", "Epoch"} <= set(texts)


def test_names_at_equal_ends_do_not_overlap() -> None:
    places = {
        element.text: float(element.attrib["y"])
        for element in forms(curve())[0].iter("text")
        if element.text in ("training", "validation")
    }
    assert abs(places["training"] - places["validation"]) >= 14


def test_ids_of_two_charts_on_a_page_differ() -> None:
    first, second = (set(re.findall(r'id="([^"]+)"', curve(key))) for key in ("one", "two"))
    assert first
    assert not first & second


def test_every_reference_has_its_target() -> None:
    for svg in (curve(), dots(), diagram()):
        ids = set(re.findall(r'id="([^"]+)"', svg))
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg)) <= ids


def test_chinese_names_are_drawn_without_a_warning() -> None:
    assert "训练集" in curve(name="训练集")


HOSTILE = {
    "path.sketch": (2.0, 100.0, 2.0),
    "axes.prop_cycle": "cycler('color', ['red'])",
    "axes.facecolor": "black",
    "axes.grid": True,
    "axes.xmargin": 0.4,
    "figure.autolayout": True,
    "font.size": 31.0,
    "font.family": ["monospace"],
    "lines.linewidth": 9.0,
    "lines.solid_capstyle": "butt",
    "text.color": "red",
    "legend.frameon": True,
    "savefig.bbox": "tight",
    "savefig.facecolor": "red",
    "svg.fonttype": "path",
    "xtick.direction": "in",
    "xtick.top": True,
}


@pytest.mark.parametrize("draw", [curve, dots, diagram])
def test_a_users_matplotlibrc_changes_nothing_and_is_put_back(draw: Callable[[], str]) -> None:
    usual = draw()
    with matplotlib.rc_context(HOSTILE):
        assert draw() == usual
        assert matplotlib.rcParams["font.size"] == 31.0


def test_a_canvas_outside_of_its_settings_is_refused() -> None:
    with pytest.raises(AssertionError, match="draw_lock"):
        Canvas(100, 100, left=1, right=1, top=1, bottom=1)


def test_a_chart_is_the_same_every_time() -> None:
    assert curve() == curve()


def test_one_epoch_can_be_drawn() -> None:
    svg = draw_curves(
        "one",
        "t",
        "d",
        [ChartLine(name="training", values=[0.7], colour="accent")],
        kept_epoch=1,
        kept_label="kept",
        x_label="Epoch",
        percent=True,
    )
    assert "training" in svg


def test_wide_letters_count_twice() -> None:
    assert estimate_text_width("向日葵") > 1.7 * estimate_text_width("abc")
