"""Findings, verdict, score and summary."""

from dataclasses import dataclass, field
from typing import Literal

from striate.values.saying import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check of a run.

    Texts are English; other languages come from the catalogue under `code`, `outcome` and
    `variant`, filled with `figures`.
    """

    code: str
    outcome: Literal["found", "passed", "not_applicable", "muted"]
    severity: Literal["info", "advice", "warning", "serious"]
    title: str
    figures: dict[str, Figure]
    meaning: str
    advice: str
    see: str
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sentence on over- and underfitting, the code behind it and the figures in it."""

    code: str
    sentence: str
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCounts:
    """Numbers of images by their status and split."""

    met: int
    used: int
    set_aside: int
    ignored: int
    distinct: int
    train: int
    val: int
    test: int
    leaked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WithLeaked:
    """The accuracy that also counts test images with a copy in training."""

    value: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure with its interval, named by `metric`: a share, or in units of the number."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good the model is on one split: the metric with its interval, and further figures.

    `metric` is `accuracy`; `mean_average_precision` for several labels, `mean_absolute_error` for
    numbers, whose interval is in units of the number. `beside` holds further metrics of these
    tasks; `guessing` is the metric without using the image. `calibration_interval` is that of the
    calibration error, if computed. `balanced_interval` is that of the balanced accuracy, at the
    same level.
    """

    metric: str = "accuracy"
    value: float
    interval: tuple[float, float]
    level: float = 0.95
    method: str
    evaluation: Literal["test-split", "cross-validation", "validation"]
    n: int
    looks: int
    balanced_accuracy: float | None
    log_loss: float | None
    calibration_error: float | None
    with_leaked: WithLeaked | None = None
    beside: tuple[Measure, ...] = ()
    guessing: float | None = None
    calibration_interval: tuple[float, float] | None = None
    balanced_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """The plan in short."""

    strategy: str
    net: str
    weights: str
    input_size: int
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Seconds by stage of the run."""

    total: float
    first_model: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSummary:
    """The machine in short."""

    device: str
    threads: int
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The content of `summary.json`, also printed by `--json`."""

    schema: str = "striate/summary/1"
    run: str
    finished: bool
    task: str
    classes: tuple[str, ...]
    images: ImageCounts
    test: Score | None
    val: Score | None
    plan: PlanSummary
    kept_epoch: int
    epochs: int
    verdict: Verdict
    findings: tuple[str, ...]
    seconds: Seconds
    machine: MachineSummary
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """One value per epoch of each figure, as counted in a log; empty if the log has none.

    Accuracies are shares. `columns` holds the column that each figure was read from. Numbers of
    images and classes are 0 if not given. `epochs_met` is the number of epochs in the log: more
    than the length of `epochs` if neighbours were averaged, 0 if unknown.
    """

    name: str
    epochs: tuple[int, ...]
    train_loss: tuple[float, ...] = ()
    val_loss: tuple[float, ...] = ()
    train_accuracy: tuple[float, ...] = ()
    val_accuracy: tuple[float, ...] = ()
    lr: tuple[float, ...] = ()
    train_images: int = 0
    val_images: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    epochs_met: int = 0
    classes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BestEpoch:
    """The epoch with the lowest smoothed validation loss, and its uncertainty.

    `place` counts from 0; epochs `low` to `high` are equally good within the error. `level` is the
    smoothed loss there with its standard `error`; `last` is that of the last epoch, `last_error`
    the standard error of the difference of the two.
    """

    place: int
    low: int
    high: int
    level: float
    error: float
    last: float
    last_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The best epoch, by the log's own numbers of epochs."""

    criterion: str
    epoch: int
    low: int
    high: int
    level: float
    error: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `striate diagnose --json` prints; `points` are fewer where epochs were averaged."""

    schema: str = "striate/diagnosis/1"
    name: str
    epochs: int
    columns: dict[str, str]
    chosen: Chosen | None
    verdict: Verdict
    findings: tuple[Finding, ...]
    points: int = 0
