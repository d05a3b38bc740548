"""What forcing cost: measured against the linear model where it is at hand, else said not to be."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests import made
from tests.learn.made_context import some_context

from striate.config.overrides import parse_overrides
from striate.learn import override_cost
from striate.learn.context import FitResult
from striate.learn.override_cost import add_override_cost
from striate.values import TrainingOptions

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
