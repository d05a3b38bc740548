"""Contradiction: the same image under two labels."""

from collections import defaultdict

from striate.diagnose import Check, make_finding
from striate.values import Finding, Values

MOST_NAMED = 3
# With so many images under several labels no other finding explains the accuracy before this one.
SERIOUS_SHARE = 0.1


def check_contradiction(values: Values) -> Finding:
    """Find equal pixels, or equal bytes, with different labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    paths: dict[str, list[str]] = defaultdict(list)
    for example in values.index.examples:
        picture = example.pixels_hash or example.bytes_hash
        if example.status == "used" and picture:
            labels[picture].add(example.label)
            paths[picture].append(example.path)
    used = sum(example.status == "used" for example in values.index.examples)
    torn = [picture for picture, names in labels.items() if len(names) > 1]
    if torn:
        shown = "; ".join(" = ".join(paths[picture][:2]) for picture in torn[:MOST_NAMED])
        return make_finding(
            "contradiction",
            "found",
            "serious" if sum(len(paths[p]) for p in torn) >= SERIOUS_SHARE * used else "warning",
            title="The same image has two labels",
            meaning="Images that occur under more than one label: {n:,}. At least one label of "
            "each is wrong: {paths}.",
            advice="Keep each image under one label only.",
            figures={"n": len(torn), "paths": shown + " …" * (len(torn) > MOST_NAMED)},
        )
    return make_finding(
        "contradiction",
        "passed",
        "info",
        title="Contradictory labels",
        meaning="No image occurs under two labels.",
    )


CHECK = Check(code="contradiction", run=check_contradiction, every_task=True)
