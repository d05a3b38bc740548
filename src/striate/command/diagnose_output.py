"""`striate diagnose`: from a training log to text on its learning curves."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from striate.command.flags import parse_whole_number
from striate.diagnose import complete_curve, curves_verdict, judgement_of, run_curve_checks
from striate.metrics.curve_smoothing import find_best_epoch
from striate.report.checks import sort_by_gravity
from striate.report.language import Words, choose_language, load_words, plain_spaces
from striate.store.training_log import read_training_log
from striate.values import Chosen, Curves, Diagnosis, Finding, Sentence, say

TYPE = "Type: striate diagnose --help"
CRITERION = "smoothed validation loss"
FIGURES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr")


def diagnose_log(log: str, images: Mapping[str, str | None]) -> Diagnosis:
    """The diagnosis of a log. Raises `SourceError` if it has no loss and no accuracy."""
    known = {
        name: parse_whole_number(f"--{name.replace('_', '-')}", typed, TYPE) or 0
        for name, typed in images.items()
    }
    return diagnose_log_curves(
        read_training_log(Path(log), known["train_images"], known["val_images"])
    )


def diagnose_log_curves(curves: Curves) -> Diagnosis:
    """The diagnosis of learning curves: the best epoch, and the results of the checks."""
    findings = run_curve_checks(curves)
    return Diagnosis(
        name=curves.name,
        epochs=curves.epochs_met or len(curves.epochs),
        points=len(curves.epochs),
        columns=curves.columns,
        chosen=choose_epoch(curves),
        verdict=curves_verdict(findings),
        findings=findings,
    )


def choose_epoch(curves: Curves) -> Chosen | None:
    """The best epoch by smoothed validation loss; None without a validation loss."""
    val = complete_curve(curves.val_loss, 1)
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
    """The diagnosis as lines of text: columns, best epoch, findings, other checks."""
    text = load_words(choose_language(lang))
    yield plain_spaces(text.sentence(_read_note(diagnosis)))
    if diagnosis.points < diagnosis.epochs:
        yield plain_spaces(text.sentence(_averaging_note(diagnosis)))
    if diagnosis.chosen is not None:
        yield plain_spaces(text.sentence(_choice_note(diagnosis.chosen)))
    found = sort_by_gravity(diagnosis.findings)
    if not found:
        judged = sum(f.outcome == "passed" for f in diagnosis.findings)
        yield plain_spaces(text.sentence(_nothing_wrong_note(judged)))
    judgement = judgement_of(diagnosis.verdict.code) if found else None
    if judgement is not None:
        yield ""
        yield plain_spaces(text.sentence(judgement))
    for finding in found:
        yield from _finding_lines(finding, text)
    for outcome in ("passed", "not_applicable"):
        titles = [text.finding(f)[0] for f in diagnosis.findings if f.outcome == outcome]
        if titles:
            yield ""
            yield plain_spaces(f"{text(f'outcome.{outcome}')}: {text.listed(titles)}")


def _read_note(diagnosis: Diagnosis) -> Sentence:
    read = [f"{f} = {diagnosis.columns[f]}" for f in FIGURES if f in diagnosis.columns]
    return say(
        "diagnose.read",
        "{name}: {epochs:,} epochs; {columns}",
        name=diagnosis.name,
        epochs=diagnosis.epochs,
        columns=", ".join(read),
    )


def _averaging_note(diagnosis: Diagnosis) -> Sentence:
    return say(
        "diagnose.averaged",
        "The log has many epochs, so they were averaged to {points:,} points. Epoch "
        "numbers below are those of the nearest point.",
        points=diagnosis.points,
    )


def _choice_note(chosen: Chosen) -> Sentence:
    return say(
        "diagnose.chosen",
        "Use the weights of epoch {epoch}: its smoothed validation loss is "
        "{level:.3f} ± {error:.3f}, that of the last epoch {last:.3f}. Epochs {low} "
        "to {high} are as good within the error.",
        epoch=chosen.epoch,
        level=chosen.level,
        error=chosen.error,
        last=chosen.last,
        low=chosen.low,
        high=chosen.high,
    )


def _nothing_wrong_note(judged: int) -> Sentence:
    if not judged:
        return say("diagnose.short", "These curves have too few epochs for any check.")
    return say(
        "diagnose.calm",
        "No problem found in these curves ({n} checks).",
        n=judged,
    )


def _finding_lines(finding: Finding, text: Words) -> Iterator[str]:
    title, meaning, advice = text.finding(finding)
    yield ""
    yield plain_spaces(f"{text(f'severity.{finding.severity}')}: {title}")
    yield plain_spaces(f"  {meaning}")
    yield plain_spaces(f"  {advice}")
