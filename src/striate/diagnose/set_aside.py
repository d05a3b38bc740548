"""Excluded files: files that could not be read, and whether they affect the accuracy."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values


def check_set_aside(values: Values) -> Finding:
    """Compare the share of excluded files with the width of the accuracy's interval."""
    counts, score = values.summary.images, values.summary.test
    if not counts.set_aside:
        return make_finding(
            "set_aside",
            "passed",
            "info",
            title="Excluded files",
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
            meaning="{n:,} of {all:,} image files ({share:.2%}) could not be used and were "
            "excluded.",
            advice="They and the reasons are listed below and in index.csv.",
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
        meaning="{n:,} of {all:,} image files ({share:.2%}) could not be read and were excluded. "
        + (
            "If all of them were misclassified, the accuracy would fall below its interval."
            if grave
            else "Even if all of them were misclassified, the accuracy would stay in its interval."
        ),
        advice="They and the reasons are listed below and in index.csv.",
        variant="grave" if grave else "few",
        figures={"n": counts.set_aside, "all": counts.set_aside + counts.used, "share": share},
    )


CHECK = Check(code="set_aside", run=check_set_aside, every_task=True)
