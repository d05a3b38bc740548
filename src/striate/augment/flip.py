"""Random horizontal flip."""

import torch
from torch import Tensor

from striate.augment import Augment


def random_horizontal_flip(
    images_NCHW: Tensor, strength: float, generator: torch.Generator
) -> Tensor:
    """Each image flipped with probability strength / 2."""
    drawn = torch.rand(len(images_NCHW), generator=generator) < strength / 2
    mirrored_N111 = drawn.to(images_NCHW.device).view(-1, 1, 1, 1)
    return torch.where(mirrored_N111, images_NCHW.flip(3), images_NCHW)


AUGMENT = Augment(
    name="flip",
    title="Horizontal flip",
    rank=10,
    apply=random_horizontal_flip,
    default_strength=1.0,
)
