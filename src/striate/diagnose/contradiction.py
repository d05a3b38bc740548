"""Contradiction: the same picture under two labels."""

from collections import defaultdict

from striate.diagnose import Check, finding
from striate.values import Finding, Values

NAMED = 3


def run(values: Values) -> Finding:
    """Looks for equal pixels, or equal bytes, with different labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    paths: dict[str, list[str]] = defaultdict(list)
    for example in values.index.examples:
        picture = example.pixels_hash or example.bytes_hash
        if example.status == "used" and picture:
            labels[picture].add(example.label)
            paths[picture].append(example.path)
    torn = [picture for picture, names in labels.items() if len(names) > 1]
    if torn:
        shown = "; ".join(" = ".join(paths[picture][:2]) for picture in torn[:NAMED])
        return finding(
            "contradiction",
            "found",
            "warning",
            title="The same picture has two labels",
            meaning="{n:,} pictures stand under more than one label, so one of the labels is "
            "wrong: {paths}.",
            advice="Keep each picture under one label only.",
            figures={"n": len(torn), "paths": shown + " …" * (len(torn) > NAMED)},
        )
    return finding(
        "contradiction",
        "passed",
        "info",
        title="One label a picture",
        meaning="No picture stands under two labels.",
    )


CHECK = Check(code="contradiction", run=run, every_task=True)
