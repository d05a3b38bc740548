"""A source -> what is in it, before any training: counts, copies, leaks, series, split."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from striate.data.cache import build_cache
from striate.data.duplicates import find_duplicates
from striate.data.families import described, families_of, leaks_between
from striate.data.scan import read
from striate.data.series import find_series
from striate.data.split import split_index
from striate.stages.doubting import look_closer
from striate.stages.inspection_words import (
    copies_told,
    counts_told,
    doubts_told,
    not_doubted,
    outliers_told,
    split_told,
)
from striate.summary import count_images
from striate.values import (
    Aside,
    Cache,
    ClassCount,
    Example,
    Index,
    Inspection,
    Options,
    Progress,
    Rows,
    Split,
    Watch,
    unwatched,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspected:
    """An inspection, and what it was made from; `families` are rows of one picture each."""

    inspection: Inspection
    index: Index
    cache: Cache
    split: Split
    families: tuple[tuple[int, ...], ...]


def inspect(source: object, options: Options, watch: Watch = unwatched) -> Inspected:
    """Reads and decodes a source, compares its images, cuts the split that a fit would cut.

    Labels are doubted last, within what is left of `options.minutes`.

    Raises what `read` and `build_cache` raise; nothing is written but the cache.
    """
    started = time.monotonic()
    watch(Progress(stage="scan"))
    index, cache = build_cache(read(source, options), options, watch)
    copies = find_duplicates(_ungrouped(index), cache)
    groups = find_duplicates(index, cache) if _named(index.examples) else copies
    split = split_index(index, groups, options)
    families = families_of(index, copies)
    found = inspection_of(index, cache, split, families, source=_address(index))
    left = 60 * options.minutes - (time.monotonic() - started)
    closer = look_closer(index, cache, split.groups, options, left, watch)
    told = doubts_told(closer.doubts, closer.looked_at, found.images.used)
    told = told if index.task == "label" else not_doubted()
    return Inspected(
        inspection=replace(
            found,
            doubts=closer.doubts,
            labels_looked_at=closer.looked_at if index.task == "label" else 0,
            outliers=closer.outliers,
            told=(*found.told, *told, *outliers_told(closer.outliers, closer.looked_at)),
            seconds=round(time.monotonic() - started, 2),
        ),
        index=index,
        cache=cache,
        split=split,
        families=families,
    )


def inspection_of(
    index: Index, cache: Cache, split: Split, families: tuple[tuple[int, ...], ...], source: str
) -> Inspection:
    """The inspection of images that have been read, compared and shared out."""
    used = [example for example in index.examples if example.status == "used"]
    copies = tuple(described(index, family) for family in families)
    leaks = leaks_between(index, families)
    series = find_series(index, cache, split.groups)
    images, classes = count_images(index, split), _classes(index, split)
    formats = _counted(example.format or "–" for example in used)
    sizes = _counted(f"{example.width} x {example.height}" for example in used)
    turned = sum(example.orientation != 1 for example in used)
    aside = tuple(
        Aside(path=example.path, reason=example.reason)
        for example in index.examples
        if example.status == "set_aside"
    )
    return Inspection(
        name=index.name,
        source=source,
        images=images,
        classes=classes,
        formats=formats,
        sizes=sizes,
        turned=turned,
        set_aside=aside,
        copies=copies,
        leaks=leaks,
        given_splits=index.given_splits,
        named_groups=len(_named(index.examples)),
        evaluation=split.evaluation,
        series=series,
        told=(
            *counts_told(index.task, images, classes, formats, sizes, turned, aside),
            *copies_told(index, copies, leaks),
            *split_told(index, split, images.test, series),
        ),
        seconds=0.0,
    )


def _classes(index: Index, split: Split) -> tuple[ClassCount, ...]:
    marks = index.targets() > 0 if index.classes else np.zeros((len(index.examples), 0), np.bool_)
    pictures: list[set[str]] = [set() for _ in index.classes]
    for row in index.used():
        example = index.examples[row]
        for k in np.flatnonzero(marks[row]):
            pictures[k].add(example.pixels_hash or example.bytes_hash or example.path)
    counts = [
        marks[rows].sum(axis=0).tolist()
        for rows in (index.used(), split.train, split.val, _counting(index, split))
    ]
    return tuple(
        ClassCount(name=name, images=n, distinct=len(each), train=train, val=val, test=test)
        for name, each, n, train, val, test in zip(index.classes, pictures, *counts, strict=True)
    )


def _counting(index: Index, split: Split) -> Rows:
    return split.test[~np.isin(split.test, split.leaked) & index.firsts(split.test)]


def _counted(words: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the commonest first, then by name."""
    return dict(sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0])))


def _named(examples: Iterable[Example]) -> set[str]:
    return {example.group for example in examples if example.status == "used" and example.group}


def _ungrouped(index: Index) -> Index:
    return replace(index, examples=tuple(replace(e, group="") for e in index.examples))


def _address(index: Index) -> str:
    return "memory" if index.images is not None else str(index.address or index.root)
