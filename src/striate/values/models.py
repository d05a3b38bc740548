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
    """What `model/held-out.safetensors` holds, in short: a part of `model.json`.

    `how` says what kept the model from learning from these images.
    """

    how: How
    images: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Images that the model did not learn from, as it answers them; N of them.

    `probabilities` N x K are the model's, `truth` the class numbers, `groups` say what belongs
    together. `distances` N tell how far each is from the nearest images that were learnt from,
    and `reference` M x D holds the features of these, of length 1; both are empty where
    nothing is known of distances.
    """

    how: How
    probabilities: NDArray[np.float32]
    truth: Rows
    groups: Rows
    distances: NDArray[np.float32]
    reference: NDArray[np.float32]

    @property
    def card(self) -> HeldOutCard:
        """What it is, in short."""
        return HeldOutCard(how=self.how, images=len(self.truth), groups=len(np.unique(self.groups)))


# Bounds hold where a value is read from a file.
Side = Annotated[int, Meta(ge=1, le=4096)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


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
    """What is known of a network before it is built.

    `channels` tells how images that are neither grey nor of three colours are taken: `any` number
    alike, or `adapted`: the pretrained filters of the first layer are repeated in turn and
    multiplied by 3 / C (timm's rule). Pretrained networks see grey three times over.
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
    """One layer of a network: `output` is C x H x W, or one figure long for a flat one.

    `kernel` and `stride` are sides, 0 where there is none; `multiply_adds` are those of one image.
    `receptive_field` is the side in pixels of what one output can depend on, at most the image's.
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


PREPROCESSING = ("normalise", "centre", "scale", "pixel-centre", "pixel-normalise", "pca", "zca")
WHITENING = ("pca", "zca")
OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What is done to an image before the first layer of a network.

    `kind` is `scale` (to 0..1), `centre` or `normalise` (by channel), `pixel-centre` or
    `pixel-normalise` (a mean image), `pca` or `zca` (whole images whitened), or `own` (what a
    pretrained network was trained with). Whitening keeps `components` directions and adds `eps`
    times the mean variance to each.
    """

    kind: str = "normalise"
    components: int = 0
    eps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What scores over their temperature go through to become probabilities; nothing by default.

    The temperature of an image is the model's times `sure` to the power 1 - h times `unsure` to
    the power h, where h in [0, 1] is the entropy of its probabilities at the model's own. Then
    the log-odds of its best class are multiplied by `slope`, above 0, and `intercept` is added.
    `why` says what held-out images had to say of it.
    """

    sure: Positive = 1.0
    unsure: Positive = 1.0
    slope: Positive = 1.0
    intercept: float = 0.0
    why: Sentence | None = None

    @property
    def neutral(self) -> bool:
        """Whether one temperature alone makes the probabilities."""
        return (self.sure, self.unsure, self.slope, self.intercept) == (1.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """All that rebuilds a model beside its weights: the content of `model.json`.

    `alpha` tells that the last channel says how opaque a pixel is.
    `calibration` is what scores over `temperature` go through; None in earlier versions' models.
    `mean` and `std` are by channel; what `preprocess` fits to whole images lies with the weights.
    `thresholds` are those of several labels, in the order of `classes`. `held_out` says what
    is kept beside it to act on its answers; models of earlier versions have None. `checksum` is
    that of the file and the tensors in it, and stands in files alone.
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
        """How many figures it gives an image: one a class, or one number."""
        return 1 if self.task == "number" else len(self.classes)
