"""Gaussian noise."""

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform


def random_noise(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Noise with a standard deviation drawn per image from 0..16 x strength grey levels."""
    deviation_N = draw_uniform(0, 16 * strength, len(images_NCHW), generator)
    drawn = torch.randn(images_NCHW.shape, generator=generator).to(images_NCHW)
    changed = images_NCHW + drawn * deviation_N.to(images_NCHW).view(-1, 1, 1, 1)
    return changed.clamp(0, 255)


AUGMENT = Augment(name="noise", title="Noise", rank=60, apply=random_noise, default_strength=1.0)
