"""Series: neighbouring file names with similar images, as in bursts and video frames."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values


def check_split_series(values: Values) -> Finding:
    """Report whether images with neighbouring names were found to be similar at the split."""
    codes = ("split.series", "split.series_unnamed")
    told = next((note for note in values.split.notes if note.code in codes), None)
    if told is not None:
        return make_finding(
            "series",
            "found",
            "warning",
            title="Neighbouring images look like bursts or video frames",
            meaning="Of {n:,} images, {share:.1%} have their most similar image within 3 places "
            "by file name; by chance it would be {chance:.1%}. If frames of one burst or video "
            "are in different splits, the measured accuracy is too high.",
            advice="State which images form a group: --group-pattern '{pattern}'."
            if told.figures.get("pattern")
            else "State which images form a group, in a table with the column group.",
            variant="pattern" if told.figures.get("pattern") else "table",
            figures=told.figures,
        )
    return make_finding(
        "series",
        "passed",
        "info",
        title="Bursts and video frames",
        meaning="Images with neighbouring file names are no more alike than others, or their "
        "groups were given.",
    )


CHECK = Check(code="series", run=check_split_series)
