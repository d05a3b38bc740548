"""What stands in each public file of a run folder: its name -> its codec."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from striate.store.files import Codec, Facts, from_json, of_json, of_text, put, to_json
from striate.store.plans import PLAN
from striate.store.tables import DOUBTS, HISTORY, INDEX, OUTLIERS, PREDICTIONS
from striate.values import Evidence, Finding, Ladder, LayerStates, Summary, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsFile:
    """The content of `findings.json`."""

    schema: str = "striate/findings/1"
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLine:
    """A line of `trials.jsonl`."""

    schema: str = "striate/trial/1"
    trial: Trial


def _write_findings(findings: tuple[Finding, ...], file: BinaryIO) -> None:
    put(file, to_json(FindingsFile(findings=findings)))


def _read_findings(path: Path, facts: Facts) -> tuple[Finding, ...]:
    return from_json(path.read_bytes(), FindingsFile, path).findings


def _write_trials(trials: tuple[Trial, ...], file: BinaryIO) -> None:
    for trial in trials:
        put(file, to_json(TrialLine(trial=trial), indent=None))


def _read_trials(path: Path, facts: Facts) -> tuple[Trial, ...]:
    lines = path.read_bytes().splitlines()
    return tuple(from_json(line, TrialLine, path).trial for line in lines)


CODECS: dict[str, Codec[Any]] = {
    "index.csv": INDEX,
    "evidence.json": of_json(Evidence),
    "plan.json": PLAN,
    "doubts.csv": DOUBTS,
    "outliers.csv": OUTLIERS,
    "layers.json": of_json(LayerStates),
    "trials.jsonl": Codec(write=_write_trials, read=_read_trials),
    "history.csv": HISTORY,
    "predictions.csv": PREDICTIONS,
    "ladder.json": of_json(Ladder),
    "findings.json": Codec(write=_write_findings, read=_read_findings),
    "summary.json": of_json(Summary),
    "report.html": of_text(),
}
