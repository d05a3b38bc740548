"""Random translation by fractions of a pixel."""

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform, warp_images


def random_translation(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to strength x 10 % of its sides; borders are reflected."""
    n = len(images_NCHW)
    # Coordinates go from -1 to 1: a tenth of a side is 0.2 of them.
    across, down = (draw_uniform(-0.2, 0.2, n, generator) * strength for _ in range(2))
    one, zero = torch.ones(n), torch.zeros(n)
    return warp_images(
        images_NCHW, torch.stack([one, zero, across, zero, one, down], 1).view(n, 2, 3)
    )


AUGMENT = Augment(
    name="translate", title="Translation", rank=25, apply=random_translation, default_strength=1.0
)
