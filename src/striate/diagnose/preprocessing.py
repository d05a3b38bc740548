"""Preprocessing: pixel values in another range than the network's weights were trained on."""

import math

from striate.diagnose import Check, make_finding
from striate.values import Figure, Finding, Values


def check_preprocessing(values: Values) -> Finding:
    """Compares what enters the first stage with what its weights remember of their training.

    Only the range can be judged: another mean, another order of the colours or inverted images
    look to the first layer like an unusual set.
    """
    evidence = values.evidence
    if evidence is None or not evidence.shift or values.plan.strategy.value == "scratch":
        return make_finding(
            "preprocessing",
            "not_applicable",
            "info",
            title="Preprocessing fits the weights",
            meaning="There are no weights that remember which images they were trained on.",
        )
    stage, shift = next(iter(evidence.shift.items()))
    figures: dict[str, Figure] = {"stage": stage, "shift": shift, "bar": WIDER, "times": TIMES}
    if not shift <= WIDER:
        return make_finding(
            "preprocessing",
            "found",
            "serious",
            title="Pixel values do not fit the weights",
            meaning="What enters {stage} is {shift:,.0f} nats from what the weights were trained "
            "on; over {bar:.0f} means spread at least {times:.0f} times as wide. Such weights "
            "were trained on pixel values of another range, as 0 to 255 in the place of 0 to 1.",
            advice="Take weights that were trained on inputs like the network's own, or leave "
            "--weights out; striate nets --json says what each network expects.",
            figures=figures,
        )
    return make_finding(
        "preprocessing",
        "passed",
        "info",
        title="Preprocessing fits the weights",
        meaning="What enters {stage} is {shift:.2f} nats from what the weights were trained on; a "
        "wrong range of pixel values would be over {bar:.0f}. Another order of the colours would "
        "not show here.",
        figures=figures,
    )


TIMES = 10.0
# The divergence of two normal distributions with one mean, the one TIMES as wide as the other.
WIDER = 0.5 * (TIMES**2 - 1 - math.log(TIMES**2))

CHECK = Check(code="preprocessing", run=check_preprocessing, every_task=True)
