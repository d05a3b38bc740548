"""The split of an index into training, validation and test: whole groups, seeded."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from striate.data.split import iterative_stratification
from striate.data.split.index_csv import earlier_split_sides
from striate.data.split.portions import SplitGroup, assign_folds, assign_portions, split_groups
from striate.values import SPLITS, Index, Rows, Sentence, Split, SplitOptions, say

TEST_SHARE = 0.15
VAL_SHARE = 0.15
MOST_TEST = 10_000
MOST_VAL = 5_000
FEWEST_TEST = 60
# Images a class, below which a fold may lack a class in judging or nearly so in training.
FEW_A_CLASS = 5
FEWEST_TEST_A_CLASS = 4
FOLDS = 5


def split_index(index: Index, groups: Rows, options: SplitOptions) -> Split:
    """The split of an index by the rules of docs/reference/contracts.md.

    `groups` has a number for every row. Given splits are kept (`auto`) unless too few of their test
    images are without duplicates; else 70 / 15 / 15, stratified by class; five folds if the test
    split would be too small. If `options.split` names the `index.csv` of an earlier run, its images
    stay in their splits and new ones are added. `leaked` is a part of `test`. Depends on seed,
    contents and labels, never on the order of rows.
    """
    units = split_groups(index, groups, options.seed)
    notes = [*_contradiction_notes(index, units)]
    if options.split not in ("auto", "pool"):
        return _extend_earlier_split(
            index, groups, units, earlier_split_sides(options.split, index), notes
        )
    given = _given_roles(index, options)
    if given is None:
        return _cut_split(index, groups, units, notes)
    split = _use_given_splits(index, groups, units, given, notes)
    if split is not None:
        return split
    test, leaked = _given_test(index, groups, given)
    return replace(_cut_split(index, groups, units, notes), given_test=test, given_leaked=leaked)


def _given_roles(index: Index, options: SplitOptions) -> dict[str, str] | None:
    """Which given split serves as which, or None where new ones are to be cut."""
    given = set(index.given_splits)
    if options.split == "pool" or "train" not in given or given == {"train"}:
        return None
    if "test" not in given:
        return {"train": "train", "val": "test"}
    return {name: name for name in given}


def _use_given_splits(
    index: Index,
    groups: Rows,
    units: list[SplitGroup],
    roles: dict[str, str],
    notes: list[Sentence],
) -> Split | None:
    """The given splits, with a val taken from train if none is left; None if test is too small."""
    rows = _given_rows(index, roles)
    test, leaked = _given_test(index, groups, roles)
    if len(leaked):
        notes.append(_leak_note(len(leaked), len(test)))
    clean = int(index.firsts(test[~np.isin(test, leaked)]).sum())
    if clean < FEWEST_TEST:
        notes.append(
            say(
                "split.given_too_small",
                "The given test split has only {n:,} images that are not duplicates of other "
                "splits; at least {fewest} are needed. So all images are pooled and split "
                "anew.",
                n=clean,
                fewest=FEWEST_TEST,
            )
        )
        return None
    if "val" in roles and roles["val"] == "test":
        notes.append(
            say(
                "split.val_is_test",
                "The given validation split is used as the test split, because there is "
                "none. A new validation split is taken from train.",
            )
        )
    train, val = _sorted_rows(rows["train"]), _sorted_rows(rows["val"])
    if not len(val):
        inside = np.isin(np.arange(len(index.examples)), train)
        within = [unit.within(inside) for unit in units]
        parts = _portion_function(index)(within, {"val": (VAL_SHARE, MOST_VAL)})
        train, val = _sorted_rows(parts["train"]), _sorted_rows(parts["val"])
    elif len(copies := val[np.isin(groups[val], groups[train])]):
        notes.append(
            say(
                "split.val_copies",
                "Validation images that are duplicates of training images: {n:,} of {of:,}.",
                n=len(copies),
                of=len(val),
            )
        )
    return Split(train=train, val=val, test=test, groups=groups, leaked=leaked, notes=tuple(notes))


def _given_rows(index: Index, roles: dict[str, str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for row in index.used():
        rows[roles[index.examples[row].split]].append(int(row))
    return rows


def _given_test(index: Index, groups: Rows, roles: dict[str, str]) -> tuple[Rows, Rows]:
    """Rows of the given test split, and those of them that have a copy in train or val."""
    rows = _given_rows(index, roles)
    test = np.array(rows["test"], np.int64)
    seen = np.unique(groups[rows["train"] + rows["val"]])
    return test, test[np.isin(groups[test], seen)]


def _extend_earlier_split(
    index: Index,
    groups: Rows,
    units: list[SplitGroup],
    sides: dict[int, str],
    notes: list[Sentence],
) -> Split:
    """Earlier images in their splits, new ones of their groups with them, others by share."""
    every = np.arange(len(index.examples))
    side_of_group: dict[int, str] = {}
    for name in ("test", "val", "train"):  # of a group on several sides, new images train
        side_of_group |= {int(groups[row]): name for row, side in sides.items() if side == name}
    side = np.array(
        [sides.get(row, side_of_group.get(int(groups[row]), "")) for row in every.tolist()]
    )
    placed = {
        name: [u for unit in units if (u := unit.within(side == name)).rows] for name in SPLITS
    }
    free = [unit for unit in units if int(groups[unit.rows[0]]) not in side_of_group]
    shares = {"test": (TEST_SHARE, MOST_TEST), "val": (VAL_SHARE, MOST_VAL)}
    parts = _portion_function(index)(free, shares, placed)
    test = _sorted_rows(parts["test"])
    seen = np.unique(groups[[*parts["train"], *parts["val"]]])
    leaked = test[np.isin(groups[test], seen)]
    kept = say(
        "split.filled_up",
        "Images that stay in the split of the earlier run: {kept:,}; new images: {new:,}.",
        kept=len(sides),
        new=len(index.used()) - len(sides),
    )
    return Split(
        train=_sorted_rows(parts["train"]),
        val=_sorted_rows(parts["val"]),
        test=test,
        groups=groups,
        leaked=leaked,
        notes=(*notes, kept, *([_leak_note(len(leaked), len(test))] if len(leaked) else [])),
    )


def _cut_split(index: Index, groups: Rows, units: list[SplitGroup], notes: list[Sentence]) -> Split:
    """70 / 15 / 15 by class in whole groups, or five folds where the test would be tiny."""
    shares = {"test": (TEST_SHARE, MOST_TEST), "val": (VAL_SHARE, MOST_VAL)}
    parts = _portion_function(index)(units, shares)
    nothing = np.zeros(0, np.int64)
    # Copies judge once, so pictures are counted, not files (decision 0006).
    test = _sorted_rows(parts["test"])
    test = test[index.firsts(test)]
    images, fewest = len(test), _rarest_class_size(index, test)
    if images >= FEWEST_TEST and fewest >= FEWEST_TEST_A_CLASS:
        return Split(
            train=_sorted_rows(parts["train"]),
            val=_sorted_rows(parts["val"]),
            test=_sorted_rows(parts["test"]),
            groups=groups,
            leaked=nothing,
            notes=tuple(notes),
        )
    notes.append(_too_small_note(index, images, fewest))
    if index.task == "label" and (least := _rarest_class_size(index, index.used())) < FEW_A_CLASS:
        notes.append(_few_per_class_note(least))
    folds = np.full(len(index.examples), -1, np.int64)
    dealt = iterative_stratification.assign_label_folds if index.task == "labels" else assign_folds
    for fold, rows in enumerate(dealt(units, FOLDS)):
        folds[rows] = fold
    return Split(
        train=index.used(),
        val=nothing,
        test=nothing,
        groups=groups,
        leaked=nothing,
        evaluation="cross-validation",
        folds=folds,
        notes=tuple(notes),
    )


def _too_small_note(index: Index, images: int, fewest: int) -> Sentence:
    if index.task == "number":
        return say(
            "split.tiny_number",
            "Too few images for a test split: it would hold {n:,} (without duplicates). "
            "So {folds}-fold cross-validation is used.",
            n=images,
            folds=FOLDS,
        )
    return say(
        "split.tiny",
        "Too few images for a test split: it would hold {n:,} (without duplicates), "
        "{fewest:,} of the smallest class. So {folds}-fold cross-validation is used.",
        n=images,
        fewest=fewest,
        folds=FOLDS,
    )


def _few_per_class_note(least: int) -> Sentence:
    return say(
        "split.few_a_class",
        "The smallest class has {least:,} images. The accuracy over all classes can "
        "be measured, with a wide interval. Not measurable: the accuracy of a single "
        "class, the calibration, and whether training beats the linear model.",
        least=least,
    )


def _portion_function(index: Index) -> Callable[..., dict[str, list[int]]]:
    """How images are shared out: by class, or by sets of labels, which are hardly ever equal."""
    return (
        iterative_stratification.assign_label_portions
        if index.task == "labels"
        else assign_portions
    )


def _rarest_class_size(index: Index, rows: Rows) -> int:
    """Images of the rarest class among some rows; numbers have no classes."""
    if index.task == "number":
        return len(rows)
    return int(index.targets()[rows].sum(axis=0).min())


def _contradiction_notes(index: Index, units: list[SplitGroup]) -> Iterable[Sentence]:
    torn = [unit for unit in units if unit.contradictory]
    if torn:
        first = torn[0].rows
        other = next(r for r in first if index.examples[r].label != index.examples[first[0]].label)
        yield say(
            "split.contradictory",
            "Duplicates with different labels: {n:,} images, for example {one} and "
            "{other}. They are kept out of the test split.",
            n=len(torn),
            one=index.examples[first[0]].path,
            other=index.examples[other].path,
        )


def _leak_note(leaked: int, test: int) -> Sentence:
    return say(
        "split.leaked",
        "Leakage: {n:,} of {of:,} test images are duplicates of training or "
        "validation images and are not counted.",
        n=leaked,
        of=test,
    )


def _sorted_rows(rows: Iterable[int]) -> Rows:
    return np.array(sorted(rows), np.int64)
