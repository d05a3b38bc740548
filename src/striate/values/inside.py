"""What a look inside a network finds: one value worked out, weights, the whole architecture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.values.history import LayerWeights
from striate.values.models import Architecture

Operation = Literal["normalisation", "activation", "pooling", "convolution", "between"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedStep:
    """What one layer makes of one value: `before` goes in, `after` comes out.

    `window` holds what a pooling compares. Of a convolution, `weight` is the one that the value
    is multiplied by, `terms` counts the products of its sum and `bias` is added.
    """

    operation: Operation
    layer: str
    kind: str
    before: float
    after: float
    window: tuple[float, ...] = ()
    weight: float = 0.0
    terms: int = 0
    bias: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkedPlace:
    """One place of the first layer's map, `row` and `column` from 0, and its window.

    The window's corner lies at `top`, `left` of the image, below 0 where padding begins.
    `pixels` and `products` are C x k x k. `steps` follow the value on to the next layer.
    """

    row: int
    column: int
    top: int
    left: int
    pixels: NDArray[np.float32]
    products: NDArray[np.float32]
    bias: float
    value: float
    steps: tuple[WorkedStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkedValue:
    """Values of one filter of the first convolution on one image, worked out by hand.

    `image` is uint8 at the network's input size, `kernel` C x k x k. `error` is the largest
    difference of the sums from what the network itself computed.
    """

    path: str
    image: NDArray[np.uint8]
    layer: str
    filter: int
    filters: int
    stride: int
    dilation: int
    kernel: NDArray[np.float32]
    places: tuple[WorkedPlace, ...]
    error: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkView:
    """A network from inside: its layers, the weights they hold, and one value worked out."""

    architecture: Architecture | None = None
    weights: tuple[LayerWeights, ...] = ()
    worked: WorkedValue | None = None
