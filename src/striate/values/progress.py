"""Progress of a run, and all its values together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.values.evidence import Doubt, Evidence, Ladder, Outlier
from striate.values.findings import Summary
from striate.values.history import Epoch, History, LayerStates
from striate.values.images import Cache, Index, Split
from striate.values.models import Machine, ModelSpec
from striate.values.options import Options
from striate.values.plan import Plan
from striate.values.predictions import Predictions
from striate.values.saying import Rows, Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A progress message of a fit.

    `stage` is the stage's name; `done` of `total` `unit`s are finished; `rate` is units (or images,
    while training) per second; `note` is a short line for people. `metric` is what the accuracies
    of `epoch` are.
    """

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    seconds_left: float | None = None
    note: Sentence | None = None
    epoch: Epoch | None = None
    metric: str = "accuracy"
    finished: bool = False


Watch = Callable[[Progress], None]


def unwatched(progress: Progress) -> None:
    """A watcher that does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Values:
    """All values of a finished fit, as the checks and the report read them."""

    options: Options
    index: Index
    split: Split
    cache: Cache
    machine: Machine
    evidence: Evidence | None
    plan: Plan
    history: History | None
    model: ModelSpec
    predictions: Predictions
    val_predictions: Predictions | None
    test_rows: Rows
    summary: Summary
    doubts: tuple[Doubt, ...] = ()
    outliers: tuple[Outlier, ...] | None = None
    layers: LayerStates | None = None
    ladder: Ladder | None = None

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which of `predictions` the stated accuracy is computed on.

        Images with a known label, without a copy in training; duplicates are counted once.
        """
        known = (self.predictions.truth >= 0) & ~np.isin(self.test_rows, self.split.leaked)
        return known & self.index.firsts(self.test_rows)

    @property
    def majority(self) -> int:
        """The majority class of the images learnt from: what guessing would always answer."""
        return self.split.majority(self.index.labels())

    @property
    def guessing(self) -> float:
        """The accuracy of always predicting the majority class, on the counted images."""
        truth = self.predictions.truth[self.counted]
        return float((truth == self.majority).mean()) if len(truth) else 0.0

    @property
    def counted_groups(self) -> Rows:
        """The group of every counted prediction, for resampling whole groups."""
        return self.split.groups[self.test_rows][self.counted]

    @property
    def folds(self) -> int:
        """The number of cross-validation folds of the evaluation; 0 with a test split."""
        return 0 if self.split.folds is None else int(self.split.folds.max()) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part of the report: `kind` names the macro of `page.html` that draws it.

    `rows` under `header` are a table, or the table twin of a chart. `bars` gives a row of the
    table a bar: value, low, high in [0, 1]. `shades` gives the cells of a matrix their colour:
    above 0 right, below 0 wrong. `marked` are the rows to stress. `alts` describe the images.
    """

    kind: Literal[
        "text", "table", "chart", "gallery", "facts", "finding", "code", "scale", "matrix", "list"
    ]
    title: str = ""
    text: str = ""
    note: str = ""
    code: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    header: tuple[str, ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()
    shades: tuple[tuple[float, ...], ...] = ()
    marked: tuple[int, ...] = ()
    svg: str = ""
    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    alts: tuple[str, ...] = ()
    severity: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the report and the blocks below it."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole report, in one language, ready to be rendered."""

    lang: str
    title: str
    headline: str
    subline: str
    sections: tuple[Section, ...]
