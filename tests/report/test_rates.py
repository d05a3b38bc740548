from dataclasses import replace

from tests import made

from striate.report.language import load_words
from striate.report.learning_curves import lr_range_test_section
from striate.values import RateSearch


def test_the_curve_is_drawn_with_its_table_where_a_rate_was_searched_for() -> None:
    values = made.values()
    assert lr_range_test_section(values, load_words("en")) is None
    assert values.evidence is not None
    search = RateSearch(
        rates=tuple(1e-4 * 1.2**k for k in range(60)),
        losses=tuple(2.0 - 0.02 * k for k in range(60)),
        chosen=0.01,
    )
    found = replace(values, evidence=replace(values.evidence, rates=search))
    for lang in ("en", "zh"):
        section = lr_range_test_section(found, load_words(lang))
        assert section is not None
        assert "0.01" in section.lead
        (block,) = section.blocks
        assert block.svg.startswith("<svg")
        assert block.rows[0] == ("0.0001", "2.000")
