"""Names of a series -> a `--group-pattern` that keeps its neighbours together."""

import re
from collections import Counter
from collections.abc import Sequence

FULLEST_GROUP = 0.25
TOGETHER = 0.5


def pattern_for(paths: Sequence[str], pairs: Sequence[tuple[str, str]], across: bool) -> str:
    """The finest of a few patterns that puts at least half of the `pairs` into one group each.

    Tried are: all of the name before its last number, before its last two, the path without the
    last digit of its number, then without two, three, …, and the number alone without these.
    With `across` the folder, which is the class, is no part of the group. "" where none fits;
    none does that puts over a quarter of the images into one group.
    """
    for pattern in _patterns(across):
        search = re.compile(pattern).search
        groups = {path: found.group(1) for path in paths if (found := search(path))}
        sizes = Counter(group for group in groups.values() if group)
        if not sizes or max(sizes.values()) > FULLEST_GROUP * len(paths):
            continue
        together = sum(bool(groups.get(a)) and groups.get(a) == groups.get(b) for a, b in pairs)
        if together >= TOGETHER * len(pairs):
            return pattern
    return ""


def _patterns(across: bool) -> list[str]:
    lead = "([^/]*" if across else "(.*"
    ending = r"\.\w+$"
    return [
        rf"([^/]*\d[^/\d]+)\d+{ending}",
        rf"([^/]*\d[^/\d]+)\d+[^/\d]+\d+{ending}",
        *(rf"{lead}){digits}{ending}" for digits in DIGITS),
        *(rf"(\d+){digits}{ending}" for digits in DIGITS),
    ]


DIGITS = (r"\d", r"\d\d", r"\d\d\d", r"\d{4}")
