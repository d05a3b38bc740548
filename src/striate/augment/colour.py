"""Random brightness and contrast."""

import math

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform


def colour_jitter(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Contrast times 1.3 ** ±strength at most, brightness plus ±32 x strength at most."""
    n = len(images_NCHW)
    contrast_N = (draw_uniform(-1, 1, n, generator) * math.log(1.3) * strength).exp()
    brightness_N = draw_uniform(-32, 32, n, generator) * strength
    contrast_N111 = contrast_N.to(images_NCHW).view(n, 1, 1, 1)
    brightness_N111 = brightness_N.to(images_NCHW).view(n, 1, 1, 1)
    grey_N111 = images_NCHW.mean(dim=(1, 2, 3), keepdim=True)
    changed = (images_NCHW - grey_N111) * contrast_N111 + grey_N111 + brightness_N111
    return changed.clamp(0, 255)


AUGMENT = Augment(
    name="colour",
    title="Brightness and contrast",
    rank=50,
    apply=colour_jitter,
    default_strength=1.0,
)
