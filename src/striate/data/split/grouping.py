"""Groups by a regular expression on the paths."""

from collections import defaultdict
from dataclasses import replace

from striate.config.patterns import CLASS, Pattern
from striate.data.columns import BOX_SETTINGS
from striate.errors import SourceError
from striate.values import Example, Index, ReadingOptions, Sentence, say

FLAG = "--group-pattern"


def set_groups(index: Index, options: ReadingOptions) -> Index:
    """The index with `group` set by `options.group_pattern`, where there is one.

    The pattern is looked for in the path of every image, relative to the source; what it
    captures, joined, is the group. `{class}` in it stands for the image's class, which then is
    a part of the group. An image that it does not fit stands alone. Raises `SourceError` where
    it fits none, or where all images are of one group.
    """
    if options.group_pattern is not None:
        index = _group_by_pattern(index, options.group_pattern)
    used = [example for example in index.examples if example.status == "used"]
    names = {example.group for example in used}
    if not names - {""}:
        return index
    if len(names) == 1:
        raise SourceError(
            f"All {len(used):,} images in {index.name} are in one group, {names.pop()}, "
            "so no test split is possible.",
            "Give several groups, such as patients, writers or videos.",
        )
    return replace(index, notes=(*index.notes, *_group_notes(used, options.group_pattern)))


def set_evaluation_groups(index: Index, pattern: str | None) -> Index:
    """The index with the groups that the pattern of an earlier run finds in its paths, if any."""
    if pattern is None:
        return index
    found = Pattern(pattern, FLAG)
    images = _source_images(index, found)
    examples = tuple(
        replace(e, group=images.get(e.group) or _captured_group(e, found) or e.group)
        for e in index.examples
    )
    return replace(index, examples=examples)


def _group_by_pattern(index: Index, pattern: str) -> Index:
    found = Pattern(pattern, FLAG)
    images = _source_images(index, found)
    examples = tuple(
        e
        if e.status == "ignored"
        else replace(e, group=images.get(e.group) or _captured_group(e, found))
        for e in index.examples
    )
    used = [example for example in examples if example.status == "used"]
    if used and not any(example.group for example in used):
        raise SourceError(
            f"--group-pattern {pattern!r} matches none of the {len(used):,} paths in "
            f"{index.name}, such as {used[0].path}.",
            "The pattern is searched anywhere in the path; its ( ) captures the group.",
        )
    return replace(index, examples=examples)


def _source_images(index: Index, pattern: Pattern) -> dict[str, str]:
    """The group of every image that boxes were cut from: boxes of one image stay together."""
    if index.kind not in BOX_SETTINGS:
        return {}
    groups: dict[str, str] = {}
    for example in index.examples:
        image = example.group
        if image and image not in groups:
            groups[image] = _captured_group(replace(example, path=image), pattern) or image
    return groups


def _captured_group(example: Example, pattern: Pattern) -> str:
    found = pattern.search(example.path, example.label)
    captured = [part or "" for part in found.groups()] if found else []
    if not any(captured):
        return ""
    return "/".join([example.label, *captured] if CLASS in pattern.text else captured)


def _group_notes(used: list[Example], pattern: str | None) -> list[Sentence]:
    sizes: dict[str, int] = defaultdict(int)
    for example in used:
        sizes[example.group] += 1
    alone = sizes.pop("", 0)
    notes = [
        say(
            "read.groups",
            "{groups:,} groups of {least:,} to {most:,} images; each group is in one split only.",
            groups=len(sizes),
            least=min(sizes.values()),
            most=max(sizes.values()),
        )
    ]
    if alone:
        first = next(example.path for example in used if not example.group)
        notes.append(
            say(
                "read.group_unmatched",
                "Images without a group, so each is a group of its own: {n:,} of {of:,}, "
                "such as {path}.",
                n=alone,
                of=len(used),
                path=first,
            )
        )
    return notes
