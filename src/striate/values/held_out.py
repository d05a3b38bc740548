"""What is kept with a model to act on its answers: held-out images, as it saw them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.values.saying import Rows

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
