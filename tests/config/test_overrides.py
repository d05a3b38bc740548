"""What --set asks for reaches the plan; what it cannot mean is told whole."""

from typing import Any, get_args, get_type_hints

import pytest
from tests import made

from striate.config.overrides import ALLOWED_WORDS, CHOICES, SETTINGS, parse_overrides
from striate.config.settings import check_settings
from striate.errors import UsageError
from striate.nets import _layers
from striate.train import batch_source, initialise, optimizer, schedule
from striate.values import Plan

PLAN = made.made_plan(("a", "b"), "scratch", 32)


def test_choices_and_settings_are_replaced_and_say_who_asked() -> None:
    plan = PLAN
    found = parse_overrides(
        "activation=elu kernel_size=5, learning_rate=0.1 optimizer=adamw"
    ).apply(plan)
    assert found.settings.value.activation == "elu"
    assert found.settings.value.kernel_size == 5
    assert found.settings.value.depth == plan.settings.value.depth
    assert found.learning_rate.value == 0.1
    assert {found.settings.ground, found.optimizer.ground} == {"asked"}
    assert found.epochs == plan.epochs


def test_augmentations_are_set_one_by_one_or_taken_away() -> None:
    plan = parse_overrides("augment=none augment.flip=1 augment.noise=0").apply(PLAN)
    assert plan.augment.value == {"flip": 1.0}
    assert parse_overrides("augment=none").apply(plan).augment.value == {}


def test_nothing_asked_nothing_changed() -> None:
    plan = PLAN
    assert parse_overrides(None).apply(plan) is plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("activation=leaky_rel", "did you mean leaky_relu"),
        ("kernel_sise=3", "did you mean kernel_size"),
        ("kernel_size=three", "not a whole number"),
        ("kernel_size=0", "must be between 1 and 15"),
        ("learning_rate=-1", "must be at least 0"),
        ("learning_rate=nan", "must"),
        ("label_smoothing=1.5", "between 0 and 0.99"),
        ("depth", "NAME=VALUE"),
        ("strategy=deep", "not a setting of the plan"),
        ("augment=flip", "not a setting of the plan"),
        ("augment.flip=much", "not a number"),
    ],
)
def test_what_cannot_be_meant(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_overrides(text)


def test_every_fault_stands_in_one_message() -> None:
    with pytest.raises(UsageError) as caught:
        check_settings({"set": "depth=x pool=min", "minutes": 0.1})
    assert len(caught.value.sentence.splitlines()) == 3


def test_the_words_are_those_that_the_rooms_know() -> None:
    known: dict[str, Any] = {
        "optimizer": optimizer.OPTIMIZERS,
        "schedule": schedule.SCHEDULES,
        "initialisation": initialise.METHODS,
        "mix": {"none": None, **batch_source.MIXES},
        "activation": _layers.ACTIVATIONS,
        "normalisation": _layers.NORMALISATIONS,
        "pool": _layers.POOLINGS,
        "padding": dict.fromkeys(_layers.PADDINGS),
    }
    for name, words in known.items():
        assert set(ALLOWED_WORDS[name]) == set(words), name


def test_every_simple_choice_of_a_plan_can_be_set() -> None:
    hints = get_type_hints(Plan)
    simple = {n for n, h in hints.items() if get_args(h) and get_args(h)[0] in (int, float, str)}
    # Those with flags of their own, and where the clock ended a training.
    elsewhere = {"strategy", "net", "weights", "classes", "steps"}
    assert simple - elsewhere == set(CHOICES) - {"augment"}
    assert not set(SETTINGS) & set(CHOICES)


def test_whether_the_augmentation_is_asked_for() -> None:
    assert parse_overrides("depth=2 augment.flip=0").touches("augment")
    assert parse_overrides("augment=none").touches("augment")
    assert not parse_overrides("depth=2").touches("augment")
    assert not parse_overrides(None).touches("augment")


def test_a_rate_to_be_found_is_left_to_the_search() -> None:
    assert parse_overrides("learning_rate=find epochs=3").wants_lr_range_test
    assert not parse_overrides("learning_rate=0.1").wants_lr_range_test
    assert not parse_overrides(None).wants_lr_range_test
    before = PLAN
    after = parse_overrides("learning_rate=find epochs=3").apply(before)
    assert after.learning_rate == before.learning_rate
    assert after.epochs.value == 3


def test_choices_settings_and_strengths_are_told_apart() -> None:
    asked = parse_overrides("depth=2 augment.flip=1 epochs=3")
    assert (asked.choices, asked.settings, asked.strengths) == (
        {"epochs": 3},
        {"depth": 2},
        {"flip": 1.0},
    )
    assert set(asked.names) == {"depth", "augment.flip", "epochs"}
    assert not parse_overrides(None).names
