"""Vanishing or exploding gradients over the depth of the network."""

import math

import numpy as np

from striate.diagnose import Check, make_finding
from striate.metrics import curve_smoothing
from striate.values import CLOSED_FORM, Figure, Finding, LayerStates, Values


def check_gradients(values: Values) -> Finding:
    """Apply the check to the layers of the trained network."""
    if values.layers is None or values.plan.strategy.value in CLOSED_FORM:
        return _not_applicable()
    return check_gradients_layers(values.layers)


def check_gradients_layers(states: LayerStates) -> Finding:
    """Compare the gradient relative to the weights between the last and the first layer.

    The slope of its logarithm over the layers, with its standard error, gives the factor over the
    whole depth. Found if that factor significantly exceeds `DECADES_APART`.
    """
    weighted = [state for state in states.layers if state.weight > 0]
    if len(weighted) < MIN_LAYERS or not any(state.gradient > 0 for state in weighted):
        return _not_applicable()
    if not all(math.isfinite(state.gradient) for state in weighted):
        return _exploding_finding(
            {"first": weighted[0].layer, "factor": math.inf, "layers": len(weighted)}
        )
    # A gradient of exactly 0 is below all that float32 can tell.
    shares = np.array([max(state.gradient / state.weight, 1e-38) for state in weighted])
    slope, error = curve_smoothing.fit_slope(np.log10(shares))
    way = len(weighted) - 1
    figures: dict[str, Figure] = {
        "first": weighted[0].layer,
        "factor": 10 ** abs(slope * way),
        "layers": len(weighted),
    }
    if curve_smoothing.is_significant(slope * way - DECADES_APART, error * way):
        return make_finding(
            "gradients",
            "found",
            "warning",
            title="Vanishing gradients",
            meaning="From the last of {layers} layers to the first ({first}), the gradient "
            "relative to the weights shrinks by a factor of {factor:.2g}. The first "
            "layers hardly learn.",
            advice="Use normalisation=batch, activation=relu, or fewer layers.",
            variant="vanishing",
            figures=figures,
        )
    if curve_smoothing.is_significant(-slope * way - DECADES_APART, error * way):
        return _exploding_finding(figures)
    return make_finding(
        "gradients",
        "passed",
        "info",
        title="Vanishing or exploding gradients",
        meaning="Over {layers} layers, the gradient relative to the weights changes by a factor "
        "of {factor:.2g} only: the first layers learn about as fast as the last.",
        figures=figures,
    )


def _exploding_finding(figures: dict[str, Figure]) -> Finding:
    return make_finding(
        "gradients",
        "found",
        "warning",
        title="Exploding gradients",
        meaning="From the last of {layers} layers to the first ({first}), the gradient relative "
        "to the weights grows by a factor of {factor:.2g}. No single learning rate suits "
        "all layers.",
        advice="Use normalisation=batch, smaller initial weights, or clip=1.",
        variant="exploding",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "gradients",
        "not_applicable",
        "info",
        title="Vanishing or exploding gradients",
        meaning="No network of several layers was trained by gradient descent, or all its "
        "gradients are zero.",
    )


# Decades over the whole way: healthy networks stay below (docs/LOG.md, 2026-11-24).
DECADES_APART = 2.0
MIN_LAYERS = 4

CHECK = Check(code="gradients", run=check_gradients)
