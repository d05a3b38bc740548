"""The run folder: store results, find them again, resume and continue a fit."""

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

    A fit resumes because every result goes through `keep`: a result that is stored and was made
    from the same inputs is read, any other is computed and stored atomically. `mode` is `new`,
    `resume` (was interrupted), `improve` (finished, and now given more minutes) or `done` (nothing
    to do).
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
        """The run that a command continues, or a new one (docs/reference/contracts.md).

        Raises `UsageError` if `--out` names a folder that is not a run, or a run with other
        settings; `ModelError` if a run that may be meant is damaged or of a newer version;
        `MachineError` if the folder cannot be created or another process uses it.
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
        """The run in a folder, finished or not, for reading.

        Raises `UsageError` if the folder is not a run, `ModelError` if it is damaged or of a newer
        version.
        """
        try:
            folder = Path(path)
        except TypeError as error:
            raise UsageError(
                f"{path!r:.60} is not the path of a run folder.",
                "Give the path of its folder, such as runs/flowers-1.",
            ) from error
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
        """The value stored under `name`, or the result of `make`: see `RunStore.keep`."""
        return self._shelf.keep(name, make, codec, inputs=inputs, also=also)

    def write(self, name: str, value: T, codec: Codec[T] | None = None) -> None:
        """Write a value under `name` atomically."""
        self._shelf.write(name, value, codec)

    def watched_by(self, watch: Watch) -> None:
        """Tell this watcher which stored values were damaged and are computed again."""
        self._shelf.tell = lambda note: watch(Progress(stage="train", note=note))

    def read(self, name: str, codec: Codec[T] | None = None) -> T:
        """The value stored under `name`; raises `ModelError` if there is none."""
        return self._shelf.read(name, codec)

    def holds(self, name: str) -> bool:
        """Whether a value was stored under `name`."""
        return self._shelf.holds(name)

    def path(self, name: str) -> Path:
        """The path of a stored value: public files in the folder, others in `checkpoints/`."""
        return self._shelf.path(name)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._shelf.folder

    @property
    def record(self) -> RunRecord:
        """The current content of `run.json`."""
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
        """Add seconds to a stage; an interrupted stage sums its parts."""
        spent = self.record.stages.get(name, 0.0) + seconds
        self._shelf.change(stages={**self.record.stages, name: round(spent, 3)})

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the duration of a block to its stage; nested stages are counted separately."""
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
        """Count an evaluation of a plan on the test split, before it happens; returns its number.

        Evaluating the same plan again gives the same result and is not counted again.
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
        """Remove a run that this process has just begun, and the folders created for it."""
        if self._place and self._place.begun:
            remove_begun_run(self.folder, self._place.made)
        self.close()

    def close(self) -> None:
        """Release the folder for other processes."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Remove a run that failed without a result; attach the folder to an unexpected error."""
        hopeless = isinstance(error, StriateError) and error.exit_code in _INPUT_ERROR_CODES
        unused = not self.record.files or (hopeless and not self.model.exists())
        if error is not None and unused and self._place and self._place.begun:
            self.abandon()
        elif error is not None and not isinstance(error, StriateError):
            # Any exception can carry the folder; `report_crash` reads it.
            error.striate_run = str(self.folder)  # type: ignore[attr-defined]
        self.close()

    # Using ---------------------------------------------------------------------------------------

    @property
    def summary(self) -> Summary:
        """The result: the content of `summary.json`."""
        return self.read("summary.json")

    @property
    def plan(self) -> Plan:
        """The plan: every setting, with its reason."""
        return self.read("plan.json")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The results of the checks."""
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
        """Predictions for images, one row per image, in order.

        Images are paths, folders, tables, archives, PIL images, bytes, open files, arrays (one H x
        W [x C], many N x H x W [x C]) and tensors, or any list, iterator or column of these; floats
        are in [0, 1]. `image` names a table's column of paths, which start from `root`.

        `coverage` adds conformal sets of classes (`sets`) that hold the true class at that rate. An
        image whose familiarity (p-value of being in distribution) is at most `unknown` gets the
        label `unknown`. With `precision`, predictions that are not confident enough for it are
        `unsure`. With `recall`, every class that is probable enough for it is `flagged`. `costs`
        names a CSV file of misclassification costs; then the class of least expected cost is
        predicted.

        An image that cannot be read has the label None, NaN probabilities, and the reason in
        `errors`. Raises `UsageError` if there are no images.
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
        """The evaluation of the model on labelled images, without those it was trained on.

        The decision rules are those of `predict`. Their thresholds come from the run's held-out
        images, and `observed` holds what they reach on these images. `classes` names the class
        numbers: a list, the first for 0, or a dict. `reading` are settings of `fit` for reading the
        source, such as `image`, `label`, `group`, `group_pattern`, `root`; by default those of the
        run. Images of classes that the model does not have are not counted.
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
