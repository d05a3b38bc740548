"""`run.json`: the record of a run folder."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from striate.errors import MachineError, RunMissingError, UsageError
from striate.store import files
from striate.store.checksums import CHECKSUM_FIELD, json_checksum
from striate.values import MachineSummary, Options

RUN = "run.json"
CHECKPOINTS = "checkpoints"
LOCK = "lock"

# All that striate ever writes into a run folder, and so all that it ever deletes there.
NAMES = (
    "index.csv",
    "evidence.json",
    "plan.json",
    "doubts.csv",
    "outliers.csv",
    "layers.json",
    "trials.jsonl",
    "history.csv",
    "model",
    "predictions.csv",
    "ladder.json",
    "findings.json",
    "summary.json",
    "report.html",
    "crash.txt",
    CHECKPOINTS,
    RUN,
)

# Settings that change neither data, choices nor predictions; plan and weights count by content.
ASIDE = ("minutes", "out", "restart", "strict", "min_accuracy", "lang", "plan", "weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What a stored file was made from (`key`), its digest, and facts its format cannot store."""

    key: str
    digest: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """Where the images came from."""

    address: str
    content_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The content of `run.json`.

    `minutes` is the largest budget given so far, `rounds` how often the run was finished, `looks` a
    digest of every plan evaluated on the test split, `stages` seconds by stage. `checksum` is that
    of all the rest, and stands in the file alone; older runs have none.
    """

    schema: str = "striate/run/1"
    name: str
    command: str
    source: SourceRecord
    settings: Options
    seed: int
    settings_key: str
    minutes: Annotated[float, Meta(ge=0)]
    started: str
    finished: bool = False
    rounds: Annotated[int, Meta(ge=0)] = 0
    looks: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    machine: MachineSummary | None = None
    stages: dict[str, float] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    checksum: str = ""


def new_record(
    name: str, source: SourceRecord, options: Options, command: str, versions: dict[str, str]
) -> RunRecord:
    """The record of a run that begins now."""
    return RunRecord(
        name=name,
        command=command,
        source=source,
        settings=options,
        seed=options.seed,
        settings_key=settings_key(options, source.address),
        minutes=options.minutes,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions,
    )


def settings_key(options: Options, source_address: str) -> str:
    """Equal for two commands that, given the same time, end with the same predictions.

    Default settings are excluded, so that a setting added by a later striate leaves the key of
    earlier runs unchanged.
    """
    usual = asdict(Options())
    counts = {
        name: value
        for name, value in asdict(options).items()
        if name not in ASIDE and value != usual[name]
    }
    earlier = None if options.split in ("auto", "pool") else options.split
    if earlier:
        counts["split"] = "earlier"
    contents = [
        files.file_digest(Path(p)) if p else "" for p in (options.plan, options.weights, earlier)
    ]
    # One folder has many spellings; what is no folder, such as the demo, stays as it is.
    place = Path(source_address)
    address = str(place.resolve()) if place.exists() else source_address
    return files.values_digest(counts, contents, address)


def record_content(record: RunRecord) -> bytes:
    """The content of `run.json` for a record, with its checksum."""
    plain = json.loads(files.to_json(record))
    return files.to_json(plain | {CHECKSUM_FIELD: json_checksum(plain)})


def read_record(folder: Path) -> RunRecord:
    """The record in a folder's `run.json`.

    Raises `ModelError` if it is damaged or of a newer striate, `UsageError` if the folder is not a
    run, and `RunMissingError` if it does not exist.
    """
    path = folder / RUN
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        kind = UsageError if os.path.lexists(folder) else RunMissingError
        raise kind(
            f"{folder} is not a run folder: it has no {RUN}.",
            "Name a folder that `striate fit` made, such as runs/flowers-1.",
        ) from None
    except OSError as error:
        raise MachineError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}.",
            "Check who may read it: ls -ld " + str(folder),
        ) from error
    return replace(files.from_json(content, RunRecord, path), checksum="")
