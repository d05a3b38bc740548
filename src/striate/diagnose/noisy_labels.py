"""Noisy labels: images that speak against their label, judged without having been learnt."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

SURE = 0.95
MOST_NAMED = 3


def check_noisy_labels(values: Values) -> Finding:
    """Counts flagged images whose label has less than one chance in twenty.

    Whether a label is wrong is for a person to say; so many are only named, never taken out.
    """
    if not values.doubts:
        return make_finding(
            "noisy_labels",
            "not_applicable",
            "info",
            title="Doubtful labels",
            meaning="No model on pretrained features was at hand to doubt labels with.",
        )
    doubtful = [doubt for doubt in values.doubts if doubt.flagged and doubt.doubt >= SURE]
    looked_at = len(values.split.train) + len(values.split.val)
    if doubtful:
        named = [f"{d.path} ({d.label}: {d.suggested}?)" for d in doubtful[:MOST_NAMED]]
        return make_finding(
            "noisy_labels",
            "found",
            "info",
            title="Some labels are doubtful",
            meaning="For {n:,} of {looked_at:,} images a model that did not learn from them gives "
            "their label less than 5 %. They are wrong labels, or hard images: {paths}",
            advice="Look at them in the report; mend those that are wrong, and run again.",
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
        title="Doubtful labels",
        meaning="None of {looked_at:,} images speaks strongly against its label.",
        figures={"looked_at": looked_at},
    )


CHECK = Check(code="noisy_labels", run=check_noisy_labels)
