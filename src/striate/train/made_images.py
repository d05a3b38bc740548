"""Images that nobody took: noise as smooth and as coloured as photographs are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.statistics import seed_for


def made_images(count: int, channels: int, size: int) -> Tensor:
    """Images N x C x S x S in [-1, 1], always the same.

    Noise of every scale, its amplitude falling as the frequency rises (Field 1987, Relations
    between the statistics of natural images), most of it shared by the channels.
    """
    generator = torch.Generator().manual_seed(seed_for(0, "made images"))
    images = torch.zeros(count, channels, size, size)
    grain = 2
    while grain <= size:
        shared = torch.randn(count, 1, grain, grain, generator=generator)
        own = torch.randn(count, channels, grain, grain, generator=generator)
        images += F.interpolate(shared + own, size=(size, size), mode="bilinear") / grain**0.5
        grain *= 2
    return (images / images.std() / 2).clamp(-1, 1)
