"""Dead units: most of a layer gives nothing, or stands at the flat end of its curve."""

from striate.diagnose import CHECK_LEVEL, Check, make_finding
from striate.metrics import intervals
from striate.values import CLOSED_FORM, Figure, Finding, LayerStates, Values


def check_dead_units(values: Values) -> Finding:
    """Asks the layers of what was trained."""
    if values.layers is None or values.plan.strategy.value in CLOSED_FORM:
        return _not_applicable()
    return check_dead_units_layers(values.layers)


def check_dead_units_layers(states: LayerStates) -> Finding:
    """Found where surely more than half of the units of some layer are dead or saturated.

    Units are counted as drawn from all that such a layer might have: Wilson at the 99 % level.
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
            meaning="In {layer}, {share:.0%} of {units} units give 0 for every one of {images} "
            "training images, and so learn nothing; so it is in {layers} of {of} layers.",
            advice="Train anew with a third of the learning rate, or with activation=leaky_relu.",
            variant="dead",
            figures=figures,
        )
    if share.low > 0.5:
        return make_finding(
            "dead_units",
            "found",
            "warning",
            title="Most units of a layer are saturated",
            meaning="In {layer}, {share:.0%} of {units} units stand at the flat ends of their "
            "curve most of the time, on {images} training images, and so learn next to nothing; "
            "so it is in {layers} of {of} layers.",
            advice="Train anew with smaller first weights, or with activation=relu.",
            variant="saturated",
            figures=figures,
        )
    return make_finding(
        "dead_units",
        "passed",
        "info",
        title="Living units",
        meaning="In no layer are most units dead or saturated; the most are in {layer}, "
        "{share:.0%} of {units}.",
        figures=figures,
    )


def _not_applicable() -> Finding:
    return make_finding(
        "dead_units",
        "not_applicable",
        "info",
        title="Living units",
        meaning="No network was trained by steps, or it has no layers whose units can die.",
    )


ACTIVATIONS = ("ReLU", "ReLU6", "Threshold", "Tanh", "Sigmoid", "Hardtanh")

CHECK = Check(code="dead_units", run=check_dead_units)
