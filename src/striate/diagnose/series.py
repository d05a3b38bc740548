"""Series: images in a row that are more alike than chance, as bursts and video frames are."""

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values


def check_split_series(values: Values) -> Finding:
    """Tells what the order of the file names said when the images were shared out."""
    codes = ("split.series", "split.series_unnamed")
    told = next((note for note in values.split.notes if note.code in codes), None)
    if told is not None:
        return make_finding(
            "series",
            "found",
            "warning",
            title="Images in a row look like a series",
            meaning="Of {n:,} images, {share:.1%} have their nearest look-alike within 3 places by "
            "name; by chance {chance:.1%}. Frames of one burst or video on both sides of the "
            "split make the accuracy look better than it is.",
            advice="Name what belongs together: --group-pattern '{pattern}'."
            if told.figures.get("pattern")
            else "Name what belongs together, in a table with a column group.",
            variant="pattern" if told.figures.get("pattern") else "table",
            figures=told.figures,
        )
    return make_finding(
        "series",
        "passed",
        "info",
        title="No series",
        meaning="Images that follow each other by name are no more alike than others, or what "
        "belongs together has been named.",
    )


CHECK = Check(code="series", run=check_split_series)
