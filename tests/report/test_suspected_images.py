"""The doubtful labels, most doubtful first, with what they would rather be."""

from dataclasses import replace

from tests import made

from striate.report.language import load_words
from striate.report.suspected_images import MOST_SHOWN, label_errors_section
from striate.values import Doubt


def doubts(count: int, flagged: bool = True) -> tuple[Doubt, ...]:
    return tuple(
        Doubt(
            row=k,
            path=f"{k}.png",
            label="ant",
            suggested="bee",
            doubt=0.97,
            given_probability=0.03,
            suggested_probability=0.9,
            flagged=flagged,
        )
        for k in range(count)
    )


def test_flagged_images_are_shown_with_both_labels() -> None:
    values = replace(made.values(), doubts=doubts(30))
    for lang in ("en", "zh"):
        section = label_errors_section(values, load_words(lang))
        assert section is not None
        (gallery,) = section.blocks
        assert len(gallery.images) == len(gallery.alts) == MOST_SHOWN
        assert "ant" in gallery.captions[0]
        assert "bee" in gallery.captions[0]
        assert "30" in section.lead


def test_no_section_where_no_label_is_doubted() -> None:
    values = made.values()
    assert label_errors_section(values, load_words("en")) is None
    assert (
        label_errors_section(replace(values, doubts=doubts(3, flagged=False)), load_words("en"))
        is None
    )
