"""The run folder: keep a value, find it again, resume, continue."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from striate.errors import MachineError, StriateError, UsageError
from striate.predict.batch_predict import predict_index
from striate.predict.decision_rules import derive_rules
from striate.predict.evaluation import Evaluation
from striate.report.card import run_card
from striate.store import files
from striate.store.clock import TimeBudget as TimeBudget
from striate.store.files import Codec
from striate.store.record import RUN, RunRecord, SourceRecord, new_record, read_record
from striate.store.run_folder import (
    Mode,
    RunPlace,
    clear_run_folder,
    find_run_place,
    lock_folder,
    remove_begun_run,
    sweep_run_folder,
)
from striate.store.shelf import RunStore
from striate.store.summary import package_versions
from striate.values import (
    Finding,
    Machine,
    MachineSummary,
    Options,
    Plan,
    Predictions,
    Progress,
    ReadingOptions,
    Summary,
    Watch,
)

if TYPE_CHECKING:
    from typing import Unpack

    from striate.config.settings import Settings
    from striate.predict.classifier import Classifier
    from striate.predict.judging import Names

T = TypeVar("T")

# Not a stage but a moment: when the first usable model stood on disk.
FIRST_MODEL = "first_model"


class Run:
    """A folder that holds one fit.

    `keep` is the one habit from which resuming follows: what the folder holds and was made from
    the same things is read, all else is made and written whole. `mode` is `new`, `resume` (was
    broken off), `improve` (finished, and now given more minutes) or `done` (nothing to do).
    """

    def __init__(
        self, folder: Path, record: RunRecord, mode: Mode = "done", clock: TimeBudget | None = None
    ) -> None:
        self._shelf = RunStore(folder, record)
        self.mode: Mode = mode
        self.clock = clock or TimeBudget(record.minutes)
        self._place: RunPlace | None = None
        self._lock: IO[bytes] | None = None

    # Opening -------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        source_name: str,
        options: Options,
        *,
        command: str,
        source_address: str,
        content_hash: str = "",
        clock: TimeBudget | None = None,
    ) -> "Run":
        """The run that a command goes on with, or a new one (docs/reference/contracts.md).

        Raises `UsageError` where `--out` names a folder that is not a run, or one with other
        settings; `ModelError` where a run that might be meant is damaged or of a newer striate;
        `MachineError` where the folder cannot be made or another process works in it.
        """
        source = SourceRecord(address=source_address, content_hash=content_hash)
        fresh = new_record(source_name, source, options, command, package_versions())
        place = find_run_place(fresh)
        run = cls(place.folder, place.record, place.mode, clock or TimeBudget(options.minutes))
        if place.mode != "done":
            run._begin(place)
        return run

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Run":
        """The run in a folder, to be read: finished, broken off or still going on.

        Raises `UsageError` where the folder is no run, `ModelError` where it is damaged or of a
        newer striate.
        """
        try:
            folder = Path(path)
        except TypeError as error:
            raise UsageError(f"{path!r:.60} names no run folder.", "Give its path.") from error
        if folder.name == RUN:
            folder = folder.parent
        return cls(folder, read_record(folder))

    # Keeping -------------------------------------------------------------------------------------

    def keep(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: object = None,
    ) -> T:
        """The value that the folder holds under `name`, or what `make` gives: `RunStore.keep`."""
        return self._shelf.keep(name, make, codec, inputs=inputs, also=also)

    def write(self, name: str, value: T, codec: Codec[T] | None = None) -> None:
        """Writes a value under `name`, whole or not at all."""
        self._shelf.write(name, value, codec)

    def watched_by(self, watch: Watch) -> None:
        """Tells this watcher what the folder held damaged and is made again."""
        self._shelf.tell = lambda note: watch(Progress(stage="train", note=note))

    def read(self, name: str, codec: Codec[T] | None = None) -> T:
        """The value that the folder holds under `name`; raises `ModelError` where it has none."""
        return self._shelf.read(name, codec)

    def holds(self, name: str) -> bool:
        """Whether something was written under `name`."""
        return self._shelf.holds(name)

    def path(self, name: str) -> Path:
        """Where a value of this name stands: public files on top, all else in `checkpoints/`."""
        return self._shelf.path(name)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._shelf.folder

    @property
    def record(self) -> RunRecord:
        """What `run.json` says now."""
        return self._shelf.record

    @property
    def checkpoints(self) -> Path:
        """The folder for what resuming needs."""
        return self._shelf.checkpoints

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.folder / "model"

    @property
    def settings_key(self) -> str:
        """Equal for two runs that differ in nothing but minutes, place and language."""
        return self.record.settings_key

    @property
    def minutes(self) -> float:
        """The largest budget that this run was ever given."""
        return self.record.minutes

    # Going on ------------------------------------------------------------------------------------

    def stage_done(self, name: str, seconds: float) -> None:
        """Adds seconds to a stage's; a stage that was broken off counts both parts."""
        spent = self.record.stages.get(name, 0.0) + seconds
        self._shelf.change(stages={**self.record.stages, name: round(spent, 3)})

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds what a stage takes to the account; a stage within it counts for itself alone."""
        started, before = time.monotonic(), self._accounted()

        def note() -> None:
            inner = self._accounted() - before
            self.stage_done(name, max(0.0, time.monotonic() - started - inner))

        try:
            yield
        except BaseException:
            # What went wrong is to be told, not that a full disk took no account of it either.
            with contextlib.suppress(MachineError):
                note()
            raise
        note()

    def _accounted(self) -> float:
        return sum(self.record.stages.values()) - self.record.stages.get(FIRST_MODEL, 0.0)

    def note(self, *, machine: Machine | None = None, content_hash: str = "") -> None:
        """Writes into `run.json` what was found out after the run was opened."""
        if machine is not None:
            short = MachineSummary(
                device=machine.device, threads=machine.threads, precision=machine.precision
            )
            self._shelf.change(machine=short)
        if content_hash:
            self._shelf.change(source=replace(self.record.source, content_hash=content_hash))

    def look(self, plan: Plan) -> int:
        """Counts a look at the test split by a plan, before it happens; says which look it is.

        The same plan looking again sees what it saw: that is no new look.
        """
        judged = files.values_digest(plan)
        if judged not in self.record.looks:
            self._shelf.change(looks=(*self.record.looks, judged))
        return len(self.record.looks)

    def finish(self, summary: Summary) -> None:
        """Writes the summary and marks the run as finished."""
        self.write("summary.json", summary)
        self._shelf.change(finished=True, rounds=self.record.rounds + 1)
        self.close()

    def abandon(self) -> None:
        """Takes back a run that this process has just begun, and the folders made for it."""
        if self._place and self._place.begun:
            remove_begun_run(self.folder, self._place.made)
        self.close()

    def close(self) -> None:
        """Lets other processes work in the folder."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Takes a run back that an error left without use; tells a crash where its run is."""
        hopeless = isinstance(error, StriateError) and error.exit_code in _INPUT_ERROR_CODES
        unused = not self.record.files or (hopeless and not self.model.exists())
        if error is not None and unused and self._place and self._place.begun:
            self.abandon()
        elif error is not None and not isinstance(error, StriateError):
            error.striate_run = str(self.folder)  # type: ignore[attr-defined]
        self.close()

    # Using ---------------------------------------------------------------------------------------

    @property
    def summary(self) -> Summary:
        """What came out: the content of `summary.json`."""
        return self.read("summary.json")

    @property
    def plan(self) -> Plan:
        """What was chosen, and why."""
        return self.read("plan.json")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks say."""
        return self.read("findings.json")

    @cached_property
    def classifier(self) -> "Classifier":
        """The model."""
        from striate.predict.classifier import load_classifier

        return load_classifier(self.model)

    def predict(
        self,
        images: Any,
        *,
        coverage: float | None = None,
        unknown: float | None = None,
        precision: float | None = None,
        recall: float | None = None,
        costs: str | os.PathLike[str] | None = None,
        image: str | None = None,
        root: str | os.PathLike[str] | None = None,
    ) -> Predictions:
        """Predictions for images, a row for each in the order given.

        Images are paths, folders, tables, archives, PIL images, bytes, open files, arrays (one
        H x W [x C], many N x H x W [x C]) and tensors, or any list, iterator or column of such;
        floats lie in [0, 1]. `image` names a table's column, `root` is where its paths begin.
        With `coverage` each has a set of classes (`sets`) that holds the true one so often; at a
        familiarity of at most `unknown` the answer is `unknown`; with `precision` answers that
        are not sure enough for it are `unsure`; with `recall` every class that may be true at
        that rate is `flagged`; `costs` names a CSV file of what answers cost, and the class that
        costs least is predicted.
        An image that cannot be read keeps its row: its label is None, its probabilities are NaN,
        and `errors` says why. Raises `UsageError` where what was given holds no images.
        """
        from striate.data.estimator_input import one_or_many
        from striate.data.scan import read_unlabelled

        wanted = derive_rules(
            self.classifier,
            coverage=coverage,
            unknown=unknown,
            costs=costs,
            precision=precision,
            recall=recall,
        )
        settings = self.record.settings
        folder = None if root is None else os.fspath(root)
        how = ReadingOptions(image=image or settings.image, root=folder)
        index = read_unlabelled(one_or_many(images, how.image), how)
        return predict_index(self.classifier, index, settings.max_pixels, wanted)[0]

    def evaluate(
        self,
        source: Any,
        *,
        coverage: float | None = None,
        unknown: float | None = None,
        precision: float | None = None,
        recall: float | None = None,
        costs: str | os.PathLike[str] | None = None,
        classes: "Names" = (),
        **reading: "Unpack[Settings]",
    ) -> Evaluation:
        """How good the model is on labelled images, those left out that it was trained on.

        What is asked for as in `predict` follows from the run's held-out images; `observed`
        tells what it then gave on these. With `costs` the answers are those that cost least.
        `classes` names labels that are numbers: a list, the first for 0, or a dict. `reading`
        are settings of `fit` that say how the source is read, such as `image`, `label`, `group`,
        `group_pattern`, `root`; without them those of the run hold.
        Images of classes that the model does not know are not counted.
        """
        from striate.predict.judging import judge
        from striate.predict.judging import reading as merged

        # What cannot be promised is said before any image is read.
        wanted = derive_rules(
            self.classifier,
            coverage=coverage,
            unknown=unknown,
            costs=costs,
            precision=precision,
            recall=recall,
        )
        settings = merged(self.record.settings, reading)
        return judge(
            self.classifier,
            source,
            replace(settings, task=self.classifier.spec.task),
            self.read("index.csv") if self.holds("index.csv") else None,
            wanted,
            classes=classes,
            told=tuple(reading),
        )

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        summary = self.summary if self.holds("summary.json") else None
        return run_card(str(self.folder), summary)

    # Beneath -------------------------------------------------------------------------------------

    def _begin(self, place: RunPlace) -> None:
        self._place = place
        try:
            self._lock = lock_folder(self.folder)
            self._shelf.save()  # before anything goes, so that a crash in between leaves a new run
            sweep_run_folder(self.folder)
            if place.mode == "new":
                clear_run_folder(self.folder)
        except BaseException:
            self.abandon() if place.begun else self.close()
            raise


# A wrong command, a useless source, a misfit model: the same command will fail the same way.
_INPUT_ERROR_CODES = (2, 3, 5)
