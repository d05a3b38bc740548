"""Determine the classes of an index, and refuse a source that cannot be learnt from."""

from collections import Counter
from dataclasses import replace

from striate.data.layout import STRAY_REASON
from striate.data.name_labels import suggest_pattern
from striate.errors import SourceError
from striate.values import Example, Index, ReadingOptions, say


def settle_classes(index: Index, options: ReadingOptions) -> Index:
    """The index with its classes sorted by code point, of those images that are in use.

    With `drop_rare`, classes of fewer than two images are ignored. Raises `SourceError` for no
    images, one class, a class that is not in train, or a class of fewer than two images.
    """
    used = [example for example in index.examples if example.status == "used"]
    counts = Counter(example.label for example in used)
    for example in index.examples:
        if example.status == "set_aside" and example.label:
            counts.setdefault(example.label, 0)
    if not used:
        raise SourceError(*_no_images_message(index))
    _refuse_untrained_classes(index, used, options)
    rare = sorted(label for label, n in counts.items() if n < 2)
    if rare and len(counts) > 1 and len(counts) - len(rare) < 2:
        raise SourceError(*_refuse_single_images(index, rare))
    if rare and not options.drop_rare:
        raise SourceError(
            f"{_join_class_names(rare)} in {index.name} "
            f"{'has' if len(rare) == 1 else 'have'} fewer than 2 images that can be read.",
            "Add images, or leave such classes out: --drop-rare",
        )
    if rare:
        index = _drop_rare_classes(index, set(rare))
    classes = tuple(sorted(label for label in counts if label not in rare))
    if len(classes) < 2:
        raise SourceError(*_one_class_message(index, classes))
    return replace(index, classes=classes)


def _refuse_untrained_classes(index: Index, used: list[Example], options: ReadingOptions) -> None:
    if "train" not in index.given_splits or options.split != "auto":
        return
    known = {example.label for example in used if example.split == "train"}
    for example in used:
        if example.label not in known:
            raise SourceError(
                f"The class {example.label} is in {example.split} but not in train, in "
                f"{index.name}.",
                "Add training images of this class, remove it, or make new splits: --split pool",
            )


def _drop_rare_classes(index: Index, rare: set[str]) -> Index:
    reason = "its class has fewer than 2 images (--drop-rare)"
    examples = tuple(
        replace(e, status="ignored", reason=reason) if e.label in rare else e
        for e in index.examples
    )
    note = say(
        "read.dropped_rare",
        "Left out because of --drop-rare: {n:,} classes with fewer than 2 images ({names}).",
        n=len(rare),
        names=_join_class_names(sorted(rare)),
    )
    return replace(index, examples=examples, notes=(*index.notes, note))


def _refuse_single_images(index: Index, rare: list[str]) -> tuple[str, str]:
    """Raise if all classes have one image: it cannot be both training and test image."""
    sentence = (
        f"{_join_class_names(rare)} in {index.name} "
        f"{('has' if len(rare) == 1 else 'have')} fewer than 2 images that can be "
        "read, so no accuracy can be measured."
    )
    return sentence, (
        "Add images: at least 2 in each of two classes, more for the accuracy of a single class."
    )


def _no_images_message(index: Index) -> tuple[str, str]:
    aside = [example for example in index.examples if example.status == "set_aside"]
    stray = sum(example.reason == STRAY_REASON for example in aside)
    if len(aside) > stray:
        aside = [example for example in aside if example.reason != STRAY_REASON]
        first = f"{aside[0].path}: {aside[0].reason}"
        # Of a run whose images have gone, the folder tells more than the source's name.
        where = index.root if index.kind == "folder" and index.root else index.name
        return (
            f"None of the {len(aside)} images in {where} can be read ({first}).",
            _layout_hint(index),
        )
    if stray:
        return (
            f"None of the {stray} images in {index.name} is in a class folder.",
            _label_pattern_hint(aside),
        )
    return (
        f"{index.name} {('lists' if index.kind == 'table' else 'holds')} no images.",
        _layout_hint(index),
    )


def _label_pattern_hint(stray: list[Example]) -> str:
    pattern = suggest_pattern(example.path.rpartition("/")[2] for example in stray)
    if not pattern:
        return _LAYOUT
    return f"Do the file names tell the class? Then add --label-pattern '{pattern}'"


def _one_class_message(index: Index, classes: tuple[str, ...]) -> tuple[str, str]:
    name = f" ({classes[0]})" if classes else ""
    many = f"{len(classes)} class" if classes else "no class"
    sentence = f"{index.name} has {many}{name}; a classifier needs two or more."
    deeper = {e.path.split("/")[1] for e in index.examples if e.path.count("/") > 1}
    if classes and len(deeper) > 1 and index.kind == "folder" and not index.given_splits:
        return sentence, f"Are the classes one level deeper? Give {index.root}/{classes[0]}"
    return sentence, _layout_hint(index)


def _layout_hint(index: Index) -> str:
    return _LISTED if index.kind == "table" else _LAYOUT


def _join_class_names(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"The class {shown}" if len(names) == 1 else f"The classes {shown}{more}"


_LISTED = (
    "Its rows must name images of at least two classes; name the columns with --image and --label."
)
_LAYOUT = "Put each class in its own folder: pets/cat/1.jpg, pets/dog/2.jpg"
