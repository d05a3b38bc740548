"""Machines, networks, and the specification of a model."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from striate.values.saying import Rows, Sentence, Task

RANDOM = "random"
"""Given as weights: the network as initialised, with no trained weights looked for."""

How = Literal["leave-one-out", "validation", "cross-validation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutCard:
    """A summary of `model/held-out.safetensors`: a part of `model.json`.

    `how` says why the model was not trained on these images.
    """

    how: How
    images: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """The model's predictions for N images that it was not trained on.

    `probabilities` are N x K, `truth` the class numbers, `groups` the groups. `distances` N are
    those to the nearest training images, and `reference` M x D holds the features of these, of norm
    1; both are empty if distances are not known.
    """

    how: How
    probabilities: NDArray[np.float32]
    truth: Rows
    groups: Rows
    distances: NDArray[np.float32]
    reference: NDArray[np.float32]

    @property
    def card(self) -> HeldOutCard:
        """A summary."""
        return HeldOutCard(how=self.how, images=len(self.truth), groups=len(np.unique(self.groups)))


# Bounds hold where a value is read from a file.
Side = Annotated[int, Meta(ge=1, le=4096)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The fastest settings on this machine, measured once and stored.

    `precision` is that of inference and training; `precision_error` is the largest relative error
    of its features against float32; `fused` tells whether the fused convolution kernels are correct
    and faster; `speeds` are images per second.
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
    """The properties of a network before it is built.

    `channels` tells how images with neither one nor three channels are handled: `any` number, or
    `adapted`: the pretrained filters of the first layer are repeated in turn and multiplied by 3 /
    C (timm's rule). Pretrained networks get grey three times.
    """

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
    channels: Literal["any", "adapted"] = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCard:
    """One layer of a network: `output` is C x H x W, or one number if it is flat.

    `kernel` and `stride` are sides, 0 if there is none; `multiply_adds` are for one image.
    `receptive_field` is the side in pixels of the region that one output depends on, at most the
    image's.
    """

    layer: str
    kind: str
    kernel: int
    stride: int
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCard:
    """One stage of a network: the shape C x H x W of its map, and its receptive field."""

    name: str
    output: tuple[int, ...]
    receptive_field: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network on images of `channels` x `input_size` x `input_size`, from the image on."""

    net: str
    channels: int
    input_size: int
    stages: tuple[StageCard, ...]
    layers: tuple[LayerCard, ...]

    @property
    def parameters(self) -> int:
        """How many parameters all layers have."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """How many multiplications, each with its addition, one image takes."""
        return sum(layer.multiply_adds for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSettings:
    """The settings of a network family; a family ignores those that it does not use.

    `width` multiplies channels, `depth` counts the layers of a block, `spatial_dropout` is the
    share of whole feature maps that are dropped after a block.
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
    """A source of features: a stage of a network and how its feature map is pooled to a vector."""

    stage: str
    pool: Literal["mean", "max"]


PREPROCESSING = ("normalise", "centre", "scale", "pixel-centre", "pixel-normalise", "pca", "zca")
WHITENING = ("pca", "zca")
OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """The transformation of an image before the first layer of a network.

    `kind` is `scale` (to 0..1), `centre` or `normalise` (by channel), `pixel-centre` or
    `pixel-normalise` (a mean image), `pca` or `zca` (whitening of whole images), or `own` (that of
    a pretrained network). Whitening keeps `components` components and adds `eps` times the mean
    variance to each.
    """

    kind: str = "normalise"
    components: int = 0
    eps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The map from scores over their temperature to probabilities; the identity by default.

    The temperature of an image is the model's times `sure` to the power 1 - h times `unsure` to the
    power h, where h in [0, 1] is the entropy of its probabilities at the model's own temperature.
    Then the log-odds of its best class are multiplied by `slope`, above 0, and `intercept` is
    added. `why` gives the evidence from held-out images.
    """

    sure: Positive = 1.0
    unsure: Positive = 1.0
    slope: Positive = 1.0
    intercept: float = 0.0
    why: Sentence | None = None

    @property
    def neutral(self) -> bool:
        """Whether the temperature alone gives the probabilities."""
        return (self.sure, self.unsure, self.slope, self.intercept) == (1.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Everything but the weights that is needed to rebuild a model: the content of `model.json`.

    `alpha` means that the last channel is opacity. `calibration` maps scores over `temperature` to
    probabilities; None in models of earlier versions. `mean` and `std` are by channel; what
    `preprocess` fits to whole images is stored with the weights. `thresholds` are those of several
    labels, in the order of `classes`. `held_out` describes the held-out images stored with the
    model; None in models of earlier versions. `checksum` covers the file and its tensors, and
    exists in files only.
    """

    schema: str = "striate/model/1"
    net: str
    settings: NetSettings
    classes: tuple[str, ...]
    channels: Annotated[int, Meta(ge=1, le=64)]
    input_size: Side
    cache_size: Side
    resize: Literal["squash", "crop", "pad"]
    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    taps: tuple[Tap, ...]
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    temperature: Positive = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    batch_size: Annotated[int, Meta(ge=1, le=65_536)] = 16
    strategy: str = "linear"
    mirror: bool = False
    preprocess: Preprocessing = Preprocessing()
    alpha: bool = False
    task: Task = "label"
    thresholds: tuple[float, ...] = ()
    held_out: HeldOutCard | None = None
    calibration: Calibration | None = None
    version: str = ""
    checksum: str = ""

    @property
    def outputs(self) -> int:
        """The number of outputs per image: one per class, or one number."""
        return 1 if self.task == "number" else len(self.classes)
