"""Dead units: most units of a layer output nothing or are saturated."""

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics import intervals
from striate.values import CLOSED_FORM, Figure, Finding, LayerStates, Values


def check_dead_units(values: Values) -> Finding:
    """Apply the check to the layers of the trained network."""
    if values.layers is None or values.plan.strategy.value in CLOSED_FORM:
        return _not_applicable()
    return check_dead_units_layers(values.layers)


def check_dead_units_layers(states: LayerStates) -> Finding:
    """Found if significantly more than half of the units of a layer are dead or saturated.

    Units are treated as a random sample: Wilson's interval at the 99 % level.
    """
    shares = [
        (intervals.wilson(max(state.dead, state.saturated), state.units, CHECK_LEVEL), state)
        for state in states.layers
        if state.kind in ACTIVATIONS and state.units
    ]
    if not shares:
        return _not_applicable()
    share, state = max(shares, key=lambda pair: pair[0].low)
    figures: dict[str, Figure] = {
        "layer": state.layer,
        "share": share.value,
        "units": state.units,
        "images": states.images,
        "layers": sum(s.low > 0.5 for s, _ in shares),
        "of": len(shares),
    }
    if share.low > 0.5 and state.dead >= state.saturated:
        return make_finding(
            "dead_units",
            "found",
            "warning",
            title="Most units of a layer are dead",
            meaning="In layer {layer}, {share:.0%} of the {units} units output 0 for each of "
            "{images} training images and no longer learn. {layers} of {of} layers are "
            "affected.",
            advice="Train again with a third of the learning rate, or with activation=leaky_relu.",
            variant="dead",
            figures=figures,
        )
    if share.low > 0.5:
        return make_finding(
            "dead_units",
            "found",
            "warning",
            title="Most units of a layer are saturated",
            meaning="In layer {layer}, {share:.0%} of the {units} units are saturated on most of "
            "{images} training images: the gradient of their activation is almost zero, "
            "so they hardly learn. {layers} of {of} layers are affected.",
            advice="Train again with smaller initial weights, or with activation=relu.",
            variant="saturated",
            figures=figures,
        )
    return make_finding(
        "dead_units",
        "passed",
        "info",
        title="Dead or saturated units",
        meaning="No layer has a majority of dead or saturated units. Layer {layer} has the most: "
        "{share:.0%} of {units}.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "dead_units",
        "not_applicable",
        "info",
        title="Dead or saturated units",
        meaning="No network was trained by gradient descent, or it has no layers whose units can "
        "die or saturate.",
    )


ACTIVATIONS = ("ReLU", "ReLU6", "Threshold", "Tanh", "Sigmoid", "Hardtanh")

CHECK = Check(code="dead_units", run=check_dead_units)
