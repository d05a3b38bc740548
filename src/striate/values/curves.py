"""What a training log says, from whatever program, and what is concluded from it alone."""

from dataclasses import dataclass, field

from striate.values.findings import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Figures an epoch each, as a log counts them; empty where it does not tell.

    Accuracies are shares. A loss that is no number says so. `columns` says which column each
    figure was read from. Numbers of images are 0 where nobody told them. `epochs_met` is how many
    epochs a log has: more than `epochs` holds where neighbours were averaged, 0 where untold.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BestEpoch:
    """The epoch that the smoothed validation loss prefers, and how sure that is.

    `place` counts from 0; `low` to `high` cannot be told from it. `level` is the smoothed loss
    there with its standard `error`; `last` is that of the last epoch, `last_error` the standard
    error of the difference of the two.
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
    """Which epoch to keep, as the log counts epochs."""

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
