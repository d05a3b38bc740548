"""The check of a source without training: counts, duplicates, leakage, series, split."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striate.config.overrides import reading_options, split_options
from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import (
    describe_family,
    duplicate_families,
    find_duplicate_groups,
    find_split_leaks,
)
from striate.data.split.image_series import find_series
from striate.data.split.split import split_index
from striate.learn.linear.linear_model import PRETRAINED, tapped_spec
from striate.nets import find_net
from striate.probe.features import FeatureTable
from striate.probe.outlier_scores import find_outliers, left_out_probabilities, rank_label_errors
from striate.stages.inspection_sentences import (
    copy_sentences,
    count_sentences,
    label_error_sentences,
    label_errors_not_searched,
    outlier_sentences,
    split_sentences,
)
from striate.store.summary import count_images
from striate.strategy.budget import choose_feature_size
from striate.train.fast.forward_pass import compute_features
from striate.train.fast.inference import optimise_for_inference
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.head import all_taps, build_network
from striate.values import (
    Aside,
    Cache,
    ClassCount,
    Doubt,
    Example,
    Index,
    Inspection,
    Machine,
    ModelSpec,
    Options,
    Outlier,
    Progress,
    Rows,
    Split,
    Watch,
    unwatched,
)
from striate.values.seeds import make_rng


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InspectedSource:
    """An inspection, and what it was made from; each of `families` holds rows of one image."""

    inspection: Inspection
    index: Index
    cache: Cache
    split: Split
    families: tuple[tuple[int, ...], ...]


def inspect_source(source: object, options: Options, watch: Watch = unwatched) -> InspectedSource:
    """Read and decode a source, find duplicates, and make the split that a fit would make.

    Labels are checked last, within what is left of `options.minutes`. Raises what `read` and
    `build_cache` raise; nothing is written except the cache.
    """
    started = time.monotonic()
    watch(Progress(stage="scan"))
    reading = reading_options(options)
    index, cache = build_cache(read_index(source, reading), reading, watch)
    copies = find_duplicate_groups(_ungrouped(index), cache)
    groups = find_duplicate_groups(index, cache) if _named(index.examples) else copies
    split = split_index(index, groups, split_options(options))
    families = duplicate_families(index, copies)
    found = make_inspection(index, cache, split, families, source=_address(index))
    left = 60 * options.minutes - (time.monotonic() - started)
    closer = find_suspected_images(index, cache, split.groups, options, left, watch)
    told = label_error_sentences(closer.doubts, closer.looked_at, found.images.used)
    told = told if index.task == "label" else label_errors_not_searched()
    return InspectedSource(
        inspection=replace(
            found,
            doubts=closer.doubts,
            labels_looked_at=closer.looked_at if index.task == "label" else 0,
            outliers=closer.outliers,
            told=(*found.told, *told, *outlier_sentences(closer.outliers, closer.looked_at)),
            seconds=round(time.monotonic() - started, 2),
        ),
        index=index,
        cache=cache,
        split=split,
        families=families,
    )


def make_inspection(
    index: Index, cache: Cache, split: Split, families: tuple[tuple[int, ...], ...], source: str
) -> Inspection:
    """The inspection of images that have been read, grouped and split."""
    used = [example for example in index.examples if example.status == "used"]
    copies = tuple(describe_family(index, family) for family in families)
    leaks = find_split_leaks(index, families)
    series = find_series(index, cache, split.groups)
    images, classes = count_images(index, split), _class_counts(index, split)
    formats = _count_by_frequency(example.format or "–" for example in used)
    sizes = _count_by_frequency(f"{example.width} x {example.height}" for example in used)
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
            *count_sentences(index.task, images, classes, formats, sizes, turned, aside),
            *copy_sentences(index, copies, leaks),
            *split_sentences(index, split, images.test, series),
        ),
        seconds=0.0,
    )


def _class_counts(index: Index, split: Split) -> tuple[ClassCount, ...]:
    marks = index.targets() > 0 if index.classes else np.zeros((len(index.examples), 0), np.bool_)
    pictures: list[set[str]] = [set() for _ in index.classes]
    for row in index.used():
        example = index.examples[row]
        for k in np.flatnonzero(marks[row]):
            pictures[k].add(example.pixels_hash or example.bytes_hash or example.path)
    counts = [
        marks[rows].sum(axis=0).tolist()
        for rows in (index.used(), split.train, split.val, _countable_rows(index, split))
    ]
    return tuple(
        ClassCount(name=name, images=n, distinct=len(each), train=train, val=val, test=test)
        for name, each, n, train, val, test in zip(index.classes, pictures, *counts, strict=True)
    )


def _countable_rows(index: Index, split: Split) -> Rows:
    return split.test[~np.isin(split.test, split.leaked) & index.firsts(split.test)]


def _count_by_frequency(words: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first, then by name."""
    return dict(sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0])))


def _named(examples: Iterable[Example]) -> set[str]:
    return {example.group for example in examples if example.status == "used" and example.group}


def _ungrouped(index: Index) -> Index:
    return replace(index, examples=tuple(replace(e, group="") for e in index.examples))


def _address(index: Index) -> str:
    return "memory" if index.images is not None else str(index.address or index.root)


# At 128 pixels at least 80 % of planted labels stood in front (docs/LOG.md, doubtful labels).
LARGEST_INPUT = 128
MOST_IMAGES = 5_000
BLOCK = 256
SHARE_OF_TIME = 0.5
FEWEST_OF_A_CLASS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedImages:
    """Possible label errors, the most suspicious first, outliers, and how many were checked."""

    doubts: tuple[Doubt, ...]
    looked_at: int
    outliers: tuple[Outlier, ...] = ()


def find_suspected_images(
    index: Index, cache: Cache, groups: Rows, options: Options, seconds: float, watch: Watch
) -> SuspectedImages:
    """Possible label errors and outliers, by a linear model that had not seen the images.

    Labels are checked only if an image has one; outliers are searched in any task. The model is
    fitted to features of the pretrained network, and each image is predicted without it and its
    group. Features take at most half of `seconds`: if that is too short for all images, or there
    are more than 5,000, a seeded random sample is checked. Classes with fewer than 5 sampled images
    are not checked.
    """
    machine = measure_machine(options.device)
    until = time.monotonic() + max(1.0, SHARE_OF_TIME * seconds)
    rows, size = _choose_affordable_rows(
        index, cache, machine, until - time.monotonic(), options.seed
    )
    taps = all_taps(find_net(PRETRAINED).card(PRETRAINED).stages)
    spec = tapped_spec(PRETRAINED, size, taps, index, cache, machine)
    with apply_machine(machine):
        rows, features, widths = _features_in_time(cache, rows, spec, machine, until, watch)
        table = FeatureTable(rows=rows, taps=spec.taps, widths=widths, values=features, seconds=0.0)
        outliers = find_outliers(table.stages(rows), index, rows, groups[rows])
        if index.task != "label":
            return SuspectedImages(doubts=(), looked_at=len(rows), outliers=outliers)
        labels = index.labels()[rows]
        probabilities = left_out_probabilities(features, labels, len(index.classes), groups[rows])
    counts = np.bincount(labels, minlength=len(index.classes))
    known = {name for name, n in zip(index.classes, counts, strict=True) if n >= FEWEST_OF_A_CLASS}
    found = rank_label_errors(probabilities, index, rows)
    return SuspectedImages(
        doubts=tuple(d for d in found if d.flagged and d.label in known),
        looked_at=len(rows),
        outliers=outliers,
    )


def _choose_affordable_rows(
    index: Index, cache: Cache, machine: Machine, seconds: float, seed: int
) -> tuple[Rows, int]:
    """The rows to examine, in a random order by the seed, and the network's input size."""
    rows = index.used()
    usual = find_net(PRETRAINED).card(PRETRAINED).input_size
    speed = machine.speeds.get("features", 50.0)
    wanted = min(len(rows), MOST_IMAGES)
    size = min(LARGEST_INPUT, choose_feature_size(wanted, cache.size, speed, seconds, usual))
    most = min(wanted, max(50, int(speed * seconds * (usual / size) ** 2)))
    return make_rng(seed, "doubts").permutation(rows)[:most], size


def _features_in_time(
    cache: Cache, rows: Rows, spec: ModelSpec, machine: Machine, until: float, watch: Watch
) -> tuple[Rows, NDArray[np.float32], tuple[int, ...]]:
    """Rows whose features were ready in time, ascending, features N x D, width of each tap.

    At least one block is computed. The time is watched, because a busy machine is slower than when
    it was measured.
    """
    whole = build_network(spec)
    network = optimise_for_inference(whole, machine=machine, precision=spec.precision)
    features: list[NDArray[np.float32]] = []
    done = 0
    while done < len(rows) and (not done or time.monotonic() < until):
        block = rows[done : done + BLOCK]
        features.append(compute_features(network, cache.images, block, spec, machine))
        done += len(block)
        watch(Progress(stage="features", done=done, total=len(rows), unit="images"))
    order = np.argsort(rows[:done])
    return rows[:done][order], np.concatenate(features)[order], whole.widths
