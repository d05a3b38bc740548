"""A plan holds what was measured, and says so."""

from dataclasses import replace

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.config.overrides import parse_overrides
from striate.strategy.plans import linear_plan, training_plan
from striate.values import BalanceGain, Choice, CopyGain, Plan, TrainingOptions, say


def test_mirroring_is_added_where_it_was_measured_to_help() -> None:
    gain = CopyGain(
        helps=True, gain=0.05, error=0.01, log_loss=0.4, right_plain=80, right_mirrored=85, n=100
    )
    epochs = Choice(value=3, why=say("test.epochs", "three"), ground="measured")
    strategy = Choice(value="scratch", why=say("test.scratch", "so"), ground="measured")
    found = {}
    for name, flips in (("none", None), ("helps", gain), ("not", replace(gain, helps=False))):
        measured = replace(evidence(), flips=flips)
        plan = training_plan(measured, TrainingOptions(), MACHINE, strategy, epochs)
        found[name] = plan.augment
        assert plan.views.value == (2 if name == "helps" else 1)
    assert "flip" not in found["none"].value
    assert found["helps"].value == {**found["none"].value, "flip": 1.0}
    assert found["helps"].ground == found["not"].ground == "measured"
    assert found["not"].value == found["none"].value
    assert "0.050" in found["not"].why.text


@pytest.mark.parametrize("flips", [True, False])
@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize("trained", ["deep", "scratch"])
def test_each_kind_of_copy_is_used_where_it_helps(flips: bool, turns: bool, trained: str) -> None:
    gain = CopyGain(
        helps=True, gain=0.05, error=0.01, log_loss=0.4, right_plain=80, right_mirrored=85, n=100
    )
    measured = replace(
        evidence(),
        flips=replace(gain, helps=flips),
        rotations=replace(gain, helps=turns, gain=0.07),
    )
    epochs = Choice(value=3, why=say("test.epochs", "three"), ground="measured")
    strategy = Choice(value=trained, why=say("test.scratch", "so"), ground="measured")
    found = training_plan(measured, TrainingOptions(), MACHINE, strategy, epochs).augment
    assert ("flip" in found.value, "rotate" in found.value) == (flips, turns and trained == "deep")
    assert found.ground == "measured"
    assert found.why.code.endswith("_scratch") == (turns and trained == "scratch")
    assert "0.050 ± 0.010" in found.why.text
    assert "0.070 ± 0.010" in found.why.text


def test_class_weights_are_taken_where_they_were_measured_to_help() -> None:
    gain = BalanceGain(
        helps=True,
        harms=False,
        gain=0.1,
        error=0.02,
        balanced_plain=0.7,
        balanced_weighted=0.8,
        accuracy_plain=0.9,
        accuracy_weighted=0.91,
        log_loss_plain=0.3,
        log_loss_weighted=0.3,
        n=100,
    )
    why = Choice(value="linear", why=say("test.linear", "so"), ground="measured")
    epochs = Choice(value=3, why=say("test.epochs", "three"), ground="measured")
    for balance, value in ((gain, "weights"), (replace(gain, helps=False), "none"), (None, "none")):
        measured = replace(evidence(), balance=balance)
        linear = linear_plan(measured, TrainingOptions(), MACHINE, why).balance
        deep = replace(why, value="deep")
        trained = training_plan(measured, TrainingOptions(), MACHINE, deep, epochs).balance
        assert linear == trained
        assert linear.value == value
        assert linear.ground == ("measured" if balance else "convention")
        assert ("70.0%" in linear.why.text) == bool(balance)
        asked = linear_plan(
            measured,
            TrainingOptions(overrides=parse_overrides("balance=sampling dropout=0.5")),
            MACHINE,
            why,
        )
        assert (asked.balance.value, asked.balance.ground) == ("sampling", "asked")
        assert asked.dropout.value == 0.0


def _trained(strategy: str, asked: str | None = None) -> Plan:
    chosen = Choice(value=strategy, why=say("test.strategy", "so"), ground="measured")
    epochs = Choice(value=3, why=say("test.epochs", "three"), ground="measured")
    return training_plan(
        evidence(), TrainingOptions(overrides=parse_overrides(asked)), MACHINE, chosen, epochs
    )


def test_preprocessing_is_by_channel_unless_asked_and_its_reason_is_told() -> None:
    plan = _trained("scratch")
    assert plan.preprocess.value == "normalise"
    assert plan.preprocess.why.code == "plan.preprocess"
    assert plan.whiten_eps.why.code == "plan.no_whitening"
    asked = _trained("scratch", "preprocess=zca whiten_components=50")
    assert (asked.preprocess.value, asked.preprocess.ground) == ("zca", "asked")
    assert (asked.whiten_components.value, asked.whiten_components.ground) == (50, "asked")
    assert (asked.whiten_eps.value, asked.whiten_eps.ground) == (0.1, "paper")


def test_a_pretrained_network_keeps_its_own_preprocessing() -> None:
    linear = Choice(value="linear", why=say("test.linear", "so"), ground="measured")
    options = TrainingOptions(overrides=parse_overrides("preprocess=zca"))
    plans = (
        _trained("deep", "preprocess=zca"),
        _trained("shallow"),
        linear_plan(evidence(), options, MACHINE, linear),
    )
    for plan in plans:
        assert plan.preprocess.value == "own"
        assert plan.preprocess.ground == "convention"


def test_channels_and_resizing_stand_in_the_plan_with_a_reason() -> None:
    codes = {}
    for channels in (1, 3, 5):
        measured = replace(evidence(), channels=channels)
        for name in ("scratch", "deep"):
            strategy = Choice(value=name, why=say("test.strategy", "so"), ground="measured")
            plan = training_plan(measured, TrainingOptions(), MACHINE, strategy, strategy)
            assert plan.channels.value == channels
            codes[channels, name] = plan.channels.why.code
    assert codes[1, "scratch"] == "plan.channels_grey"
    assert codes[1, "deep"] == "plan.channels_repeated"
    assert codes[3, "scratch"] == codes[3, "deep"] == "plan.channels_colour"
    assert codes[5, "scratch"] == "plan.channels_many"
    assert codes[5, "deep"] == "plan.channels_adapted"
    linear = Choice(value="linear", why=say("test.linear", "so"), ground="measured")
    plan = linear_plan(replace(evidence(), square=True), TrainingOptions(), MACHINE, linear)
    assert (plan.resize.value, plan.resize.why.code) == ("squash", "plan.resize_square")
    asked = TrainingOptions(overrides=parse_overrides("resize=pad channels=4"))
    plan = linear_plan(replace(evidence(), resize="pad"), asked, MACHINE, linear)
    assert (plan.resize.value, plan.resize.ground) == ("pad", "asked")
    assert (plan.channels.value, plan.channels.ground) == (4, "asked")


def test_the_weights_of_the_network_that_was_probed_are_part_of_the_plan() -> None:
    asked = Choice(value="deep", why=say("a", "b"), ground="measured")
    epochs = Choice(value=3, why=say("a", "b"), ground="measured")
    from_file = replace(evidence(), weights="mine.pt")
    plan = training_plan(from_file, TrainingOptions(), MACHINE, asked, epochs)
    assert (plan.weights.value, plan.weights.ground) == ("mine.pt", "asked")
    assert training_plan(evidence(), TrainingOptions(), MACHINE, asked, epochs).weights.value == ""
    scratch = replace(asked, value="scratch")
    plan = training_plan(from_file, TrainingOptions(), MACHINE, scratch, epochs)
    assert (plan.weights.value, plan.weights.why.code) == ("", "plan.no_weights")
