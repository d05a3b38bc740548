"""Preprocessing: pixel values in another range than the weights were trained on."""

import math

from striate.diagnose import Check, make_finding
from striate.values import Figure, Finding, Values


def check_preprocessing(values: Values) -> Finding:
    """Compare the inputs of the first stage with the batch statistics stored in the weights.

    Only the range can be tested: another mean, another order of the colour channels or inverted
    images look to the first layer like an unusual data set.
    """
    evidence = values.evidence
    if evidence is None or not evidence.shift or values.plan.strategy.value == "scratch":
        return make_finding(
            "preprocessing",
            "not_applicable",
            "info",
            title="Preprocessing fits the weights",
            meaning="No pretrained weights with stored batch statistics are used.",
        )
    stage, shift = next(iter(evidence.shift.items()))
    figures: dict[str, Figure] = {"stage": stage, "shift": shift, "bar": WIDER, "times": TIMES}
    if not shift <= WIDER:
        return make_finding(
            "preprocessing",
            "found",
            "serious",
            title="Pixel values do not fit the weights",
            meaning="The inputs of {stage} differ by {shift:,.0f} nats from those the weights "
            "were trained on. More than {bar:.0f} means a spread at least {times:.0f} "
            "times as wide: the weights were trained on another range of pixel values, "
            "such as 0 to 255 instead of 0 to 1.",
            advice="Use weights trained with the network's own preprocessing, or leave out "
            "--weights. striate nets --json shows what each network expects.",
            figures=figures,
        )
    return make_finding(
        "preprocessing",
        "passed",
        "info",
        title="Preprocessing fits the weights",
        meaning="The inputs of {stage} differ by {shift:.2f} nats from those the weights were "
        "trained on; a wrong range of pixel values would give more than {bar:.0f}. A "
        "wrong order of the colour channels cannot be detected this way.",
        figures=figures,
    )


TIMES = 10.0
# The divergence of two normal distributions with one mean, the one TIMES as wide as the other.
WIDER = 0.5 * (TIMES**2 - 1 - math.log(TIMES**2))

CHECK = Check(code="preprocessing", run=check_preprocessing, every_task=True)
