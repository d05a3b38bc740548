"""Every choice of `--set` changes the plan, or a sentence says that it has no effect."""

from dataclasses import replace
from typing import Any

import pytest
from tests.strategy.evidences import MACHINE, evidence

from striate.config.overrides import ALLOWED_WORDS, CHOICES, SETTINGS, parse_overrides
from striate.strategy.ignored_settings import ignored_choices, ignored_settings
from striate.strategy.plans import linear_plan, training_plan
from striate.values import Choice, Plan, TrainingOptions, say

WHY = say("test.why", "so")
OTHER: dict[str, Any] = {
    **{name: 0.37 for name, kind in {**CHOICES, **SETTINGS}.items() if kind is float},
    **{name: 2 for name, kind in {**CHOICES, **SETTINGS}.items() if kind is int},
    "threads": 1,
    "epochs": 7,
    "input_size": 48,
    "kernel_size": 5,
}
NAMES = [*sorted({*CHOICES, *SETTINGS} - {"augment"}), "augment.erase"]


def plan_of(strategy: str, text: str | None) -> Plan:
    options = TrainingOptions(strategy=strategy, overrides=parse_overrides(text))
    choice = Choice(value=strategy, why=WHY, ground="asked")
    if strategy in ("linear", "layers"):
        return linear_plan(evidence(), options, MACHINE, choice)
    epochs = Choice(value=3, why=WHY, ground="measured")
    return training_plan(evidence(), options, MACHINE, choice, epochs)


def other_than(plan: Plan, name: str) -> Any:
    """A value that the plan does not hold."""
    if name in ALLOWED_WORDS:
        held = plan.settings.value if name in SETTINGS else plan
        now = getattr(held, name)
        now = now.value if isinstance(now, Choice) else now
        return next(word for word in ALLOWED_WORDS[name] if word not in (now, "none"))
    return OTHER.get(name, 0.37)


@pytest.mark.parametrize("strategy", ["linear", "layers", "shallow", "deep", "scratch"])
@pytest.mark.parametrize("name", NAMES)
def test_a_choice_is_in_the_plan_or_named_as_idle(strategy: str, name: str) -> None:
    text = f"{name}={other_than(plan_of(strategy, None), name)}"
    plan = plan_of(strategy, text)
    told = ignored_settings(TrainingOptions(overrides=parse_overrides(text)), plan, "label", 100)
    if ignored_choices(TrainingOptions(overrides=parse_overrides(text)), plan):
        assert name in told[0].text
        assert "no effect" in told[0].text
    else:
        assert not told
        field = "settings" if name in SETTINGS else name.partition(".")[0]
        assert getattr(plan, field) != getattr(plan_of(strategy, None), field)
        assert getattr(plan, field).ground == "asked"


@pytest.mark.parametrize(
    ("strategy", "text", "names"),
    [
        ("linear", "preprocess=zca dropout=0.2 balance=weights", ("dropout", "preprocess")),
        ("linear", "resize=crop", ()),
        ("deep", "activation=elu learning_rate=0.01", ("activation",)),
        ("deep", "head=exact alpha=3 interpolation=0.5", ()),
        ("scratch", "l2_sp=10 whiten_eps=0.2 activation=elu", ("l2_sp", "whiten_eps")),
        ("scratch", "preprocess=zca whiten_eps=0.2", ()),
    ],
)
def test_what_is_idle_is_what_the_model_has_no_use_for(
    strategy: str, text: str, names: tuple[str, ...]
) -> None:
    assert (
        ignored_choices(TrainingOptions(overrides=parse_overrides(text)), plan_of(strategy, text))
        == names
    )


@pytest.mark.parametrize("flag", ["race", "remedy"])
def test_a_flag_for_trainings_says_that_nothing_was_trained(flag: str) -> None:
    options = replace(TrainingOptions(), **{flag: True})
    linear, deep = plan_of("linear", None), plan_of("deep", None)
    codes = [
        [sentence.code for sentence in ignored_settings(options, plan, task, n)]
        for plan, task, n in (
            (linear, "label", 50),
            (deep, "label", 0),
            (deep, "number", 50),
            (deep, "label", 50),
        )
    ]
    assert codes == [
        ["forced.idle_untrained"],
        ["forced.idle_validation"],
        ["forced.idle_task"],
        [],
    ]
    gated = replace(linear, because=(say("gate.not_kept", "Trained, and not kept."),))
    assert not ignored_settings(options, gated, "label", 50)
    assert not ignored_settings(TrainingOptions(), linear, "label", 50)


@pytest.mark.parametrize(("strategy", "named"), [("linear", "mine.pt"), ("scratch", "mine.pt")])
def test_weights_that_were_named_and_are_not_used_are_told_of(strategy: str, named: str) -> None:
    options, plan = TrainingOptions(weights=named), plan_of(strategy, None)
    told = ignored_settings(options, plan, "label", 100)
    assert [sentence.code for sentence in told] == ["forced.idle_weights"]
    if strategy != "scratch":
        used = replace(plan, weights=replace(plan.weights, value=named))
        assert not ignored_settings(options, used, "label", 100)
