"""Every value that flows through striate, in the order in which it flows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Rows = NDArray[np.int64]
Figure = float | int | str | None
Task = Literal["label", "labels", "number"]

SPLITS = ("train", "val", "test")
TASKS = ("label", "labels", "number")
STRATEGIES = ("linear", "layers", "shallow", "deep", "scratch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence with its figures: `text` in English, `code` and `figures` for other languages."""

    code: str
    figures: dict[str, Figure] = field(default_factory=dict)
    text: str = ""


def say(code: str, template: str, **figures: Figure) -> Sentence:
    """A sentence whose English text is `template` filled with `figures` by `str.format`."""
    return Sentence(code=code, figures=figures, text=template.format(**figures))


def names_in(label: str) -> tuple[str, ...]:
    """The labels that a text such as `a|b` names, each once, by code point; `|` names none."""
    return tuple(sorted({name.strip() for name in label.split("|")} - {""}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Every setting of a fit. Each flag of `striate fit` is a field of the same name."""

    minutes: float = 5.0
    seed: int = 0
    strategy: str = "auto"
    net: str = "auto"
    weights: str | None = None
    split: str = "auto"
    device: str = "auto"
    plan: str | None = None
    out: str | None = None
    restart: bool = False
    strict: bool = False
    drop_rare: bool = False
    max_pixels: int = 178_000_000
    min_accuracy: float | None = None
    lang: str = "auto"
    group: str = "group"
    group_pattern: str | None = None
    image: str = "image"
    label: str = "label"
    split_column: str = "split"
    weight: str = "weight"
    root: str | None = None
    task: str = "auto"
    data_root: str | None = None
    set: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One file that was met: a row of `index.csv`. Its id is its row, everywhere, for good."""

    path: str
    split: str = ""
    label: str = ""
    group: str = ""
    status: Literal["used", "set_aside", "ignored"] = "used"
    reason: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    bytes: int = 0
    bytes_hash: str = ""
    pixels_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a source holds: a row for every file met, in order of path.

    `kind` names the reader in `data/sources/` that opens a row; `given_splits` are those
    that the source itself brings; `images` holds in-memory sources and is never written.
    `address` is what the source is known by where that is not its root, such as a table's path.
    `task` is what is to be learnt of an image: one label; several `labels`, written `a|b`, none
    of them `|`; or a `number`, and then there are no classes.
    """

    root: str
    name: str
    kind: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    given_splits: tuple[str, ...] = ()
    notes: tuple[Sentence, ...] = ()
    content_hash: str = ""
    images: Sequence[Any] | None = None
    address: str = ""
    task: Task = "label"

    def used(self) -> Rows:
        """Rows of the examples in use, ascending."""
        return np.array([i for i, e in enumerate(self.examples) if e.status == "used"], np.int64)

    def firsts(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of `rows` are the first with their picture and label: copies count once.

        Pictures are the same where their pixels are, or their bytes where pixels are not known.
        """
        seen: set[tuple[str, str]] = set()
        first = np.zeros(len(rows), np.bool_)
        for place, row in enumerate(rows):
            example = self.examples[row]
            picture = (example.pixels_hash or example.bytes_hash or example.path, example.label)
            first[place] = picture not in seen
            seen.add(picture)
        return first

    def labels(self) -> Rows:
        """Class number of every row; -1 where the row is not in use.

        Of other tasks it tells what is alike: the same set of labels, the same tenth of the
        numbers.
        """
        if self.task == "number":
            return self._tenths()
        names = self.classes
        if self.task == "labels":
            names = tuple(sorted({e.label for e in self.examples if e.status == "used"}))
        number = {name: k for k, name in enumerate(names)}
        return np.array(
            [number[e.label] if e.status == "used" else -1 for e in self.examples], np.int64
        )

    def targets(self) -> NDArray[np.float64]:
        """What is to be learnt of every row, N x K: 1 for each class that it has, else 0.

        Of the task `number` it is N x 1, the number. Rows that are not in use hold 0.
        """
        if self.task == "number":
            numbers = [float(e.label) if e.status == "used" else 0.0 for e in self.examples]
            return np.array(numbers, np.float64).reshape(-1, 1)
        number = {name: k for k, name in enumerate(self.classes)}
        table = np.zeros((len(self.examples), len(self.classes)))
        for row in self.used():
            label = self.examples[row].label
            for name in names_in(label) if self.task == "labels" else (label,):
                table[row, number[name]] = 1.0
        return table

    def _tenths(self) -> Rows:
        numbers, rows = self.targets()[:, 0], self.used()
        cuts = np.quantile(numbers[rows], np.linspace(0.1, 0.9, 9)) if len(rows) else np.zeros(0)
        tenths = np.full(len(numbers), -1, np.int64)
        tenths[rows] = np.searchsorted(np.unique(cuts), numbers[rows], side="right")
        return tenths


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Every image decoded once: `images` is uint8, a row an index row, N x H x W x C.

    Rows that are not in use hold zeros. `resize` is how an image came to this size.
    """

    images: NDArray[np.uint8]
    path: str
    resize: Literal["squash", "crop", "pad"] = "squash"

    @property
    def size(self) -> int:
        """Height and width of the cached images in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of the cached images: 1 where every image is grey, else 3."""
        return int(self.images.shape[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who trains, who chooses, who judges: rows of the index.

    `groups` gives every row of the index a group number; a group is on one side only.
    `evaluation` is `cross-validation` for tiny sets: then `test` and `val` are empty, `train`
    holds every row and `folds` gives the fold (0..4) of every row of the index, -1 for unused.
    `leaked` are test rows that have a copy in train or val: they do not count.
    """

    train: Rows
    val: Rows
    test: Rows
    groups: Rows
    leaked: Rows
    evaluation: Literal["test-split", "cross-validation"] = "test-split"
    folds: Rows | None = None
    notes: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Whether images that follow each other by name are more alike than chance.

    `share` of `n` images have their nearest look-alike within 3 places in the order of names
    (`number`: of the last number in them); `chance` is what that share would be were the order
    drawn by lot, and `p` how rarely lot reaches it. `across` tells that the order runs through
    the classes. `pattern` is a `--group-pattern` that keeps neighbours on one side, "" for none.
    """

    suspected: bool
    n: int
    share: float
    chance: float
    p: float
    order: Literal["name", "number"]
    across: bool
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine does best, measured once and remembered.

    `precision` is what inference and training compute in; `precision_error` is the largest
    relative error of its features against float32; `fused` tells whether the fused
    convolution kernels gave the right answer and were faster; `speeds` are images per second.
    """

    device: str
    processor: str
    threads: int
    memory_bytes: int
    precision: Literal["float32", "bfloat16"]
    precision_error: float
    layout: Literal["channels_last", "contiguous"]
    fused: bool
    batch_size: int
    speeds: dict[str, float] = field(default_factory=dict)
    why: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetCard:
    """What is known of a network before it is built."""

    name: str
    family: str
    title: str
    parameters: int
    multiply_adds: int
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stages: tuple[str, ...]
    pretrained: str = ""
    weights_at_hand: bool = False
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSettings:
    """The knobs of a network family; a family ignores what it has no use for.

    `width` multiplies channels, `depth` counts the layers of a block, `spatial_dropout` is the
    share of whole maps that are dropped after a block.
    """

    width: float = 1.0
    depth: int = 2
    kernel_size: int = 3
    stride: int = 1
    padding: str = "same"
    dilation: int = 1
    groups: int = 1
    pool: str = "max"
    pool_size: int = 2
    activation: str = "relu"
    normalisation: str = "batch"
    spatial_dropout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """Where features are read: a stage of a network and how its map is pooled to a vector."""

    stage: str
    pool: Literal["mean", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """All that rebuilds a model beside its weights: the content of `model.json`.

    `thresholds` are those of several labels, in the order of `classes`.
    """

    schema: str = "striate/model/1"
    net: str
    settings: NetSettings
    classes: tuple[str, ...]
    channels: int
    input_size: int
    cache_size: int
    resize: Literal["squash", "crop", "pad"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    taps: tuple[Tap, ...]
    dropout: float = 0.0
    temperature: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    batch_size: int = 16
    strategy: str = "linear"
    mirror: bool = False
    task: Task = "label"
    thresholds: tuple[float, ...] = ()
    version: str = ""

    @property
    def outputs(self) -> int:
        """How many figures it gives an image: one a class, or one number."""
        return 1 if self.task == "number" else len(self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A share with its interval: `value`, `low`, `high` in [0, 1], `n` images behind it."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    method: str = "wilson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A linear model on some taps, judged by exact leave-one-out.

    Of several labels the mean average precision stands for the accuracy, of numbers R², held
    within [0, 1], and the mean squared error over the variance for the log-loss.
    `loo_accuracy` uses the training rows only; `val_accuracy` the validation rows.
    `alpha` is the ridge penalty, `temperature` what divides its scores for the softmax.
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
    """How much an image speaks against its label, by a model that did not see it.

    `doubt` is one minus `given_probability`; `suggested` is the most probable other class.
    `flagged` says that it confidently belongs to another class.
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
class FlipGain:
    """What mirrored copies brought a linear model, on `n` images as they are.

    `gain` is the mean fall in log loss, `error` its standard error, `log_loss` that without
    copies; `right_plain` and `right_mirrored` count right images without and with them.
    """

    helps: bool
    gain: float
    error: float
    log_loss: float
    right_plain: int
    right_mirrored: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured before choosing.

    `net` is the network that was probed ("" where none is at hand) and `input_size` the size
    of its input; `image_size` is that of the cached images. `images_per_class` counts the
    training images. `speeds` are images per second: `features` and `deep` for the probed
    network at its input size, `scratch` for the compact one at the image size; `precisions` is
    what each of these trains fastest in. `metric` is what stands for the accuracy; of a number
    there are no classes, and `images_per_class` is one count.
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
    flips: FlipGain | None = None
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[T]):
    """A value that was chosen, why, and on what ground."""

    value: T
    why: Sentence
    ground: Literal["measured", "paper", "convention", "asked"]


USUAL = say("plan.usual", "as usual; ask for another with --set")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every choice that, with the data and the seed, fixes the predictions.

    `l1` and `weight_decay` shrink weights beside the step, `clip` bounds the length of the
    gradient (0: no bound), `mix` says how two images of a batch are blended into one.
    """

    schema: str = "striate/plan/1"
    seed: int
    classes: tuple[str, ...]
    strategy: Choice[str]
    net: Choice[str]
    settings: Choice[NetSettings]
    taps: Choice[tuple[Tap, ...]]
    alpha: Choice[float]
    input_size: Choice[int]
    epochs: Choice[int]
    batch_size: Choice[int]
    learning_rate: Choice[float]
    layer_decay: Choice[float]
    weight_decay: Choice[float]
    optimizer: Choice[str]
    schedule: Choice[str]
    label_smoothing: Choice[float]
    dropout: Choice[float]
    augment: Choice[dict[str, float]]
    precision: Choice[str]
    threads: Choice[int]
    inference_batch_size: Choice[int]
    initialisation: Choice[str] = Choice(value="identity", why=USUAL, ground="convention")
    l1: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    clip: Choice[float] = Choice(value=0.0, why=USUAL, ground="convention")
    mix: Choice[str] = Choice(value="none", why=USUAL, ground="convention")
    because: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A short training worth trying before choosing: `plan` is what to run, `seconds` its share."""

    plan: Plan
    seconds: float
    why: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A row of `history.csv`; losses are natural-log cross-entropy without regularisation."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    pictures_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMoments:
    """What entered and left one layer in one pass: mean and variances over all its numbers."""

    layer: str
    kind: str
    input_variance: float
    output_mean: float
    output_variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGradient:
    """What one image's loss says to one layer's weights.

    `gradient` and `weight` are Euclidean lengths. `slope` is the loss's slope along a random
    unit direction by back-propagation, `difference` the same by central finite differences.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    weight: float
    gradient: float
    slope: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """One image's loss (natural log), the label it was computed for, and every layer's gradient."""

    label: str
    loss: float
    layers: tuple[LayerGradient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """Weights and multiplications of one kind of layer from an image of one size to another."""

    kind: str
    output: tuple[int, int, int]
    weights: int
    multiplications: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How a training went; `kept_epoch` is the one whose weights are the model (0: before any)."""

    epochs: tuple[Epoch, ...]
    kept_epoch: int
    train_images: int
    val_images: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """Labels and probabilities for some images, in the order given.

    `probabilities` is N x K float32 with rows that sum to 1; `truth` is the class number of
    every image, -1 where it is not known.
    Where an image may have several labels, `probabilities` says of each label how likely it is,
    `thresholds` K from where on it is said, and `targets` N x K which are true. Where it is a
    number, `probabilities` is N x 0, `numbers` holds N answers and `targets` N x 1 the truth.
    `marked` N x K holds the labels said where other thresholds decided, as in each fold.
    `truth` is 0 then where the truth is known.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    probabilities: NDArray[np.float32]
    truth: Rows
    task: Task = "label"
    thresholds: tuple[float, ...] = ()
    numbers: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    targets: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    marked: NDArray[np.bool_] | None = None

    @property
    def said(self) -> NDArray[np.bool_]:
        """Which labels are said of every image, N x K: those at or above their threshold."""
        if self.marked is not None:
            return self.marked
        return self.probabilities >= np.asarray(self.thresholds, np.float32)

    @property
    def predicted(self) -> Rows:
        """Number of the most probable class of every image; ties go to the first class."""
        numbers: Rows = self.probabilities.argmax(axis=1).astype(np.int64)
        return numbers

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of the most probable class of every image; `a|b` of several, or the number."""
        if self.task == "number":
            return tuple(str(number) for number in self.numbers)
        if self.task == "labels":
            return tuple(
                "|".join(name for name, one in zip(self.classes, row, strict=True) if one) or "|"
                for row in self.said
            )
        return tuple(self.classes[k] for k in self.predicted)

    def to_frame(self) -> Any:
        """The predictions as a pandas DataFrame: path, predicted, probability, a column a class."""
        import pandas as pd

        if self.task == "number":
            return pd.DataFrame({"path": self.paths, "predicted": self.numbers})
        frame = pd.DataFrame({"path": self.paths, "predicted": self.labels})
        if self.task == "label":
            frame["probability"] = self.probabilities.max(axis=1)
        for k, name in enumerate(self.classes):
            frame[f"p:{name}"] = self.probabilities[:, k]
        return frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Pictures of what a network does: `images` are uint8 H x W or H x W x 3, a caption each."""

    method: str
    title: str
    about: Sentence
    images: tuple[NDArray[np.uint8], ...]
    captions: tuple[str, ...]
    layer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check says of a run.

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
    """How many images there are, by what became of them."""

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
    """A figure with its interval; a name of `metric`, a share or in units of the number."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good the model is on one split: accuracy with its interval and what stands beside it.

    `metric` is `accuracy`; of several labels `mean_average_precision`, of numbers
    `mean_absolute_error`, whose interval is in units of the number. `beside` are other figures
    of these tasks; `guessing` is what the metric is without a look at the image.
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
    """Where the time went."""

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
class Progress:
    """What a watcher is told while a fit goes on.

    `stage` is the stage's name; `done` of `total` `unit`s are finished; `rate` is units (or
    images, while training) per second; `note` is a short line for people.
    """

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    seconds_left: float | None = None
    note: Sentence | None = None
    epoch: Epoch | None = None
    finished: bool = False


Watch = Callable[[Progress], None]


def unwatched(progress: Progress) -> None:
    """A watcher that looks away."""


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

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which of `predictions` the stated accuracy rests on.

        Truth known, no copy in training, and of several copies the first.
        """
        known = (self.predictions.truth >= 0) & ~np.isin(self.test_rows, self.split.leaked)
        return known & self.index.firsts(self.test_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many images a class has, how many different pictures, and where they would go."""

    name: str
    images: int
    distinct: int
    train: int
    val: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Files that show one picture: equal `bytes`, equal `pixels`, or `near`, saved anew.

    `labels` has the label of every path; several of them contradict each other.
    """

    kind: Literal["bytes", "pixels", "near"]
    paths: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def contradicts(self) -> bool:
        """Whether its files stand under different labels."""
        return len(set(self.labels)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A judging image of the given splits, and the same picture in another of them."""

    path: str
    split: str
    copy: str
    copy_split: str
    kind: Literal["bytes", "pixels", "near"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a source, before any training; printed by `striate inspect --json`.

    `told` says it in words, in order. `formats` and `sizes` ("width x height") count images in
    use, the commonest first; `turned` are those that their EXIF tag turns upright. `copies` are
    families of several files, contradicting ones among them; `leaks` are between given splits.
    `named_groups` counts the groups that the user named. `doubts` are labels that the images
    speak against, the most doubtful first, among `labels_looked_at` images.
    """

    schema: str = "striate/inspection/1"
    name: str
    source: str
    images: ImageCounts
    classes: tuple[ClassCount, ...]
    formats: dict[str, int]
    sizes: dict[str, int]
    turned: int
    set_aside: tuple[Aside, ...]
    copies: tuple[Family, ...]
    leaks: tuple[Leak, ...]
    given_splits: tuple[str, ...]
    named_groups: int
    evaluation: Literal["test-split", "cross-validation"]
    series: Series | None
    doubts: tuple[Doubt, ...] = ()
    labels_looked_at: int = 0
    told: tuple[Sentence, ...]
    seconds: float


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
    """The whole report, in one language, ready to be drawn."""

    lang: str
    title: str
    headline: str
    subline: str
    sections: tuple[Section, ...]
