"""What a training leaves: epochs, layers, predictions."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Rows, Sentence, Task

UNKNOWN = "unknown"
UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A row of `history.csv`; losses are natural-log cross-entropy without regularisation.

    Of several labels it is summed over them, and the mean average precision stands for the
    accuracy; of a number it is Huber's loss in units of its spread, and R² not below 0.

    `averaged` says that validation judged the moving average of the weights, which was better.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    pictures_per_second: float
    averaged: bool = False


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
class LayerCost:
    """Weights and multiplications of one kind of layer from an image of one size to another."""

    kind: str
    output: tuple[int, int, int]
    weights: int
    multiplications: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """One image's loss (natural log), the label it was computed for, and every layer's gradient.

    `costs` tell what four kinds of layer cost from this image to the maps of the network's first
    convolution; empty where it has none.
    """

    label: str
    loss: float
    layers: tuple[LayerGradient, ...]
    costs: tuple[LayerCost, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """How one layer stood at one moment of a training, on some training images.

    Of `units` of an activation, `dead` gave 0 for every image, and of `saturated` most of what
    they gave lay at the flat ends of their curve. Of a layer with weights, `weight` and
    `gradient` are the Euclidean lengths of its weights and of their gradient; 0 where it has
    none. `mean` and `deviation` are those of all numbers that the layer gave.
    """

    layer: str
    kind: str
    units: int
    dead: int = 0
    saturated: int = 0
    weight: float = 0.0
    gradient: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStates:
    """The content of `layers.json`: every layer, from the image on, on so many images.

    `layers` are those of the model after training, `begun` the same at the first step, and
    `drawn` as they were drawn before the initialisation looked at them; empty where that is not
    known, or nothing was drawn.
    """

    schema: str = "striate/layers/1"
    images: int
    loss: float
    layers: tuple[LayerState, ...]
    begun: tuple[LayerState, ...] = ()
    drawn: tuple[LayerState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How a training went; `kept_epoch` is the one whose weights are the model (0: before any).

    `planned_epochs` are those of its plan, more where it was stopped early; 0 where not known.
    """

    epochs: tuple[Epoch, ...]
    kept_epoch: int
    train_images: int
    val_images: int
    planned_epochs: int = 0

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss ended it before its last planned epoch."""
        return 0 < len(self.epochs) < self.planned_epochs


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
    `familiarity` N tells of how many of a hundred images of the known kinds are as strange.
    Where it was asked for: `sets` N x K hold the true class as often as promised, `unknown` N
    are images that are none of the classes, and `decided` N x 2 holds the class that costs least
    and what it costs on average; `unsure` N are answers below their class's threshold of
    precision, and `flagged` N x K are the classes at or above theirs of recall.
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
    familiarity: NDArray[np.float32] | None = None
    sets: NDArray[np.bool_] | None = None
    unknown: NDArray[np.bool_] | None = None
    decided: NDArray[np.float64] | None = None
    unsure: NDArray[np.bool_] | None = None
    flagged: NDArray[np.bool_] | None = None

    @property
    def said(self) -> NDArray[np.bool_]:
        """Which labels are said of every image, N x K: those at or above their threshold."""
        if self.marked is not None:
            return self.marked
        return self.probabilities >= np.asarray(self.thresholds, np.float32)

    @property
    def predicted(self) -> Rows:
        """Number of the most probable class of every image; ties go to the first class.

        Where costs decided it is the class that they chose.
        """
        if self.decided is not None:
            return self.decided[:, 0].astype(np.int64)
        numbers: Rows = self.probabilities.argmax(axis=1).astype(np.int64)
        return numbers

    @property
    def stated(self) -> NDArray[np.float32]:
        """The probability of every image's predicted class."""
        found: NDArray[np.float32] = self.probabilities[np.arange(len(self.paths)), self.predicted]
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of the most probable class of every image; `a|b` of several, or the number.

        `unknown` where it was asked for and the image is none of the classes, and `unsure` where
        the answer does not reach its class's threshold.
        """
        if self.task == "number":
            return tuple(str(number) for number in self.numbers)
        if self.task == "labels":
            return tuple(
                "|".join(name for name, one in zip(self.classes, row, strict=True) if one) or "|"
                for row in self.said
            )
        names = [self.classes[k] for k in self.predicted]
        for marks, word in ((self.unsure, UNSURE), (self.unknown, UNKNOWN)):
            if marks is not None:
                names = [word if m else name for name, m in zip(names, marks, strict=True)]
        return tuple(names)

    @property
    def set_names(self) -> tuple[str, ...]:
        """The classes in every image's set, the most probable first: `a|b`; none without sets."""
        return self._named(self.sets)

    @property
    def flagged_names(self) -> tuple[str, ...]:
        """The classes at or above their threshold of recall, as `set_names`; some have none."""
        return self._named(self.flagged)

    def _named(self, marks: NDArray[np.bool_] | None) -> tuple[str, ...]:
        if marks is None:
            return ()
        order = np.argsort(-self.probabilities, axis=1, kind="stable")
        return tuple(
            "|".join(self.classes[k] for k in ranked if held[k])
            for ranked, held in zip(order, marks, strict=True)
        )

    def to_frame(self) -> Any:
        """The predictions as a pandas DataFrame: path, predicted, probability, a column a class."""
        import pandas as pd

        if self.task == "number":
            return pd.DataFrame({"path": self.paths, "predicted": self.numbers})
        frame = pd.DataFrame({"path": self.paths, "predicted": self.labels})
        if self.task == "label":
            frame["probability"] = self.stated
            if self.familiarity is not None:
                frame["familiarity"] = self.familiarity
            if self.sets is not None:
                frame["set"] = self.set_names
            if self.flagged is not None:
                frame["flagged"] = self.flagged_names
            if self.decided is not None:
                frame["expected_cost"] = self.decided[:, 1]
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
