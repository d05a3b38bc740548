"""The checks of layers fire on planted faults and are silent on healthy layers."""

import math

import pytest

from striate.diagnose import dead_units, gradients
from striate.values import LayerState, LayerStates


def states(
    *, dead: int = 0, saturated: int = 0, factor: float = 1.0, layers: int = 6
) -> LayerStates:
    """Layers in pairs; the gradient grows by `factor` from each to the next."""
    found = []
    for k in range(layers):
        wobble = 1.3 if k % 2 else 0.8
        gradient = 0.01 * factor**k * wobble
        found.append(
            LayerState(layer=f"c{k}", kind="Conv2d", units=32, weight=2.0, gradient=gradient)
        )
        kind = "Tanh" if saturated else "ReLU"
        at = k == 2
        found.append(
            LayerState(layer=f"a{k}", kind=kind, units=32, dead=dead * at, saturated=saturated * at)
        )
    return LayerStates(images=64, loss=0.5, layers=tuple(found))


def test_healthy_layers_hear_nothing() -> None:
    assert dead_units.check_dead_units_layers(states(dead=10)).outcome == "passed"
    assert gradients.check_gradients_layers(states()).outcome == "passed"
    assert gradients.check_gradients_layers(states(factor=1.8)).outcome == "passed"


@pytest.mark.parametrize(
    ("kind", "given"), [("dead", {"dead": 30}), ("saturated", {"saturated": 30})]
)
def test_a_layer_that_does_nothing_is_named(kind: str, given: dict[str, int]) -> None:
    finding = dead_units.check_dead_units_layers(states(**given))
    assert (finding.outcome, finding.variant) == ("found", kind)
    assert finding.figures["layer"] == "a2"


@pytest.mark.parametrize(("factor", "variant"), [(10.0, "vanishing"), (0.1, "exploding")])
def test_gradients_that_fade_or_swell(factor: float, variant: str) -> None:
    finding = gradients.check_gradients_layers(states(factor=factor))
    assert (finding.outcome, finding.variant) == ("found", variant)


def test_a_gradient_that_is_no_number_explodes() -> None:
    assert gradients.check_gradients_layers(states(factor=math.nan)).variant == "exploding"


def test_without_layers_nothing_is_judged() -> None:
    assert dead_units.check_dead_units_layers(states(layers=0)).outcome == "not_applicable"
    assert gradients.check_gradients_layers(states(layers=2)).outcome == "not_applicable"
