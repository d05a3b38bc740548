"""Results of a training: epochs, layers, images of what it does."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A row of `history.csv`; losses are natural-log cross-entropy without regularisation.

    For several labels the loss is summed over them, and the mean average precision stands in for
    the accuracy. For a number it is Huber's loss in units of the standard deviation, and R², at
    least 0. `averaged` means that validation used the moving average of the weights, which was
    better.
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
    """Inputs and outputs of one layer in one pass: mean and variances over all values."""

    layer: str
    kind: str
    input_variance: float
    output_mean: float
    output_variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGradient:
    """The gradient of one image's loss for one layer's weights.

    `gradient` and `weight` are Euclidean norms. `slope` is the derivative of the loss along a
    random unit direction by back-propagation, `difference` the same by central finite differences.
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
class LayerWeights:
    """The weights of one layer: `counts` in equal bins from `low` to `high`, and some kernels.

    `shape` is that of the weight. `kernels` are the first few of a convolution with windows of
    more than one pixel, each C x k x k in `kernel_shape`, row after row, with four digits.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    deviation: float
    low: float
    high: float
    counts: tuple[int, ...]
    kernel_shape: tuple[int, ...] = ()
    kernels: tuple[tuple[float, ...], ...] = ()


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
    known, or nothing was drawn. `weights_begun` are the weights at the first step.
    """

    schema: str = "striate/layers/1"
    images: int
    loss: float
    layers: tuple[LayerState, ...]
    begun: tuple[LayerState, ...] = ()
    drawn: tuple[LayerState, ...] = ()
    weights_begun: tuple[LayerWeights, ...] = ()


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
class Explanation:
    """Pictures of what a network does: `images` are uint8 H x W or H x W x 3, a caption each."""

    method: str
    title: str
    about: Sentence
    images: tuple[NDArray[np.uint8], ...]
    captions: tuple[str, ...]
    layer: str = ""
