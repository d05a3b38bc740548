"""Random shear."""

import math

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform, warp_images


def random_shear(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image sheared by up to ±10 degrees x strength, horizontally and vertically."""
    n, _, height, width = images_NCHW.shape
    reach = math.radians(10) * min(strength, 8.0)
    across, down = (draw_uniform(-reach, reach, n, generator).tan() for _ in range(2))
    one, zero = torch.ones(n), torch.zeros(n)
    # Coordinates are in half sides: the off-diagonal terms undo the stretch of oblong images.
    rows = [one, across * height / width, zero, down * width / height, one, zero]
    return warp_images(images_NCHW, torch.stack(rows, dim=1).view(n, 2, 3))


AUGMENT = Augment(name="shear", title="Shear", rank=35, apply=random_shear, default_strength=1.0)
