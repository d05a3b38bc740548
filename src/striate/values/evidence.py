"""What was measured before the strategy was chosen."""

from dataclasses import dataclass, field
from typing import Literal

from striate.values.models import Tap
from striate.values.saying import Figure, Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A share with its interval: `value`, `low`, `high` in [0, 1], measured on `n` images."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    method: str = "wilson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A linear model on the features of some taps, with its exact leave-one-out estimate.

    For several labels the mean average precision stands in for the accuracy; for numbers R²,
    clipped to [0, 1], and the mean squared error over the variance for the log-loss. `loo_accuracy`
    uses the training rows only; `val_accuracy` the validation rows. `alpha` is the ridge penalty,
    `temperature` divides the scores before the softmax.
    """

    name: str
    taps: tuple[Tap, ...]
    dimensions: int
    alpha: float
    temperature: float
    loo_accuracy: Interval
    loo_log_loss: float
    val_accuracy: Interval | None
    val_log_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A possible label error, found by a model that had not seen the image.

    `doubt` is one minus `given_probability`; `suggested` is the most probable other class.
    `flagged` means that the image confidently belongs to another class.
    """

    row: int
    path: str
    label: str
    suggested: str
    doubt: float
    given_probability: float
    suggested_probability: float
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """An image that is far from all others in the features of `stage` of a network.

    Its distance to its neighbours is `deviations` robust standard deviations above the median of
    all. Without outliers, one image exceeds `bar` in one of a hundred data sets.
    """

    row: int
    path: str
    label: str
    stage: str
    deviations: float
    bar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A candidate that was tried: a line of `trials.jsonl`."""

    strategy: str
    net: str
    settings: dict[str, Figure]
    accuracy: Interval
    log_loss: float
    epochs: int
    seconds: float
    kept: bool
    why: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSearch:
    """A learning-rate range test: the loss of a batch at each rate, and the rate chosen."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    chosen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGain:
    """The gain of a linear model from flipped or rotated images, on `n` unchanged images.

    `gain` is the mean decrease of the log loss, `error` its standard error, `log_loss` the value
    without augmentation; `right_plain` and `right_mirrored` count correct images without and with
    it.
    """

    helps: bool
    gain: float
    error: float
    log_loss: float
    right_plain: int
    right_mirrored: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceGain:
    """The gain of a linear model from class weights, on `n` images left out of its fit.

    `gain` is the increase of the balanced accuracy and `error` its standard error; `harms` means
    that the accuracy fell or the log loss rose significantly.
    """

    helps: bool
    harms: bool
    gain: float
    error: float
    balanced_plain: float
    balanced_weighted: float
    accuracy_plain: float
    accuracy_weighted: float
    log_loss_plain: float
    log_loss_weighted: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """Where the data lies among the four corners of the course, and the strategy named there.

    `shift` is the mean of the stages' shifts, in nats. `large` is from `large_from` images a
    class on, `similar` is a shift below `similar_below`.
    """

    images_per_class: float
    shift: float
    large: bool
    similar: bool
    rule: str
    large_from: float
    similar_below: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """The error with so many training images, and its 95 % interval."""

    images: int
    error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Error of the linear model against the number of training images (a learning curve).

    `measured` on the same `n` validation images; `expected` at two and four times as many images by
    a power law with `exponent`. `gain_low` to `gain_high` is the 95 % interval of the decrease of
    the error with twice as many images.
    """

    measured: tuple[GrowthPoint, ...]
    expected: tuple[GrowthPoint, ...]
    exponent: float
    gain_low: float
    gain_high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured before choosing.

    `net` is the network that was probed ("" where none is at hand) and `input_size` the size
    of its input; `image_size` is that of the cached images. `images_per_class` counts the
    training images. `speeds` are images per second: `features` and `deep` for the probed
    network at its input size, `scratch` for the compact one at the image size; `precisions` is
    what each of these trains fastest in. `metric` is what stands for the accuracy; of a number
    there are no classes, and `images_per_class` is one count. `shift` says of every stage how
    far the images are from those that the network was trained on; `neighbour` and `class_mean`
    are the shares that the nearest image and the nearest mean of a class get right; `growth`
    tells what more images would bring. `resize` is how images came to their squares, and `square`
    that every one of them was a square before.
    `networks` are the pretrained networks that were held
    against each other, if more than one was at hand, and `notes` what else is to be said of
    them; `weights` is the file of the one that was probed, "" for those at hand by its name, and
    `features` names what holds its features in the run folder.
    """

    schema: str = "striate/evidence/1"
    probes: tuple[Probe, ...]
    best_probe: str
    trials: tuple[Trial, ...]
    speeds: dict[str, float]
    images_per_class: tuple[int, ...]
    majority: float
    image_size: int
    channels: int
    shift: dict[str, float] = field(default_factory=dict)
    net: str = ""
    input_size: int = 0
    val_images: int = 0
    classes: tuple[str, ...] = ()
    precisions: dict[str, str] = field(default_factory=dict)
    flips: CopyGain | None = None
    rotations: CopyGain | None = None
    balance: BalanceGain | None = None
    metric: str = "accuracy"
    neighbour: Interval | None = None
    class_mean: Interval | None = None
    corner: Corner | None = None
    growth: Growth | None = None
    rates: RateSearch | None = None
    resize: str = "squash"
    square: bool = False
    weights: str = ""
    networks: tuple[Trial, ...] = ()
    notes: tuple[Sentence, ...] = ()
    features: str = "features.npz"


RungName = Literal["majority", "shallow", "random", "pretrained", "chosen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RungAtSize:
    """A point of a rung's learning curve: its accuracy after so many training images."""

    train_images: int
    accuracy: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way to classify: `accuracy` on the evaluated images, `seconds` to train and evaluate.

    `train_images` is how many it was trained on, `dimensions` how many features it read.
    `difference` is the chosen model's accuracy minus this one's on the same images, paired; None
    for the chosen model itself and where the two were trained on different images. `curve` holds
    the accuracy at smaller numbers of training images, where time allowed no more than those.
    """

    name: RungName
    accuracy: Interval
    seconds: float
    train_images: int
    dimensions: int
    difference: Interval | None = None
    curve: tuple[RungAtSize, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The content of `ladder.json`: rungs from the simplest to the chosen one.

    `strategy` and `net` are those of the chosen rung. `train_images` and `judge_images` are how
    many there are. All rungs are evaluated on the same images, a random sample where there are
    very many. Rungs below the chosen one may have been trained on a random sample; `left_out` are
    those that the time did not allow.
    """

    schema: str = "striate/ladder/1"
    rungs: tuple[Rung, ...]
    strategy: str
    net: str
    evaluation: Literal["test-split", "cross-validation"]
    train_images: int
    judge_images: int
    left_out: tuple[RungName, ...] = ()
