"""Determine what to predict for an image: one label, several, or a number."""

import math
import shlex
from collections import Counter
from dataclasses import replace

from striate.data.class_names import settle_classes
from striate.errors import SourceError, UsageError
from striate.values import Example, Index, ReadingOptions, Sentence, Task, names_in, say


def settle_task(index: Index, options: ReadingOptions) -> Index:
    """The index with its task, labels as the task writes them, and classes.

    `auto` takes a table whose labels hold `|`, or that has a column a label, for several
    labels; numbers are never guessed, since classes may be called 1, 2, 3. Raises `UsageError`
    where the source cannot hold the task, `SourceError` where nothing can be learnt from it.
    """
    task = infer_task(index, options)
    if task == "label":
        return _settle_classes(index, options)
    if task == "labels":
        return _settle_labels(index, options)
    return _settle_numbers(index)


def settle_remaining_classes(index: Index, options: ReadingOptions) -> Index:
    """The index with its classes as they are after some images proved to be unreadable."""
    if index.task == "label":
        return settle_classes(index, options)
    return _settle_labels(index, options) if index.task == "labels" else _settle_numbers(index)


def infer_task(index: Index, options: ReadingOptions) -> Task:
    """The task of an index whose labels stand as the source wrote them."""
    asked = options.task
    if asked != "auto" and asked != index.task and index.task == "labels":
        flag, means = f"--label {options.label}", "names one column per label"
        if options.label_separator:
            flag = f"--label-separator {shlex.quote(options.label_separator)}"
            means = "means that an image may have several labels"
        raise UsageError(
            f"{flag} {means}, which contradicts --task {asked}.", f"Leave {flag} out, or --task."
        )
    if asked in ("labels", "number") and index.kind not in _CAN_HOLD_MORE:
        raise UsageError(
            f"--task {asked} needs a table (.csv, .tsv, .jsonl, .parquet) with a column "
            f"of labels; {index.name} has one folder per class.",
            "List the images in a table with the columns image and label.",
        )
    if asked == "labels" or (asked == "auto" and _has_multi_labels(index)):
        return "labels"
    return "number" if asked == "number" else "label"


def write_labels(index: Index, task: Task) -> Index:
    """The index with its labels as the task writes them; what is no number is set aside."""
    one = _normalise_number if task == "number" else _normalise_labels
    if task == "label":
        return index
    return replace(index, task=task, examples=tuple(one(e) for e in index.examples))


def _has_multi_labels(index: Index) -> bool:
    if index.task == "labels":
        return True
    return index.kind == "table" and any("|" in e.label for e in index.examples)


def _settle_classes(index: Index, options: ReadingOptions) -> Index:
    told, hint = (None, "") if options.task == "label" else _other_task_note(index)
    try:
        index = settle_classes(index, options)
    except SourceError as error:
        raise SourceError(error.sentence, hint or error.hint) from None
    return _add_note(index, told) if told else index


def _other_task_note(index: Index) -> tuple[Sentence | None, str]:
    """A note if labels look as if another task was meant, and what to type then."""
    numbers = _distinct_numbers(index) if index.kind in _CAN_HOLD_MORE else 0
    if numbers >= _MANY_NUMBERS:
        told = say(
            "read.perhaps_number",
            "The labels are {n:,} different numbers, and each was treated as a class. To "
            "predict the number itself: --task number",
            n=numbers,
        )
        hint = (
            f"The labels are {numbers:,} different numbers. To predict the number itself: "
            "--task number"
        )
        return told, hint
    separator = _guess_separator(index) if index.kind == "table" else ""
    if not separator:
        return None, ""
    flag = f"--label-separator {shlex.quote(separator)}"
    label = next(e.label for e in index.examples if e.status == "used" and separator in e.label)
    told = say(
        "read.perhaps_labels",
        "Labels such as {label} look like several labels, and each combination was "
        "treated as one class. If an image may have several labels: {flag}",
        label=label,
        flag=flag,
    )
    return told, (
        f"Labels such as {label} look like several labels of one image. If they are: {flag}"
    )


def _guess_separator(index: Index) -> str:
    """The text that seems to join several labels of one image, or "".

    Its parts recur in other labels, and there are no more of them than of labels. For a blank,
    which class names contain too, labels of at least three different lengths are required.
    """
    labels = [e.label for e in index.examples if e.status == "used" and e.label]
    for separator in _SEPARATORS:
        whole = {label: [part.strip() for part in label.split(separator)] for label in set(labels)}
        counts = Counter(part for parts in whole.values() for part in set(parts))
        joined = {label: parts for label, parts in whole.items() if len(parts) > 1}
        several = {part for parts in joined.values() for part in parts}
        recurring = sum(counts[part] > 1 for part in several)
        rows = sum(label in joined for label in labels)
        names = separator == " " and (
            len(counts) >= len(whole) or len({len(parts) for parts in whole.values()}) < 3
        )
        often = joined and rows >= _JOINED * len(labels) and recurring >= _RECURRING * len(several)
        if often and len(counts) <= len(whole) and "" not in several and not names:
            return separator
    return ""


def _distinct_numbers(index: Index) -> int:
    labels = {e.label for e in index.examples if e.status == "used"}
    return (
        len(labels) if labels and all(_parse_number(label) is not None for label in labels) else 0
    )


def _settle_labels(index: Index, options: ReadingOptions) -> Index:
    if options.task == "labels" and index.task != "labels" and not _has_multi_labels(index):
        _refuse_joined_labels(index)
    columns, guessed = index.classes, index.task != "labels" and options.task == "auto"
    index = write_labels(index, "labels")
    used = [example for example in index.examples if example.status == "used"]
    counts = Counter(name for example in used for name in names_in(example.label))
    for name in columns:
        counts.setdefault(name, 0)
    rare = sorted(name for name, n in counts.items() if n < 2)
    if rare and not options.drop_rare:
        raise SourceError(
            f"In {index.name} fewer than 2 images have the label {', '.join(rare[:5])}.",
            "Add images, or leave such labels out: --drop-rare",
        )
    classes = tuple(sorted(set(counts) - set(rare)))
    if not classes:
        raise SourceError(
            f"No image in {index.name} has a label.",
            "Write several labels as a|b, and a single | for none.",
        )
    if rare:
        index = replace(
            index, examples=tuple(_keep_classes(e, set(classes)) for e in index.examples)
        )
        index = _add_note(index, _dropped_labels_note(rare))
    _refuse_untrained_labels(index, classes)
    if guessed:
        index = _add_note(index, _multi_label_note())
    return replace(index, classes=classes)


def _refuse_joined_labels(index: Index) -> None:
    """Raises `UsageError` where labels look joined by something else than `|`."""
    told, hint = _other_task_note(index)
    if told and told.code == "read.perhaps_labels":
        raise UsageError(
            f"Labels in {index.name} such as {told.figures['label']} are not joined by |, "
            "so each would be a single label.",
            f"{hint} (or --label-separator '|' to keep them)",
        )


def _settle_numbers(index: Index) -> Index:
    index = write_labels(index, "number")
    used = [example for example in index.examples if example.status == "used"]
    if len(used) < _FEWEST or len({example.label for example in used}) < 2:
        raise SourceError(
            f"{index.name} has {len(used):,} images with a number and "
            f"{len({e.label for e in used}):,} different numbers; at least {_FEWEST} "
            "images and two different numbers are needed.",
            "Add images, or name the column of numbers with --label.",
        )
    return replace(index, classes=())


def _refuse_untrained_labels(index: Index, classes: tuple[str, ...]) -> None:
    if "train" not in index.given_splits:
        return
    used = [e for e in index.examples if e.status == "used" and e.split == "train"]
    missing = sorted(set(classes) - {name for e in used for name in names_in(e.label)})
    if missing:
        raise SourceError(
            f"No training image in {index.name} has the label {missing[0]}.",
            "Add training images of it, or make new splits: --split pool",
        )


def _keep_classes(example: Example, classes: set[str]) -> Example:
    if example.status != "used":
        return example
    return replace(example, label=_join_labels(tuple(set(names_in(example.label)) & classes)))


def _normalise_labels(example: Example) -> Example:
    if example.status != "used" or not example.label:
        return example
    return replace(example, label=_join_labels(names_in(example.label)))


def _join_labels(names: tuple[str, ...]) -> str:
    return "|".join(sorted(names)) or "|"


def _normalise_number(example: Example) -> Example:
    if example.status != "used":
        return example
    number = _parse_number(example.label)
    if number is None:
        reason = f"its label is not a number: {example.label[:40]}"
        return replace(example, status="set_aside", reason=reason)
    return replace(example, label=repr(number).removesuffix(".0"))


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _add_note(index: Index, note: Sentence) -> Index:
    return replace(index, notes=(*index.notes, note))


def _dropped_labels_note(rare: list[str]) -> Sentence:
    return say(
        "read.dropped_rare_labels",
        "Left out because of --drop-rare: {n:,} labels that fewer than 2 images have ({names}).",
        n=len(rare),
        names=", ".join(rare[:5]) + (", …" if len(rare) > 5 else ""),
    )


def _multi_label_note() -> Sentence:
    return say(
        "read.several_labels",
        "Labels such as a|b are read as several labels of one image; with --task "
        "label each would be one class.",
    )


_SEPARATORS = (",", ";", " ")
_JOINED = 0.05
_RECURRING = 0.8
_CAN_HOLD_MORE = ("table", "memory", "yolo", "coco")
_MANY_NUMBERS = 20
_FEWEST = 10
