"""The inputs of the procedure in three parts (images, budget, run folder), and its result."""

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
    Plan,
    Rows,
    TrainingOptions,
    Watch,
)

T = TypeVar("T")


class StageCache(Protocol):
    """Return a stage's value if the run folder holds it, else compute it and write it whole."""

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
    """The images that may be used, as rows of the index: no test image is among them.

    `feature_rows` are those whose frozen features may be computed together. `seed` seeds every
    random draw among the images.
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
    """The time budget: `minutes` that the plan is made for, and the seconds that are left of them.

    `judge_images` is the number of images still to be predicted at the end.
    """

    minutes: float
    seconds_left: Callable[[], float]
    judge_images: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunPort:
    """The interface to the run folder.

    `keep` returns a stored value or computes it, `publish` writes a value that people read.
    `usable` is called with every model that can be used, the first one early.
    """

    checkpoints: Path
    keep: StageCache
    publish: Callable[[str, Any], None]
    usable: Callable[[Classifier], None]
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitContext:
    """The input of a fit: its data, its budget, its run folder, and the options requested."""

    data: FitData
    budget: Budget
    port: RunPort
    options: TrainingOptions
    machine: Machine
    given_plan: Plan | None

    def training_seconds(self, evidence: Evidence, strategy: str, views: int = 1) -> float:
        """Seconds that a training may take, with evaluation and report still to be paid for.

        Evaluation by the trained network is estimated from its measured speed, times `views`.
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
    """The result of a fit; `val_probabilities` are of the rows in `FitData.val`, in order.

    `table` holds the features that a closed-form model uses, None for others; `left_out` its
    leave-one-(group-)out probabilities of training and validation rows together, in ascending
    order.
    """

    classifier: Classifier
    plan: Plan
    evidence: Evidence
    history: History | None
    val_probabilities: NDArray[np.float32] | None
    table: FeatureTable | None = None
    left_out: NDArray[np.float32] | None = None
