"""TrivialAugment: one random operation per image, with a random strength."""

import torch
from torch import Tensor

from striate.augment import Augment, draw_uniform
from striate.augment.blur import random_blur
from striate.augment.colour import colour_jitter
from striate.augment.noise import random_noise
from striate.augment.rotate import random_rotation
from striate.augment.scale import random_scale
from striate.augment.shear import random_shear
from striate.augment.translate import random_translation


def trivial_augment(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image passed through one operation, or none, at up to twice its usual strength.

    After Müller and Hutter 2021, without flips, which may change a label. Images with the same
    operation share `LEVELS` levels of strength.
    """
    n = len(images_NCHW)
    which_N = torch.randint(0, len(OPERATIONS) + 1, (n,), generator=generator)
    level_N = (draw_uniform(0, LEVELS, n, generator).floor() + 1) / LEVELS
    changed = images_NCHW.clone()
    for number, apply in enumerate(OPERATIONS):
        for level in range(1, LEVELS + 1):
            drawn = (which_N == number) & (level_N == level / LEVELS)
            if drawn.any():
                rows = drawn.nonzero().flatten().to(images_NCHW.device)
                some = apply(images_NCHW[rows], 2 * strength * level / LEVELS, generator)
                changed[rows] = some.to(changed.dtype)
    return changed


LEVELS = 3
OPERATIONS = (
    random_translation,
    random_rotation,
    random_shear,
    random_scale,
    colour_jitter,
    random_blur,
    random_noise,
)

AUGMENT = Augment(
    name="trivial", title="TrivialAugment", rank=80, apply=trivial_augment, default_strength=1.0
)
