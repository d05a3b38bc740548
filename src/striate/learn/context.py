"""What the procedure is given, in three parts, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.predict.classifier import Classifier
from striate.probe.features import FeatureTable
from striate.store.files import Codec
from striate.strategy.budget import STEPS_PER_JUDGING, refit_seconds, training_seconds
from striate.values import (
    TUNED,
    Cache,
    Evidence,
    History,
    Index,
    Machine,
    Options,
    Plan,
    Rows,
    Watch,
)

T = TypeVar("T")


class StageCache(Protocol):
    """Gives a stage's value back if the run holds it, else makes it and writes it whole."""

    def __call__(
        self,
        name: str,
        make: Callable[[], T],
        codec: Codec[T] | None = None,
        *,
        inputs: Sequence[str] | None = None,
        also: Any = None,
    ) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitData:
    """The images that may be looked at, in rows of the index: no test image is among them.

    `feature_rows` are those whose frozen features may be computed together. `seed` is that of
    every draw among the images.
    """

    index: Index
    cache: Cache
    train: Rows
    val: Rows
    groups: Rows
    feature_rows: Rows
    seed: int

    @property
    def labels(self) -> Rows:
        """Class number of every row of the index."""
        return self.index.labels()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Budget:
    """The time: `minutes` that a plan is made for, and seconds that are left of them.

    `judge_images` are still to be predicted at the end.
    """

    minutes: float
    seconds_left: Callable[[], float]
    judge_images: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunPort:
    """The way to the run folder.

    `keep` gives back what is there or makes it, `publish` writes a value that people read.
    `usable` is called with every model that is better than none, the first one early.
    """

    checkpoints: Path
    keep: StageCache
    publish: Callable[[str, Any], None]
    usable: Callable[[Classifier], None]
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitContext:
    """What a fit is given: its images, its time, its run folder, and what a person asked for."""

    data: FitData
    budget: Budget
    port: RunPort
    options: Options
    machine: Machine
    given_plan: Plan | None

    def training_seconds(self, evidence: Evidence, strategy: str, views: int = 1) -> float:
        """Seconds that a training may still take when the judging and the report are spared.

        Judging by the network that is trained costs what its measured speed says, `views` times.
        """
        speed = evidence.speeds.get("features") or self.machine.speeds.get("features", 100.0)
        if strategy == "scratch":
            speed = STEPS_PER_JUDGING * evidence.speeds.get("scratch", speed / STEPS_PER_JUDGING)
        spared = views * self.budget.judge_images / speed
        if strategy in TUNED:
            spared += refit_seconds(len(self.data.train), len(self.data.val), speed)
        return training_seconds(self.budget.seconds_left(), spared)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """What a fit ends with; `val_probabilities` are of the rows in `FitData.val`, in order.

    `table` holds the features that a model in closed form reads, None for others; `left_out`
    its probabilities of training and validation rows together, ascending, each by the same
    model without the image's group.
    """

    classifier: Classifier
    plan: Plan
    evidence: Evidence
    history: History | None
    val_probabilities: NDArray[np.float32] | None
    table: FeatureTable | None = None
    left_out: NDArray[np.float32] | None = None
