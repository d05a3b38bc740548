"""What forcing cost: measured against the linear model where it is at hand, else said not to be."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made
from tests.learn.made_context import some_context
from tests.strategy.evidences import MACHINE, evidence

from striate.config.overrides import ALLOWED_WORDS, CHOICES, SETTINGS, parse_overrides
from striate.learn import override_cost
from striate.learn.context import FitResult
from striate.learn.override_cost import add_override_cost, ignored_choices, ignored_settings
from striate.strategy.plans import linear_plan, training_plan
from striate.values import Choice, Plan, TrainingOptions, say

N, K = 100, 3
TRUTH = np.arange(N) % K


def right(count: int) -> np.ndarray:
    said = np.where(np.arange(N) < count, TRUTH, (TRUTH + 1) % K)
    return np.eye(K, dtype=np.float32)[said]


def job(strategy: str = "auto", **options: Any) -> Any:
    overrides = parse_overrides(options.pop("set", None))
    settings = TrainingOptions(strategy=strategy, overrides=overrides, **options)
    return some_context(
        labels=TRUTH,
        train=np.arange(N),
        val=np.arange(N),
        groups=np.arange(N),
        options=settings,
        given_plan=None,
    )


def linear(monkeypatch: pytest.MonkeyPatch, count: int) -> Any:
    """A linear model that gets so many validation images right."""
    monkeypatch.setattr(
        override_cost,
        "fit_ridge_on_taps",
        lambda *_: SimpleNamespace(probabilities=lambda _: right(count)),
    )
    table = SimpleNamespace(of=lambda *_: None)
    return SimpleNamespace(table=table, probed=SimpleNamespace(best=SimpleNamespace(taps=())))


def learned(strategy: str, count: int | None) -> FitResult:
    values = made.values(strategy=strategy)
    assert values.evidence is not None
    return FitResult(
        classifier=SimpleNamespace(),
        plan=values.plan,
        evidence=values.evidence,
        history=None,
        val_probabilities=None if count is None else right(count),
    )


def said(found: FitResult) -> list[tuple[str, str]]:
    reasons = found.plan.because
    return [(r.code, r.text) for r in reasons if r.code.startswith("forced.")]


@pytest.mark.parametrize(
    ("count", "code", "points"),
    [(70, "forced.cost", "-10.0 points"), (95, "forced.kept", "+15.0 points")],
)
def test_a_forced_training_is_held_against_the_linear_model(
    monkeypatch: pytest.MonkeyPatch, count: int, code: str, points: str
) -> None:
    found = add_override_cost(job("deep"), linear(monkeypatch, 80), learned("deep", count))
    ((told, text),) = said(found)
    assert told == code
    assert points in text
    assert f"{count} of 100" in text
    assert " to " in text, "an interval stands beside it"


@pytest.mark.parametrize(
    ("at_hand", "count", "code"),
    [(False, 90, "forced.alone"), (True, None, "forced.no_validation")],
)
def test_what_was_not_measured_is_said_not_to_be(
    monkeypatch: pytest.MonkeyPatch, at_hand: bool, count: int | None, code: str
) -> None:
    beside = linear(monkeypatch, 80) if at_hand else None
    found = add_override_cost(job("deep"), beside, learned("deep", count))
    assert said(found)[0][0] == code
    assert "not measured" in said(found)[0][1]


@pytest.mark.parametrize(("accuracy", "code"), [(0.8, "forced.untried"), (1.0, "forced.same")])
def test_a_forced_linear_model_tells_what_a_training_could_win(
    monkeypatch: pytest.MonkeyPatch, accuracy: float, code: str
) -> None:
    model = learned("linear", 80)
    probes = tuple(
        replace(
            probe,
            val_accuracy=made.wilson(accuracy, 100),
            loo_accuracy=made.wilson(accuracy, 100),
        )
        for probe in model.evidence.probes
    )
    model = replace(model, evidence=replace(model.evidence, probes=probes))
    found = add_override_cost(job("linear"), linear(monkeypatch, 80), model)
    assert said(found)[0][0] == code


def test_settings_are_named_as_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = job(set="epochs=3 activation=elu", net="resnet-20")
    ((code, text),) = said(
        add_override_cost(asked, linear(monkeypatch, 80), learned("scratch", 90))
    )
    assert code == "forced.settings"
    assert "activation, epochs, net" in text


def test_nothing_forced_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    model = learned("deep", 90)
    assert add_override_cost(job(), linear(monkeypatch, 80), model) is model


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
