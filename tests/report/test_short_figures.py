"""Figures in sentences stay short, whatever their size."""

import pytest

from striate.report.language import load_words
from striate.values import say, shown


@pytest.mark.parametrize(
    ("figure", "how", "text"),
    [
        (0.25, ".3f", "0.250"),
        (999999.0, ".1f", "999999.0"),
        (1e6, ".3f", "1e+06"),
        (-1.5e300, ".3f", "-1.5e+300"),
        (1e300, ".1%", "1e+302%"),
        (0.5, ".1%", "50.0%"),
        (12_345_678, ",", "12,345,678"),
        (float("inf"), ".3f", "inf"),
        (float("nan"), ".3f", "nan"),
        ("name", "", "name"),
    ],
)
def test_a_figure_is_short(figure: float | str, how: str, text: str) -> None:
    assert shown(figure, how) == text


def test_sentences_and_percentages_are_short() -> None:
    assert say("any", "loss {loss:.3f}, {n:,} images", loss=2e300, n=1000).text == (
        "loss 2e+300, 1,000 images"
    )
    for lang in ("en", "zh"):
        assert len(load_words(lang).percent(1e300)) < 10
        assert load_words(lang).number(1e300) == "1e+300"
        assert load_words(lang).number(123_456_789) == "123,456,789"
