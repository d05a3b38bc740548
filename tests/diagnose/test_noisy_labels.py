"""Planted doubts are found and named; without any, silence."""

from dataclasses import replace

from tests import made

from striate.diagnose.noisy_labels import CHECK
from striate.values import Doubt


def doubt(row: int, chance: float, flagged: bool = True) -> Doubt:
    return Doubt(
        row=row,
        path=f"{row}.png",
        label="a",
        suggested="b",
        doubt=1 - chance,
        given_probability=chance,
        suggested_probability=0.9,
        flagged=flagged,
    )


def test_doubtful_labels_are_counted_and_named() -> None:
    values = replace(made.values(), doubts=(doubt(3, 0.01), doubt(4, 0.04), doubt(5, 0.3)))
    found = CHECK.run(values)
    assert found.outcome == "found"
    assert found.figures["n"] == 2
    assert "3.png (a: b?)" in found.meaning


def test_hard_images_are_no_doubtful_labels() -> None:
    values = replace(made.values(), doubts=(doubt(3, 0.3), doubt(4, 0.01, flagged=False)))
    assert CHECK.run(values).outcome == "passed"


def test_without_a_pretrained_network_nothing_is_said() -> None:
    assert CHECK.run(made.values()).outcome == "not_applicable"
