"""Random crop of the image padded by reflection: a shift by whole pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.augment import Augment


def random_crop(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to strength / 16 of its side; borders are reflected."""
    n, _, height, width = images_NCHW.shape
    reach = min(round(strength * max(height, width) / 16), height - 1, width - 1)
    if reach == 0:
        return images_NCHW
    padded = F.pad(images_NCHW, (reach,) * 4, mode="reflect")
    shifts_N2 = torch.randint(0, 2 * reach + 1, (n, 2), generator=generator)
    shifts_N2 = shifts_N2.to(images_NCHW.device)
    windows = padded.permute(0, 2, 3, 1).unfold(1, height, 1).unfold(2, width, 1)
    each = torch.arange(n, device=images_NCHW.device)
    return windows[each, shifts_N2[:, 0], shifts_N2[:, 1]]


AUGMENT = Augment(
    name="crop", title="Crop and shift", rank=20, apply=random_crop, default_strength=1.0
)
