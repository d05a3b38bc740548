"""Flags that say what to make of probabilities, and what they ask for."""

import contextlib
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from striate.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


class DecisionRequest(TypedDict):
    """What `decision.acting.asked` takes by name."""

    coverage: float | None
    unknown: float | None
    precision: float | None
    recall: float | None
    costs: str | None


def add_decision_flags(verb: F) -> F:
    """Adds `--coverage`, `--unknown`, `--precision`, `--recall` and `--costs` to a verb."""
    return _with(
        verb,
        click.option("--coverage", metavar="C", help="Sets of classes: the true one is in C."),
        click.option("--unknown", metavar="RATE", help="Say unknown, of known images to RATE."),
        click.option("--precision", metavar="P", help="Say unsure unless right in P of answers."),
        click.option("--recall", metavar="R", help="Flag classes so that R of each are found."),
        click.option("--costs", metavar="FILE", type=click.Path(), help="What answers cost."),
    )


def answering_flags(verb: F) -> F:
    """Adds the flags of `predict` that say which images there are and how answers are written."""
    return _with(
        verb,
        click.option("--force", is_flag=True, help="Let --out replace a file not striate's own."),
        click.option("--top", metavar="K", help="Only the K most probable classes, best first."),
        click.option("--excel", is_flag=True, help="CSV for spreadsheets: no cell is a formula."),
        click.option(
            "--strict", is_flag=True, help="End with exit code 4 where one has no answer."
        ),
        click.option("--image", metavar="COLUMN", help="A table's column of paths.  [image]"),
        click.option("--root", metavar="FOLDER", type=click.Path(), help="Where its paths begin."),
    )


def judging_flags(verb: F) -> F:
    """Adds the flags of `evaluate` that name classes and ask for a row an image."""
    return _with(
        verb,
        click.option("--classes", metavar="NAMES", help="Names for labels 0, 1, 2, …: a,b,c."),
        click.option(
            "--out", "-o", "rows", metavar="FILE", type=click.Path(), help="A row an image."
        ),
        click.option("--force", is_flag=True, help="Let it replace a file not striate's own."),
        click.option("--excel", is_flag=True, help="A FILE for spreadsheets: no formula."),
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
    faults.append(f"{flag} takes a number between 0 and 1, both excluded, not {typed!r}.")
    return None
