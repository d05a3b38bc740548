"""The sentences of an inspection, in reading order."""

from collections.abc import Iterator, Sequence

from striate.data.split.image_series import series_notes
from striate.diagnose.noisy_labels import SURE
from striate.values import (
    Aside,
    ClassCount,
    Doubt,
    Family,
    ImageCounts,
    Index,
    Leak,
    Outlier,
    Sentence,
    Series,
    Split,
    Task,
    say,
)

BALANCED_RATIO = 1.5
REPEATED_CODES = ("split.contradictory", "split.leaked")


def count_sentences(
    task: Task,
    images: ImageCounts,
    classes: Sequence[ClassCount],
    formats: dict[str, int],
    sizes: dict[str, int],
    turned: int,
    aside: Sequence[Aside],
) -> Iterator[Sentence]:
    """Classes and their sizes, formats, excluded and ignored files."""
    yield _counts(task, images, len(classes))
    if task == "label":
        yield _balance(classes)
    yield say(
        "inspect.formats",
        "Formats: {formats}. {n:,} different sizes, most often {size} ({share:.0%}).",
        formats=", ".join(f"{name} {count:,}" for name, count in formats.items()) or "–",
        n=len(sizes),
        size=next(iter(sizes), "–"),
        share=next(iter(sizes.values()), 0) / max(1, images.used),
    )
    if turned:
        yield say(
            "inspect.turned", "Images rotated upright according to their EXIF tag: {n:,}.", n=turned
        )
    if aside:
        yield say(
            "inspect.aside",
            "Files that cannot be used: {n:,}, such as {path} ({reason}).",
            n=len(aside),
            path=aside[0].path,
            reason=aside[0].reason,
        )
    else:
        yield say("inspect.no_aside", "All image files can be read.")
    if images.ignored:
        yield say("inspect.ignored", "Other files, ignored: {n:,}.", n=images.ignored)


def copy_sentences(
    index: Index, copies: Sequence[Family], leaks: Sequence[Leak]
) -> Iterator[Sentence]:
    """Duplicates, contradicting labels and leakage between given splits."""
    exact = [family for family in copies if family.kind != "near"]
    near = [family for family in copies if family.kind == "near"]
    if exact:
        yield say(
            "inspect.exact",
            "Exact duplicates (same bytes or pixels): {n:,} images in {files:,} files; "
            "one image occurs {most:,} times.",
            n=len(exact),
            files=sum(len(family.paths) for family in exact),
            most=max(len(family.paths) for family in exact),
        )
    if near:
        yield say(
            "inspect.near",
            "Near duplicates (the same image saved again): {n:,} images in {files:,} "
            "files, such as {one} and {other}.",
            n=len(near),
            files=sum(len(family.paths) for family in near),
            one=near[0].paths[0],
            other=near[0].paths[1],
        )
    if not copies:
        yield say("inspect.no_copies", "No duplicates.")
    torn = [family for family in copies if family.contradicts]
    if torn:
        one, other = two_conflicting_paths(torn[0])
        yield say(
            "inspect.contradictions",
            "Images with several different labels: {n:,}, such as {one} = {other}. At "
            "least one label of each is wrong. They are kept out of the test split.",
            n=len(torn),
            one=one,
            other=other,
        )
    elif copies:
        yield say("inspect.no_contradictions", "No image has two different labels.")
    if leaks:
        yield say(
            "inspect.leaks",
            "Leakage: {n:,} images of {split} are duplicates of images in other splits, "
            "such as {one} = {other}. They are not counted.",
            split=leaks[0].split,
            n=len(leaks),
            one=leaks[0].path,
            other=leaks[0].copy,
        )
    elif len(index.given_splits) > 1:
        yield say("inspect.no_leaks", "No leakage: no image is in two of the given splits.")


def split_sentences(
    index: Index, split: Split, counting: int, series: Series | None
) -> Iterator[Sentence]:
    """Groups and series, and the planned split; `counting` images are evaluated."""
    yield from index.notes
    if series is not None and not series.suspected:
        yield say(
            "inspect.no_series",
            "No image series: for {share:.1%} of {n:,} images the most similar image is "
            "within 3 places by file name; by chance {chance:.1%}.",
            share=series.share,
            n=series.n,
            chance=series.chance,
        )
    yield from series_notes(series)
    if split.evaluation == "test-split":
        yield say(
            "inspect.split",
            "striate fit would use {train:,} training, {val:,} validation and {test:,} "
            "test images (without duplicates).",
            train=len(split.train),
            val=len(split.val),
            test=counting,
        )
    else:
        yield say(
            "inspect.crossed",
            "striate fit would use 5-fold cross-validation on all {n:,} images.",
            n=len(split.train),
        )
    yield from (note for note in split.notes if note.code not in REPEATED_CODES)


def label_error_sentences(doubts: Sequence[Doubt], looked_at: int, used: int) -> Iterator[Sentence]:
    """Possible label errors, and among how many images they were searched."""
    sure = [doubt for doubt in doubts if doubt.doubt >= SURE]
    if sure:
        yield say(
            "inspect.doubts",
            "Possible label errors, or images that are hard to recognise: for {n:,} of "
            "{looked_at:,} images a model that had not seen them gives the label less "
            "than 5 %, such as {path} ({label}: {suggested}?).",
            n=len(sure),
            looked_at=looked_at,
            path=sure[0].path,
            label=sure[0].label,
            suggested=sure[0].suggested,
        )
    else:
        yield say(
            "inspect.no_doubts",
            "No possible label errors among {looked_at:,} images.",
            looked_at=looked_at,
        )
    if looked_at < used:
        yield say(
            "inspect.doubts_some",
            "Labels were checked on a random sample of {n:,} of {of:,} images, to keep "
            "within the time budget.",
            n=looked_at,
            of=used,
        )


def outlier_sentences(outliers: Sequence[Outlier], looked_at: int) -> Iterator[Sentence]:
    """Outliers, and among how many images they were searched."""
    if outliers:
        yield say(
            "inspect.outliers",
            "Outliers, such as placeholders or images that do not belong here: {n:,} of "
            "{looked_at:,} images, first {path}.",
            n=len(outliers),
            looked_at=looked_at,
            path=outliers[0].path,
        )
    else:
        yield say(
            "inspect.no_outliers",
            "No outliers among {looked_at:,} images.",
            looked_at=looked_at,
        )


def label_errors_not_searched() -> Iterator[Sentence]:
    """A note that label errors were not searched for."""
    yield say(
        "inspect.not_doubted",
        "Labels were not checked: this check needs one label per image.",
    )


def two_conflicting_paths(family: Family) -> tuple[str, str]:
    """Two paths of a contradicting family whose labels differ."""
    other = next(k for k, label in enumerate(family.labels) if label != family.labels[0])
    return family.paths[0], family.paths[other]


def _counts(task: Task, images: ImageCounts, classes: int) -> Sentence:
    if task == "number":
        return say(
            "inspect.counts_number",
            "{images:,} images with a number, {distinct:,} without duplicates.",
            images=images.used,
            distinct=images.distinct,
        )
    if task == "labels":
        return say(
            "inspect.counts_labels",
            "{images:,} images with {labels:,} labels (several per image), {distinct:,} "
            "images without duplicates.",
            images=images.used,
            labels=classes,
            distinct=images.distinct,
        )
    return say(
        "inspect.counts",
        "{images:,} images in {classes:,} classes, {distinct:,} images without duplicates.",
        images=images.used,
        classes=classes,
        distinct=images.distinct,
    )


def _balance(classes: Sequence[ClassCount]) -> Sentence:
    most = max(classes, key=lambda each: each.images)
    least = min(classes, key=lambda each: each.images)
    if most.images < BALANCED_RATIO * least.images:
        return say(
            "inspect.balanced",
            "The classes are balanced: {least:,} to {most:,} images each.",
            least=least.images,
            most=most.images,
        )
    return say(
        "inspect.imbalance",
        "Class imbalance {ratio:.1f} to 1: the largest class, {largest}, has "
        "{most:,} images, the smallest, {smallest}, {least:,}.",
        largest=most.name,
        most=most.images,
        smallest=least.name,
        least=least.images,
        ratio=most.images / max(1, least.images),
    )
