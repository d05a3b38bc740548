"""The curves' section: the kept epoch, its band, what the last epoch would have given."""

import re
from dataclasses import replace

import pytest
from tests import made

from striate.diagnose import history_curves, run_curve_checks
from striate.report.language import load_words
from striate.report.learning_curves import learning_curves_section
from striate.values import History, Values


def shown(history: History, lang: str = "en") -> tuple[str, str]:
    values: Values = replace(made.values(classes=3), history=history)
    section = learning_curves_section(values, load_words(lang))
    assert section is not None
    texts = " ".join(block.text for block in section.blocks if block.kind == "text")
    return texts, "".join(block.svg + block.note for block in section.blocks)


LONG = made.made_history(500, 200, 0.8, train_accuracy=0.999, overfit=0.6)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_says_what_is_kept_and_what_the_last_would_have_given(lang: str) -> None:
    texts, drawn = shown(LONG, lang)
    assert str(LONG.kept_epoch) in texts
    assert load_words(lang)("training.band") in drawn


def test_a_short_training_has_no_band() -> None:
    few = replace(LONG, epochs=LONG.epochs[:2], kept_epoch=1)
    _, drawn = shown(few)
    assert load_words("en")("training.band") not in drawn


def test_it_says_that_a_training_was_stopped() -> None:
    planned = replace(LONG, planned_epochs=len(LONG.epochs) + 20)
    assert planned.stopped_early
    stopped = load_words("en")(
        "training.stopped", n=len(LONG.epochs), planned=planned.planned_epochs
    )
    assert stopped in shown(planned)[0]
    assert stopped not in shown(LONG)[0]


def test_without_validation_images_there_is_nothing_to_say() -> None:
    assert shown(replace(LONG, val_images=0))[0] == ""


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_losses_that_ran_away_stay_short(lang: str) -> None:
    epochs = tuple(
        replace(e, train_loss=e.train_loss * 1e300, val_loss=e.val_loss * 1e300)
        for e in LONG.epochs
    )
    values: Values = replace(made.values(classes=3), history=replace(LONG, epochs=epochs))
    section = learning_curves_section(values, load_words(lang))
    assert section is not None
    told = str([(block.text, block.note, block.rows, block.svg) for block in section.blocks])
    assert "e+300" in told
    assert not re.search(r"\d{20}", told)
    for finding in run_curve_checks(history_curves(replace(LONG, epochs=epochs))):
        assert not re.search(
            r"\d{20}", " ".join(load_words(lang).finding(finding)) + finding.meaning
        )
