"""Random conversion to greyscale."""

import torch
from torch import Tensor

from striate.augment import Augment


def random_grey(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each colour image made grey with probability strength / 5; others are unchanged.

    Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in all three channels.
    """
    drawn = torch.rand(len(images_NCHW), generator=generator) < strength / 5
    if images_NCHW.shape[1] != 3:
        return images_NCHW
    weights = torch.tensor([0.299, 0.587, 0.114]).to(images_NCHW).view(1, 3, 1, 1)
    grey_N1HW = (images_NCHW * weights).sum(dim=1, keepdim=True)
    taken_N111 = drawn.to(images_NCHW.device).view(-1, 1, 1, 1)
    return torch.where(taken_N111, grey_N1HW, images_NCHW)


AUGMENT = Augment(name="grey", title="Grey", rank=52, apply=random_grey, default_strength=1.0)
