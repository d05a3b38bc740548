"""Rows in, what a network sees out: pixels from the cache, resized, augmented, normalised."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.augment import augment
from striate.data.batches import normalise, resized, to_device
from striate.values import Cache, Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """Where images and labels come from, and how a network wants them.

    `labels` are class numbers of the cache's rows; `mean` and `std` are in units of 0..1.
    """

    cache: Cache
    labels: Rows
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str = "cpu"
    layout: str = "channels_last"

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images N x C x S x S float32, augmented where a generator is given."""
        images = to_device(self.cache.images[rows], self.device, self.layout)
        if images.shape[-1] != self.input_size:
            images = resized(images, self.input_size)
        if augmentation and generator is not None:
            images = augment(images.float(), augmentation, generator)
        images = normalise(images, self.mean, self.std)
        if self.layout == "channels_last":
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()

    def targets(self, rows: Rows) -> Tensor:
        """Class numbers N int64 on the device."""
        return torch.from_numpy(self.labels[rows]).to(self.device)
