"""Whether neighbours by file name are more similar than by chance: bursts, videos."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from striate.values import Cache, Index, Rows, Sentence, Series, say
from striate.values.seeds import make_rng

Floats = NDArray[np.float32]

MOST_IMAGES = 5_000
FEWEST_IMAGES = 9
NEAR = 3
SIDE = 16
LARGEST_SIDE = 64
DRAWS = 199
# Grounds (docs/LOG.md, 2026-11-24): sets known to hold series reach 1.9 to 100 times the
# share of chance; flowers and dtd10, which hold none within a split, stay below 1.4.
TIMES_CHANCE, ABOVE_CHANCE, RARE = 1.5, 0.02, 0.005


def find_series(index: Index, cache: Cache, groups: Rows) -> Series | None:
    """What the order of names says; None where there are too few images to tell.

    An image's nearest is the one that correlates best with it at 16 x 16 pixels, of its class
    and given split (of any class where one numbering runs through them). Of each group of
    `groups` one image stands for all, so that copies are no series; images of one named group
    are not compared. Chance: images change places within their class, 199 times, seeded. Of
    the two orders, by name and by the last number in it, the more telling one is told.
    """
    if cache.size < SIDE:
        return None
    rows = _unique_rows(index, groups)
    across = _runs_through_classes(index, rows)
    by_name = _row_stretches(index, rows, across, number=False)
    by_number = _row_stretches(index, rows, across, number=True)
    found = _measure_series(index, cache, by_name, across, number=False)
    if found and any((a != b).any() for a, b in zip(by_name, by_number, strict=True)):
        other = _measure_series(index, cache, by_number, across, number=True)
        if other and other.share - other.chance > found.share - found.chance:
            return other
    return found


def series_notes(series: Series | None) -> tuple[Sentence, ...]:
    """A note if a series is suspected, with its figures and what to type."""
    if series is None or not series.suspected:
        return ()
    figures = {"n": series.n, "share": series.share, "chance": series.chance}
    if series.pattern:
        note = say(
            "split.series",
            "Images that follow each other by file name are similar, as in bursts or "
            "video frames: for {share:.1%} of {n:,} images the most similar image is "
            "within 3 places; by chance {chance:.1%}. To keep neighbours in one split: "
            "--group-pattern '{pattern}'",
            **figures,
            pattern=series.pattern,
        )
        return (note,)
    note = say(
        "split.series_unnamed",
        "Images that follow each other by file name are similar, as in bursts or "
        "video frames: for {share:.1%} of {n:,} images the most similar image is "
        "within 3 places; by chance {chance:.1%}. The file names show no groups: "
        "list the images in a table with a column group.",
        **figures,
    )
    return (note,)


def _unique_rows(index: Index, groups: Rows) -> Rows:
    """The rows in use, of images that are copies of each other the first; named groups whole."""
    seen: set[tuple[int, str]] = set()
    rows = []
    for row in index.used().tolist():
        example = index.examples[row]
        key = (int(groups[row]), example.path if example.group else "")
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return np.array(rows, np.int64)


def _runs_through_classes(index: Index, rows: Rows) -> bool:
    """Whether one numbering runs through the classes, as a camera's does."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        example = index.examples[row]
        numbers[example.label].add(_last_number(example.path)[0])
    every = Counter(number for each in numbers.values() for number in each)
    if len(numbers) < 2 or sum(n > 1 for n in every.values()) > 0.1 * len(every):
        return False
    owner = {number: label for label, each in numbers.items() for number in each}
    owners = [owner[number] for number in sorted(owner)]
    changes = sum(a != b for a, b in pairwise(owners))
    return changes > 0.25 * len(owners)


def _row_stretches(index: Index, rows: Rows, across: bool, *, number: bool) -> list[Rows]:
    """Rows in order, a stretch a given split (and class); at most 5,000 in all, evenly."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows.tolist():
        example = index.examples[row]
        parts[example.split, "" if across else example.label].append(row)
    share = min(1.0, MOST_IMAGES / max(1, len(rows)))
    stretches = []
    for part in parts.values():
        named = [(_order_key(index.examples[row].path, across, number), row) for row in part]
        ordered = [row for _, row in sorted(named)][: round(share * len(part))]
        if len(ordered) >= FEWEST_IMAGES:
            stretches.append(np.array(ordered, np.int64))
    return stretches


def _order_key(path: str, across: bool, number: bool) -> tuple[object, ...]:
    name = path.rpartition("/")[2] if across else path
    natural = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
    )
    return (*_last_number(path), natural) if number else (natural, path)


def _last_number(path: str) -> tuple[int]:
    found = re.findall(r"\d+", path.rpartition("/")[2].rpartition(".")[0])
    return (int(found[-1]) if found else -1,)


def _measure_series(
    index: Index, cache: Cache, stretches: Sequence[Rows], across: bool, *, number: bool
) -> Series | None:
    """The share of images whose nearest is near by name, against that of chance."""
    if not stretches:
        return None
    rows = np.concatenate(stretches)
    starts = np.cumsum([0, *(len(stretch) for stretch in stretches[:-1])])
    nearest = np.concatenate(
        [
            start + _nearest_lookalikes(index, cache, stretch)
            for start, stretch in zip(starts, stretches, strict=True)
        ]
    )
    places = np.arange(len(rows))
    near = np.abs(places - places[nearest]) <= NEAR
    owners = np.repeat(np.arange(len(stretches)), [len(stretch) for stretch in stretches])
    blocks = owners * len(index.classes) + index.labels()[rows]
    shares_D = _permuted_shares(places, nearest, blocks)
    share, chance = float(near.mean()), float(shares_D.mean())
    p = float((1 + (shares_D >= share).sum()) / (1 + DRAWS))
    suspected = (
        share >= TIMES_CHANCE * chance and share - chance >= ABOVE_CHANCE and p <= RARE + 1e-9
    )
    paths = [index.examples[row].path for row in rows]
    pairs = [(paths[i], paths[nearest[i]]) for i in np.flatnonzero(near)]
    return Series(
        suspected=suspected,
        n=len(rows),
        share=share,
        chance=chance,
        p=p,
        order="number" if number else "name",
        across=across,
        pattern=suggest_group_pattern(paths, pairs, across) if suspected else "",
    )


def _nearest_lookalikes(index: Index, cache: Cache, stretch: Rows) -> Rows:
    """Place of each image's nearest look-alike in its stretch."""
    looks_ND = _unit_thumbnails(cache, stretch)
    likeness = looks_ND @ looks_ND.T
    np.fill_diagonal(likeness, -np.inf)
    named = np.array([index.examples[row].group for row in stretch])
    for name in set(named.tolist()) - {""}:
        inside = np.flatnonzero(named == name)
        likeness[np.ix_(inside, inside)] = -np.inf
    nearest: Rows = likeness.argmax(1).astype(np.int64)
    return nearest


def _unit_thumbnails(cache: Cache, rows: Rows) -> Floats:
    """Pictures of 16 x 16 grey pixels as unit vectors, N x 256; green stands for grey."""
    channel = 1 if cache.channels == 3 else 0
    step = max(1, cache.size // LARGEST_SIDE)
    side = -(-cache.size // step)
    starts = np.arange(SIDE) * side // SIDE
    sizes = np.diff([*starts, side])
    areas = np.outer(sizes, sizes).astype(np.float32)
    looks = np.empty((len(rows), SIDE * SIDE), np.float32)
    for place, row in enumerate(rows):
        grey = cache.images[row, ::step, ::step, channel].astype(np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, starts, axis=0), starts, axis=1)
        looks[place] = (sums / areas).ravel()
    looks -= looks.mean(1, keepdims=True)
    unit: Floats = looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-6)
    return unit


def _permuted_shares(places: Rows, nearest: Rows, blocks: Rows) -> Floats:
    """The share of near pairs of each of 199 draws, images having changed places in a block."""
    generator = make_rng(0, "series")
    sorted_places = places[np.argsort(blocks, kind="stable")]
    shares = np.empty(DRAWS, np.float32)
    for draw in range(DRAWS):
        drawn = np.empty_like(places)
        drawn[np.argsort(blocks + generator.random(len(blocks)), kind="stable")] = sorted_places
        shares[draw] = (np.abs(drawn - drawn[nearest]) <= NEAR).mean()
    return shares


FULLEST_GROUP = 0.25
TOGETHER = 0.5


def suggest_group_pattern(
    paths: Sequence[str], pairs: Sequence[tuple[str, str]], across: bool
) -> str:
    """The finest of a few patterns that puts at least half of the `pairs` into one group each.

    Tried are: all of the name before its last number, before its last two, the path without the
    last digit of its number, then without two, three, …, and the number alone without these.
    With `across` the folder, which is the class, is no part of the group. "" where none fits;
    none does that puts over a quarter of the images into one group.
    """
    for pattern in _candidate_patterns(across):
        search = re.compile(pattern).search
        groups = {path: found.group(1) for path in paths if (found := search(path))}
        sizes = Counter(group for group in groups.values() if group)
        if not sizes or max(sizes.values()) > FULLEST_GROUP * len(paths):
            continue
        together = sum(bool(groups.get(a)) and groups.get(a) == groups.get(b) for a, b in pairs)
        if together >= TOGETHER * len(pairs):
            return pattern
    return ""


def _candidate_patterns(across: bool) -> list[str]:
    lead = "([^/]*" if across else "(.*"
    ending = r"\.\w+$"
    return [
        rf"([^/]*\d[^/\d]+)\d+{ending}",
        rf"([^/]*\d[^/\d]+)\d+[^/\d]+\d+{ending}",
        *(rf"{lead}){digits}{ending}" for digits in DIGITS),
        *(rf"(\d+){digits}{ending}" for digits in DIGITS),
    ]


DIGITS = (r"\d", r"\d\d", r"\d\d\d", r"\d{4}")
