"""Augmentations: one file per operation, each ending in AUGMENT; batched, random per image."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import UsageError
from striate.values import catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """An operation on a batch of images N x C x H x W in 0..255, random for each image.

    `apply(images, strength, generator)` returns images of the same shape; strength 0 is the
    identity. `rank` orders operations: geometry first, then colour, then erasing.
    """

    name: str
    title: str
    rank: int
    apply: Callable[[Tensor, float, torch.Generator], Tensor]
    default_strength: float


def augment_batch(
    images_NCHW: Tensor, settings: Mapping[str, float], generator: torch.Generator
) -> Tensor:
    """The images after every operation named in `settings` (name -> strength), in rank order.

    Random numbers are drawn on the CPU, so that a generator gives the same result on every device.
    Raises `UsageError` for an unknown operation or a strength below 0.
    """
    for operation, strength in _sort_operations(settings):
        images_NCHW = operation.apply(images_NCHW, strength, generator)
    return images_NCHW


def warp_images(images_NCHW: Tensor, matrices_N23: Tensor) -> Tensor:
    """Images under one affine map each (output to input, in [-1, 1]), borders reflected."""
    matrices_N23 = matrices_N23.to(images_NCHW.device, images_NCHW.dtype)
    grid = F.affine_grid(matrices_N23, list(images_NCHW.shape), align_corners=False)
    return F.grid_sample(
        images_NCHW, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def draw_uniform(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    """`n` uniform draws in [low, high), float32 on the CPU."""
    return low + (high - low) * torch.rand(n, generator=generator)


def _sort_operations(settings: Mapping[str, float]) -> list[tuple[Augment, float]]:
    known: dict[str, Augment] = catalog.collect_constants("augment", "AUGMENT")
    for name, strength in settings.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"There is no augmentation {name!r}.",
                f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}.",
            )
        if strength < 0:
            raise UsageError(
                f"The augmentation {name!r} has strength {strength:g}.", "Give 0 or more."
            )
    chosen = [(known[name], strength) for name, strength in settings.items() if strength > 0]
    return sorted(chosen, key=lambda pair: pair[0].rank)
