"""Sentences on what an inspection found, in the order in which one asks."""

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
        "Formats: {formats}. Different sizes: {n:,}, most often {size} ({share:.0%}).",
        formats=", ".join(f"{name} {count:,}" for name, count in formats.items()) or "–",
        n=len(sizes),
        size=next(iter(sizes), "–"),
        share=next(iter(sizes.values()), 0) / max(1, images.used),
    )
    if turned:
        yield say("inspect.turned", "Turned upright by their EXIF tag: {n:,}.", n=turned)
    if aside:
        yield say(
            "inspect.aside",
            "Files that cannot be used: {n:,}, such as {path} ({reason}).",
            n=len(aside),
            path=aside[0].path,
            reason=aside[0].reason,
        )
    else:
        yield say("inspect.no_aside", "Every image file can be read.")
    if images.ignored:
        yield say("inspect.ignored", "Other files, ignored: {n:,}.", n=images.ignored)


def copy_sentences(
    index: Index, copies: Sequence[Family], leaks: Sequence[Leak]
) -> Iterator[Sentence]:
    """Copies, contradicting labels and leaks between given splits."""
    exact = [family for family in copies if family.kind != "near"]
    near = [family for family in copies if family.kind == "near"]
    if exact:
        yield say(
            "inspect.exact",
            "Pictures that occur more than once, byte for byte or pixel for pixel: {n:,}, in "
            "{files:,} files; one occurs {most:,} times.",
            n=len(exact),
            files=sum(len(family.paths) for family in exact),
            most=max(len(family.paths) for family in exact),
        )
    if near:
        yield say(
            "inspect.near",
            "Pictures that occur more than once, saved anew: {n:,}, in {files:,} files, such as "
            "{one} and {other}.",
            n=len(near),
            files=sum(len(family.paths) for family in near),
            one=near[0].paths[0],
            other=near[0].paths[1],
        )
    if not copies:
        yield say("inspect.no_copies", "No picture occurs twice.")
    torn = [family for family in copies if family.contradicts]
    if torn:
        one, other = two_conflicting_paths(torn[0])
        yield say(
            "inspect.contradictions",
            "Pictures under several labels: {n:,}, such as {one} = {other}; of each at least one "
            "label is wrong. They are kept out of the test split.",
            n=len(torn),
            one=one,
            other=other,
        )
    elif copies:
        yield say("inspect.no_contradictions", "No picture stands under two labels.")
    if leaks:
        yield say(
            "inspect.leaks",
            "Images of {split} that are the same pictures as images of other splits: {n:,}, such "
            "as {one} = {other}. They do not count.",
            split=leaks[0].split,
            n=len(leaks),
            one=leaks[0].path,
            other=leaks[0].copy,
        )
    elif len(index.given_splits) > 1:
        yield say("inspect.no_leaks", "No picture is in two of the given splits.")


def split_sentences(
    index: Index, split: Split, counting: int, series: Series | None
) -> Iterator[Sentence]:
    """Groups and series, and how the images would be shared out; `counting` images judge."""
    yield from index.notes
    if series is not None and not series.suspected:
        yield say(
            "inspect.no_series",
            "No series: {share:.1%} of {n:,} images have their nearest look-alike within 3 places "
            "by name; by chance {chance:.1%}.",
            share=series.share,
            n=series.n,
            chance=series.chance,
        )
    yield from series_notes(series)
    if split.evaluation == "test-split":
        yield say(
            "inspect.split",
            "striate fit would train on {train:,}, choose by {val:,} and judge by {test:,} "
            "different pictures.",
            train=len(split.train),
            val=len(split.val),
            test=counting,
        )
    else:
        yield say(
            "inspect.crossed",
            "striate fit would cross-validate: {n:,} images take turns in five parts.",
            n=len(split.train),
        )
    yield from (note for note in split.notes if note.code not in REPEATED_CODES)


def label_error_sentences(doubts: Sequence[Doubt], looked_at: int, used: int) -> Iterator[Sentence]:
    """Possible label errors, and among how many images they were searched."""
    sure = [doubt for doubt in doubts if doubt.doubt >= SURE]
    if sure:
        yield say(
            "inspect.doubts",
            "Labels that are wrong or hard, by a model that did not see the image: {n:,} of "
            "{looked_at:,} get less than 5 %, such as {path} ({label}: {suggested}?).",
            n=len(sure),
            looked_at=looked_at,
            path=sure[0].path,
            label=sure[0].label,
            suggested=sure[0].suggested,
        )
    else:
        yield say(
            "inspect.no_doubts",
            "None of {looked_at:,} images speaks strongly against its label.",
            looked_at=looked_at,
        )
    if looked_at < used:
        yield say(
            "inspect.doubts_some",
            "Labels were looked at on {n:,} of {of:,} images, drawn by lot, within the time given.",
            n=looked_at,
            of=used,
        )


def outlier_sentences(outliers: Sequence[Outlier], looked_at: int) -> Iterator[Sentence]:
    """Outliers, and among how many images they were searched."""
    if outliers:
        yield say(
            "inspect.outliers",
            "Images unlike all others, such as placeholders or foreign pictures: {n:,} of "
            "{looked_at:,}, first {path}.",
            n=len(outliers),
            looked_at=looked_at,
            path=outliers[0].path,
        )
    else:
        yield say(
            "inspect.no_outliers",
            "None of {looked_at:,} images is far from all others.",
            looked_at=looked_at,
        )


def label_errors_not_searched() -> Iterator[Sentence]:
    """A note that label errors were not searched for."""
    yield say(
        "inspect.not_doubted",
        "Labels were not doubted: that is there only where an image has one label.",
    )


def two_conflicting_paths(family: Family) -> tuple[str, str]:
    """Two paths of a contradicting family whose labels differ."""
    other = next(k for k, label in enumerate(family.labels) if label != family.labels[0])
    return family.paths[0], family.paths[other]


def _counts(task: Task, images: ImageCounts, classes: int) -> Sentence:
    if task == "number":
        return say(
            "inspect.counts_number",
            "{images:,} images with a number, {distinct:,} of them different pixel for pixel.",
            images=images.used,
            distinct=images.distinct,
        )
    if task == "labels":
        return say(
            "inspect.counts_labels",
            "{images:,} images with {labels:,} labels, several an image, {distinct:,} different "
            "pixel for pixel.",
            images=images.used,
            labels=classes,
            distinct=images.distinct,
        )
    return say(
        "inspect.counts",
        "{images:,} images in {classes:,} classes, {distinct:,} different pixel for pixel.",
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
            "The classes are about equally large: {least:,} to {most:,} images.",
            least=least.images,
            most=most.images,
        )
    return say(
        "inspect.imbalance",
        "The largest class, {largest}, has {most:,} images, the smallest, {smallest}, {least:,}: "
        "{ratio:.1f} to 1.",
        largest=most.name,
        most=most.images,
        smallest=least.name,
        least=least.images,
        ratio=most.images / max(1, least.images),
    )
