"""Random rotation about the centre."""

import math

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform, warp_images


def random_rotation(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image rotated by an angle of up to ±15 degrees x strength."""
    n, _, height, width = images_NCHW.shape
    reach = math.radians(15) * strength
    angle_N = draw_uniform(-reach, reach, n, generator)
    cosine, sine, zero = angle_N.cos(), angle_N.sin(), torch.zeros(n)
    # Coordinates are in half sides: the off-diagonal terms undo the stretch of oblong images.
    rows = [cosine, -sine * height / width, zero, sine * width / height, cosine, zero]
    return warp_images(images_NCHW, torch.stack(rows, dim=1).view(n, 2, 3))


AUGMENT = Augment(
    name="rotate", title="Rotation", rank=30, apply=random_rotation, default_strength=1.0
)
