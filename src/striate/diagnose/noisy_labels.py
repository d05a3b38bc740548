"""Noisy labels: images that contradict their label, predicted out of sample."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

SURE = 0.95
MOST_NAMED = 3


def check_noisy_labels(values: Values) -> Finding:
    """Count flagged images whose label has a probability below 5 %.

    They are listed for a person to decide and never excluded.
    """
    if not values.doubts:
        return make_finding(
            "noisy_labels",
            "not_applicable",
            "info",
            title="Possible label errors",
            meaning="There is no model on pretrained features to find label errors with.",
        )
    doubtful = [doubt for doubt in values.doubts if doubt.flagged and doubt.doubt >= SURE]
    looked_at = len(values.split.train) + len(values.split.val)
    if doubtful:
        named = [f"{d.path} ({d.label}: {d.suggested}?)" for d in doubtful[:MOST_NAMED]]
        return make_finding(
            "noisy_labels",
            "found",
            "info",
            title="Some labels may be wrong",
            meaning="For {n:,} of {looked_at:,} images, a model that had not seen them gives the "
            "label a probability below 5 %. Either the label is wrong or the image is "
            "hard: {paths}",
            advice="Look at them in the report, correct the wrong labels and run again.",
            figures={
                "n": len(doubtful),
                "looked_at": looked_at,
                "paths": "; ".join([*named, *["…"] * (len(doubtful) > MOST_NAMED)]),
            },
        )
    return make_finding(
        "noisy_labels",
        "passed",
        "info",
        title="Possible label errors",
        meaning="None of {looked_at:,} images strongly contradicts its label.",
        figures={"looked_at": looked_at},
    )


CHECK = Check(code="noisy_labels", run=check_noisy_labels)
