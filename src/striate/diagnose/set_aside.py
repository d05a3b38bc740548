"""Set aside: files that could not be read, and whether they could change the number."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values


def check_set_aside(values: Values) -> Finding:
    """Weighs the files set aside against the width of the stated interval."""
    counts, score = values.summary.images, values.summary.test
    if not counts.set_aside:
        return make_finding(
            "set_aside",
            "passed",
            "info",
            title="Files set aside",
            meaning="All {n:,} image files could be read.",
            figures={"n": counts.used},
        )
    share = counts.set_aside / (counts.set_aside + counts.used)
    if values.index.task != "label":
        return make_finding(
            "set_aside",
            "found",
            "info",
            title="Some files could not be used",
            meaning="{n:,} of {all:,} image files ({share:.2%}) could not be used and took no "
            "part.",
            advice="They are listed below and in index.csv with their reasons.",
            variant="plain",
            figures={
                "n": counts.set_aside,
                "all": counts.set_aside + counts.used,
                "share": share,
            },
        )
    slack = 0.0 if score is None else score.value - score.interval[0]
    # Were the model wrong on every one of them, the accuracy would fall by up to this share.
    grave = share > slack
    return make_finding(
        "set_aside",
        "found",
        "warning" if grave else "info",
        title="Some files could not be read",
        meaning="{n:,} of {all:,} image files ({share:.2%}) could not be read and took no part. "
        + (
            "Were it wrong on all of them, the accuracy would fall out of its interval."
            if grave
            else "They are too few to move the accuracy out of its interval."
        ),
        advice="They are listed below and in index.csv with their reasons.",
        variant="grave" if grave else "few",
        figures={"n": counts.set_aside, "all": counts.set_aside + counts.used, "share": share},
    )


CHECK = Check(code="set_aside", run=check_set_aside, every_task=True)
