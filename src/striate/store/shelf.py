"""Stored values of a run folder, each under its name with what it was made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from striate.errors import ModelError
from striate.store import files
from striate.store.files import (
    Codec,
    Facts,
    from_json,
    json_codec,
    text_codec,
    to_json,
    write_bytes,
)
from striate.store.plan_files import PLAN
from striate.store.record import CHECKPOINTS, NAMES, RUN, FileRecord, RunRecord, record_content
from striate.store.tables import DOUBTS, HISTORY, INDEX, OUTLIERS, PREDICTIONS
from striate.values import Evidence, Finding, Ladder, LayerStates, Sentence, Summary, Trial, say

T = TypeVar("T")


def ignore_note(note: Sentence) -> None:
    """A listener that ignores notes."""


class RunStore:
    """The files of a run folder, and the record of what each was made from.

    The record is replaced, never modified, and written to `run.json` after each replacement.
    """

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self.tell: Callable[[Sentence], None] = ignore_note
        self._chain: list[str] = []

    def keep(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: object = None,
    ) -> T:
        """The value stored under `name`, or the result of `make`, stored atomically.

        A stored value is used if its file is unchanged and came from the same settings, the same
        content of the stored files in `inputs` (by default all that this process has stored before)
        and the same `also`. A damaged one is made again, and `tell` is notified.
        """
        codec = codec or CODECS[name]
        made_from = self._chain if inputs is None else [self._digest(n) for n in inputs]
        key = files.values_digest(self.record.settings_key, made_from, also)
        known = self.record.files.get(name)
        if known and known.key == key:
            try:
                value = self._stored(name, known, codec)
            except FileNotFoundError:
                pass  # checkpoints may be deleted
            except Exception as error:  # whatever is wrong with it, it is made again
                self._mend(name, error)
            else:
                self._chain.append(f"{name} {known.digest}")
                return value
        value = make()
        self.write(name, value, codec, key=key)
        self._chain.append(f"{name} {self.record.files[name].digest}")
        return value

    def write(self, name: str, value: T, codec: Codec[T] | None = None, *, key: str = "") -> None:
        """Store a value under `name` atomically, and record what it was made from."""
        codec = codec or CODECS[name]
        path = self.path(name)
        files.ensure_folder(path.parent)
        with files.open_atomically(path) as file:
            codec.write(value, file)
        entry = FileRecord(key=key, digest=files.file_digest(path), facts=codec.facts(value))
        self.change(files={**self.record.files, name: entry})

    def read(self, name: str, codec: Codec[T] | None = None) -> T:
        """The value stored under `name`, whatever it was made from.

        Raises `ModelError` if it is missing, or not what was written.
        """
        path = self.path(name)
        known = self.record.files.get(name)
        try:
            value: T = self._stored(name, known, codec or CODECS[name])
        except FileNotFoundError:
            raise ModelError(
                f"{self.folder} has no {name}"
                + ("." if self.record.finished else ": its fit was not finished."),
                f"Continue the fit: {self.record.command}",
            ) from None
        except ModelError:
            raise
        except Exception as error:
            raise self._damaged(path, error) from error
        return value

    def holds(self, name: str) -> bool:
        """Whether a value is stored under `name`."""
        return name in self.record.files and self.path(name).exists()

    def path(self, name: str) -> Path:
        """The path of a value of this name: public files on top, all else in `checkpoints/`."""
        return self.folder / name if name in NAMES else self.checkpoints / name

    @property
    def checkpoints(self) -> Path:
        """The folder for what resuming needs."""
        return self.folder / CHECKPOINTS

    def change(self, **changes: Any) -> None:
        """Replace fields of the record and write it."""
        self.record = replace(self.record, **changes)
        self.save()

    def save(self) -> None:
        """Write the record to `run.json`."""
        files.write_atomically(self.folder / RUN, record_content(self.record))

    def _stored(self, name: str, known: FileRecord | None, codec: Codec[T]) -> T:
        path = self.path(name)
        found = files.file_digest(path)
        if known is None or found != known.digest:
            raise ValueError(f"{path} has changed since it was written")
        return codec.read(path, known.facts)

    def _mend(self, name: str, error: Exception) -> None:
        note = say(
            "store.mended",
            "{path} is damaged ({reason}), so it is computed again.",
            path=str(self.path(name)),
            reason=files.error_reason_text(self.path(name), error),
        )
        self.tell(note)

    def _damaged(self, path: Path, error: Exception) -> ModelError:
        """The error with what to type: only an interrupted fit makes the file again by itself."""
        again = files.damaged_file_error(path, error)
        if self.record.finished:
            return ModelError(
                again.sentence,
                f"Restore an undamaged copy, or start again: {self.record.command} --restart",
            )
        return ModelError(again.sentence, f"Continue the fit: {self.record.command}")

    def _digest(self, name: str) -> str:
        known = self.record.files.get(name)
        return f"{name} {known.digest if known else ''}"


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
    write_bytes(file, to_json(FindingsFile(findings=findings)))


def _read_findings(path: Path, facts: Facts) -> tuple[Finding, ...]:
    return from_json(path.read_bytes(), FindingsFile, path).findings


def _write_trials(trials: tuple[Trial, ...], file: BinaryIO) -> None:
    for trial in trials:
        write_bytes(file, to_json(TrialLine(trial=trial), indent=None))


def _read_trials(path: Path, facts: Facts) -> tuple[Trial, ...]:
    lines = path.read_bytes().splitlines()
    return tuple(from_json(line, TrialLine, path).trial for line in lines)


CODECS: dict[str, Codec[Any]] = {
    "index.csv": INDEX,
    "evidence.json": json_codec(Evidence),
    "plan.json": PLAN,
    "doubts.csv": DOUBTS,
    "outliers.csv": OUTLIERS,
    "layers.json": json_codec(LayerStates),
    "trials.jsonl": Codec(write=_write_trials, read=_read_trials),
    "history.csv": HISTORY,
    "predictions.csv": PREDICTIONS,
    "ladder.json": json_codec(Ladder),
    "findings.json": Codec(write=_write_findings, read=_read_findings),
    "summary.json": json_codec(Summary),
    "report.html": text_codec(),
}
