"""`striate diagnose`: a training's log -> what its curves tell, in words."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from striate.command.flags import whole_number
from striate.diagnose import diagnose_curves, verdict_of_curves, whole
from striate.metrics.curve_smoothing import find_best_epoch
from striate.report.checks import gravest
from striate.report.language import Words, pick_language, plain, words
from striate.store.training_log import read_log
from striate.values import Chosen, Curves, Diagnosis, Finding, Sentence, say

TYPE = "Type: striate diagnose --help"
CRITERION = "smoothed validation loss"
FIGURES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr")


def read_and_judge(log: str, images: Mapping[str, str | None]) -> Diagnosis:
    """What a log tells. Raises `SourceError` where it tells of no loss and no accuracy."""
    known = {
        name: whole_number(f"--{name.replace('_', '-')}", typed, TYPE) or 0
        for name, typed in images.items()
    }
    return judge(read_log(Path(log), known["train_images"], known["val_images"]))


def judge(curves: Curves) -> Diagnosis:
    """What curves tell: which epoch to keep, what is wrong with them."""
    findings = diagnose_curves(curves)
    return Diagnosis(
        name=curves.name,
        epochs=curves.epochs_met or len(curves.epochs),
        points=len(curves.epochs),
        columns=curves.columns,
        chosen=chosen_epoch(curves),
        verdict=verdict_of_curves(findings),
        findings=findings,
    )


def chosen_epoch(curves: Curves) -> Chosen | None:
    """The epoch to keep by the smoothed validation loss; None where there is none to smooth."""
    val = whole(curves.val_loss, 1)
    if val is None:
        return None
    best = find_best_epoch(val)
    return Chosen(
        criterion=CRITERION,
        epoch=curves.epochs[best.place],
        low=curves.epochs[best.low],
        high=curves.epochs[best.high],
        level=best.level,
        error=best.error,
        last=best.last,
    )


def diagnosis_lines(diagnosis: Diagnosis, lang: str) -> Iterator[str]:
    """The diagnosis for people: what was read, the epoch, what was found, what was not."""
    text = words(pick_language(lang))
    yield plain(text.sentence(_read(diagnosis)))
    if diagnosis.points < diagnosis.epochs:
        yield plain(text.sentence(_averaged(diagnosis)))
    if diagnosis.chosen is not None:
        yield plain(text.sentence(_choice(diagnosis.chosen)))
    found = gravest(diagnosis.findings)
    if not found:
        judged = sum(f.outcome == "passed" for f in diagnosis.findings)
        yield plain(text.sentence(_calm(judged)))
    for finding in found:
        yield from _found(finding, text)
    for outcome in ("passed", "not_applicable"):
        titles = [text.finding(f)[0] for f in diagnosis.findings if f.outcome == outcome]
        if titles:
            yield ""
            yield plain(f"{text(f'outcome.{outcome}')}: {text.listed(titles)}")


def _read(diagnosis: Diagnosis) -> Sentence:
    read = [f"{f} = {diagnosis.columns[f]}" for f in FIGURES if f in diagnosis.columns]
    return say(
        "diagnose.read",
        "{name}: {epochs:,} epochs; {columns}",
        name=diagnosis.name,
        epochs=diagnosis.epochs,
        columns=", ".join(read),
    )


def _averaged(diagnosis: Diagnosis) -> Sentence:
    return say(
        "diagnose.averaged",
        "So many epochs were averaged to {points:,} points; epochs are named to the nearest.",
        points=diagnosis.points,
    )


def _choice(chosen: Chosen) -> Sentence:
    return say(
        "diagnose.chosen",
        "Keep epoch {epoch}: its smoothed validation loss is {level:.3f} ± {error:.3f}, the last "
        "epoch's {last:.3f}. From epoch {low} to {high} the best cannot be told from it.",
        epoch=chosen.epoch,
        level=chosen.level,
        error=chosen.error,
        last=chosen.last,
        low=chosen.low,
        high=chosen.high,
    )


def _calm(judged: int) -> Sentence:
    if not judged:
        return say("diagnose.short", "These curves are too short to judge.")
    return say(
        "diagnose.calm",
        "Nothing is wrong as far as these curves tell; {n} checks could judge them.",
        n=judged,
    )


def _found(finding: Finding, text: Words) -> Iterator[str]:
    title, meaning, advice = text.finding(finding)
    yield ""
    yield plain(f"{text(f'severity.{finding.severity}')}: {title}")
    yield plain(f"  {meaning}")
    yield plain(f"  {advice}")
