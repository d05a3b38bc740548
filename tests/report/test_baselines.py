"""The ladder's section: every rung drawn and listed, what was saved said, old runs without."""

from dataclasses import replace

import pytest
from tests import made

from striate.report.baselines import baselines_section
from striate.report.canvas import NARROW_WIDTH
from striate.report.language import load_words, plain_spaces
from striate.values import Interval, Ladder, Rung, RungAtSize, Values


def with_ladder(values: Values, *shares: float, strategy: str = "deep", few: int = 0) -> Values:
    """A ladder of five rungs; with `few`, those below the chosen one had so many images."""
    names = ("majority", "shallow", "random", "pretrained", "chosen")
    rungs = tuple(
        Rung(
            name=name,
            accuracy=made.wilson(share, 200),
            seconds=1.5 * k,
            train_images=800 if name == "chosen" else few or 800,
            dimensions=100 * k,
            difference=None if few or name == "chosen" else lead_of(shares[-1] - share),
            curve=(RungAtSize(train_images=150, accuracy=made.wilson(share, 200)),) if few else (),
        )
        for k, (name, share) in enumerate(zip(names, shares, strict=True))
    )
    ladder = Ladder(
        rungs=rungs,
        strategy=strategy,
        net="compact",
        evaluation="test-split",
        train_images=800,
        judge_images=200,
    )
    return replace(values, ladder=ladder)


def lead_of(gain: float) -> Interval:
    return Interval(
        value=gain, low=gain - 0.03, high=gain + 0.03, n=200, level=0.95, method="paired-bootstrap"
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_rung_is_drawn_and_listed(lang: str) -> None:
    say = load_words(lang)
    section = baselines_section(with_ladder(made.values(), 0.1, 0.5, 0.6, 0.8, 0.95), say)
    assert section is not None
    (block,) = section.blocks
    assert len(block.rows) == 5
    for name in ("majority", "shallow", "random", "pretrained", "chosen"):
        assert plain_spaces(say(f"rung.{name}")) in block.svg
    assert "45.0" in section.lead
    assert block.rows[2][3].startswith("+10.0")
    assert block.svg.count("<svg") == 2, "a wide and a narrow form"
    assert f'viewBox="0 0 {NARROW_WIDTH} ' in block.svg


def test_what_cannot_be_told_apart_is_said() -> None:
    say = load_words("en")
    equal = baselines_section(with_ladder(made.values(), 0.1, 0.90, 0.6, 0.8, 0.91), say)
    worse = baselines_section(with_ladder(made.values(), 0.1, 0.95, 0.6, 0.8, 0.70), say)
    assert equal is not None
    assert worse is not None
    assert "cannot be told apart" in equal.lead
    assert say("ladder.lead_worse", points=25.0, low=22.0, high=28.0, n=200) == worse.lead
    assert worse.blocks[0].rows[4][3].startswith("−10.0")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_unequal_training_images_are_said_and_not_compared(lang: str) -> None:
    say = load_words(lang)
    some = baselines_section(with_ladder(made.values(), 0.1, 0.5, 0.6, 0.8, 0.9, few=300), say)
    every = baselines_section(with_ladder(made.values(), 0.1, 0.5, 0.6, 0.8, 0.9), say)
    assert some is not None
    assert every is not None
    assert say("ladder.lead_unequal", learnt=300, train=800) == some.lead
    assert say("ladder.some", learnt=300, train=800) in some.blocks[0].note
    assert some.blocks[0].rows[4][3] == "–", "no gain over a model with fewer images"
    assert [row[0] for row in some.blocks[1].rows] == ["150", "300", "800"]
    assert "300" not in every.blocks[0].note
    assert len(every.blocks) == 1


def test_runs_of_earlier_versions_have_none() -> None:
    assert baselines_section(made.values(), load_words("en")) is None


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_was_left_out_is_said_instead_of_a_comparison(lang: str) -> None:
    say = load_words(lang)
    values = with_ladder(made.values(), 0.1, 0.5, 0.6, 0.8, 0.95)
    assert values.ladder is not None
    few = replace(
        values.ladder,
        rungs=(values.ladder.rungs[0], values.ladder.rungs[-1]),
        left_out=("shallow", "random"),
    )
    section = baselines_section(replace(values, ladder=few), say)
    assert section is not None
    assert say("rung.shallow") in section.lead
    assert "--minutes" in section.lead
    assert section.lead in section.blocks[0].note
