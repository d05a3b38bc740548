"""Random scaling and change of the aspect ratio."""

import math

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform, warp_images


def random_scale(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image scaled by 1.2 ** ±strength at most, width and height by 1.1 separately."""
    n = len(images_NCHW)
    nearer_N = draw_uniform(-1, 1, n, generator) * math.log(1.2) * strength
    wider_N = draw_uniform(-1, 1, n, generator) * math.log(1.1) * strength / 2
    zero = torch.zeros(n)
    across, down = (nearer_N + wider_N).exp(), (nearer_N - wider_N).exp()
    return warp_images(
        images_NCHW, torch.stack([across, zero, zero, zero, down, zero], 1).view(n, 2, 3)
    )


AUGMENT = Augment(name="scale", title="Scale", rank=40, apply=random_scale, default_strength=1.0)
