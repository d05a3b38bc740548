"""Gaussian blur."""

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.augment import Augment, draw_uniform


def random_blur(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Gaussian blur with a standard deviation drawn per image from 0..strength pixels.

    The kernel covers three of the largest deviations, within the image; borders are reflected.
    """
    n, channels, height, width = images_NCHW.shape
    deviation_N = draw_uniform(0, strength, n, generator)
    reach = min(int(3 * strength + 0.5), height - 1, width - 1)
    if reach == 0:
        return images_NCHW
    place_K = torch.arange(-reach, reach + 1)
    kernel_NK = (-0.5 * (place_K / deviation_N.clamp(min=1e-3).view(n, 1)).square()).exp()
    kernel_NK = (kernel_NK / kernel_NK.sum(dim=1, keepdim=True)).to(images_NCHW)
    # One group an image and channel, so that each image has its own kernel.
    kernels = kernel_NK.repeat_interleave(channels, dim=0)
    padded = F.pad(images_NCHW, (reach,) * 4, mode="reflect").flatten(0, 1)[None]
    across = F.conv2d(padded, kernels[:, None, None, :], groups=n * channels)
    down = F.conv2d(across, kernels[:, None, :, None], groups=n * channels)
    return down.view(n, channels, height, width).clamp(0, 255)


AUGMENT = Augment(name="blur", title="Blur", rank=55, apply=random_blur, default_strength=1.0)
