"""Labels from file names: by a regular expression, or a suggestion for one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from striate.config.patterns import Pattern
from striate.data.layout import SPLIT_NAMES, Layout, looks_like_picture, parse_split_name
from striate.errors import SourceError
from striate.values import Example, Sentence, say

FLAG = "--label-pattern"
UNFIT_REASON = f"{FLAG} does not fit its name"
# Most of the names must be of such a form before it is suggested.
MIN_MATCHING_SHARE = 0.9
LOOKED_AT = 5_000
# A word that ends in a number tells of a class; the number alone, a date or a hash does not.
_FORMS = (r"^(\D+)\.\d+\.", r"^(\D+)_\d+\.", r"^(\D+)-\d+\.", r"^(\D+?) ?\(?\d+\)?\.")


def label_by_pattern(examples: Sequence[Example], pattern: str, source: str) -> Layout:
    """The rows with the label that a pattern finds in them, and the splits of their folders.

    The pattern is looked for in the name of the file; where it holds a `/`, in the path below
    the source, with a `/` before it if need be. Its group `label`, or else its first, is the
    label. What it does not fit is set aside. A first folder named after a split is that split
    where the folder `train` holds labelled images. Raises `SourceError` where it fits nothing.
    """
    found = Pattern(pattern, FLAG)
    labelled = [_label_example(example, found) for example in examples]
    unfit = [example.path for example in labelled if example.reason == UNFIT_REASON]
    if unfit and not any(example.label for example in labelled):
        raise SourceError(
            f"{FLAG} {pattern!r} matches none of the {len(unfit):,} images in {source}, "
            f"such as {unfit[0]}.",
            _pattern_advice(unfit),
        )
    splits = {_first_folder(e.path) for e in labelled if e.status == "used" and e.label}
    given = {parse_split_name(name) for name in splits} - {""}
    if "train" not in given:
        given = set()
    elif given:
        labelled = [
            replace(e, split=split)
            if (split := parse_split_name(_first_folder(e.path))) in given
            else e
            for e in labelled
        ]
        labelled = [_ignore_unsplit(example) for example in labelled]
    notes: tuple[Sentence, ...] = ()
    if unfit:
        note = say(
            "read.pattern_unfit",
            "Images excluded because --label-pattern does not match their names: {n:,}, "
            "such as {path}.",
            n=len(unfit),
            path=unfit[0],
        )
        notes = (note,)
    return Layout(
        examples=tuple(labelled),
        given_splits=tuple(name for name in SPLIT_NAMES if name in given),
        notes=notes,
    )


def suggest_pattern(names: Iterable[str]) -> str:
    """A `--label-pattern` that the file names suggest; "" if none does.

    It matches nearly all images, and gives two labels or more, most of them several times.
    """
    pictures = [name for name in names if looks_like_picture(name)][:LOOKED_AT]
    for form in _FORMS:
        found = [match[1] for name in pictures if (match := re.match(form, name))]
        counts = Counter(found)
        several = sum(n for n in counts.values() if n > 1)
        if len(counts) > 1 and min(len(found), several) >= MIN_MATCHING_SHARE * len(pictures):
            return form
    return ""


def _label_example(example: Example, pattern: Pattern) -> Example:
    if example.status != "used":
        return example
    label = _match_label(example.path, pattern)
    if label:
        return replace(example, label=label)
    if looks_like_picture(example.path):
        return replace(example, status="set_aside", reason=UNFIT_REASON)
    return replace(example, status="ignored", reason="neither a picture's name nor the pattern's")


def _match_label(path: str, pattern: Pattern) -> str:
    if "/" in pattern.text:
        found = pattern.search(path) or pattern.search(f"/{path}")
    else:
        found = pattern.search(path.rpartition("/")[2])
    if not found:
        return ""
    word = found["label"] if "label" in found.re.groupindex else found[1]
    return unicodedata.normalize("NFC", (word or "").strip())


def _first_folder(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def _ignore_unsplit(example: Example) -> Example:
    if example.status != "used" or example.split:
        return example
    return replace(example, label="", status="ignored", reason="stands beside the given splits")


def _pattern_advice(paths: list[str]) -> str:
    suggested = suggest_pattern(path.rpartition("/")[2] for path in paths)
    if suggested:
        return f"Did you mean {FLAG} '{suggested}'?"
    return (
        "The pattern is searched in the file name, or in the whole path if it "
        "contains a /; the first ( ) captures the label."
    )
