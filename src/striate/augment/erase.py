"""Random erasing of a square (cutout)."""

import torch
from torch import Tensor

from striate.augment import Augment


def random_erase(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """A square of strength / 4 of the longer side set to the image's mean colour.

    Its centre may lie anywhere, so that squares at the border are cut off. DeVries and Taylor 2017.
    """
    n, _, height, width = images_NCHW.shape
    side = round(strength * max(height, width) / 4)
    if side == 0:
        return images_NCHW
    centre_N2 = torch.rand(n, 2, generator=generator) * torch.tensor([height, width])
    first_N2 = (centre_N2 - side / 2).round()
    down_NH = _mask_span(torch.arange(height), first_N2[:, 0], side)
    across_NW = _mask_span(torch.arange(width), first_N2[:, 1], side)
    hidden_N1HW = (down_NH[:, :, None] & across_NW[:, None, :])[:, None].to(images_NCHW.device)
    return torch.where(hidden_N1HW, images_NCHW.mean(dim=(2, 3), keepdim=True), images_NCHW)


def _mask_span(places: Tensor, first_N: Tensor, side: int) -> Tensor:
    return (places >= first_N[:, None]) & (places < first_N[:, None] + side)


AUGMENT = Augment(name="erase", title="Erasing", rank=70, apply=random_erase, default_strength=1.0)
