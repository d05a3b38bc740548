"""Flags of the decision rules: which class to predict from the probabilities."""

import contextlib
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from striate.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


class DecisionRequest(TypedDict):
    """The keyword arguments of `decision_rules.derive_rules`."""

    coverage: float | None
    unknown: float | None
    precision: float | None
    recall: float | None
    costs: str | None


def add_decision_flags(verb: F) -> F:
    """Adds `--coverage`, `--unknown`, `--precision`, `--recall` and `--costs` to a verb."""
    return _with(
        verb,
        click.option(
            "--coverage",
            metavar="C",
            help="Add a conformal set of classes that holds the true class in a share C of images.",
        ),
        click.option(
            "--unknown",
            metavar="RATE",
            help="Predict 'unknown' for images unlike the training data; at most a share RATE "
            "of known images get it.",
        ),
        click.option(
            "--precision",
            metavar="P",
            help="Predict 'unsure' where needed, so that a share P of the other predictions "
            "is correct.",
        ),
        click.option(
            "--recall",
            metavar="R",
            help="Flag every class that is probable enough, so that a share R of each class "
            "is flagged.",
        ),
        click.option(
            "--costs",
            metavar="FILE",
            type=click.Path(),
            help="CSV table of misclassification costs; predict the class of least expected cost.",
        ),
    )


def answering_flags(verb: F) -> F:
    """Adds the flags of `predict` for reading images and writing predictions."""
    return _with(
        verb,
        click.option(
            "--force",
            is_flag=True,
            help="Replace the file of --out even if striate did not write it.",
        ),
        click.option(
            "--top", metavar="K", help="Print only the K most probable classes, best first."
        ),
        click.option(
            "--excel",
            is_flag=True,
            help="Write CSV that is safe in a spreadsheet: no cell is read as a formula.",
        ),
        click.option(
            "--strict", is_flag=True, help="End with exit code 4 if an image cannot be read."
        ),
        click.option(
            "--image", metavar="COLUMN", help="Column of image paths, if PATHS is a table.  [image]"
        ),
        click.option(
            "--root",
            metavar="FOLDER",
            type=click.Path(),
            help="Folder that the paths in a table start from.",
        ),
    )


def judging_flags(verb: F) -> F:
    """Adds the flags of `evaluate` for class names and the file of rows."""
    return _with(
        verb,
        click.option(
            "--classes",
            metavar="NAMES",
            help="Class names for the labels 0, 1, 2, …, such as cat,dog,owl.",
        ),
        click.option(
            "--out",
            "-o",
            "rows",
            metavar="FILE",
            type=click.Path(),
            help="Write a CSV with one row per image.",
        ),
        click.option(
            "--force",
            is_flag=True,
            help="Replace the file of --out even if striate did not write it.",
        ),
        click.option(
            "--excel",
            is_flag=True,
            help="Write a FILE that is safe in a spreadsheet: no cell is read as a formula.",
        ),
    )


def _with(verb: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        verb = option(verb)
    return verb


def parse_decision_flags(given: dict[str, str | None], verb: str) -> DecisionRequest:
    """The numbers and the file behind these flags; raises `UsageError` with every fault."""
    faults: list[str] = []
    found = DecisionRequest(
        coverage=_parse_share("--coverage", given["coverage"], faults),
        unknown=_parse_share("--unknown", given["unknown"], faults),
        precision=_parse_share("--precision", given["precision"], faults),
        recall=_parse_share("--recall", given["recall"], faults),
        costs=given["costs"],
    )
    if faults:
        raise UsageError("\n".join(faults), f"Type: striate {verb} --help")
    return found


def _parse_share(flag: str, typed: str | None, faults: list[str]) -> float | None:
    if typed is None:
        return None
    with contextlib.suppress(ValueError):
        share = float(typed)
        if 0 < share < 1:
            return share
    faults.append(f"{flag} must be a number above 0 and below 1, not {typed!r}.")
    return None
