"""Rows in, what a network sees out: pixels from the cache, resized, augmented, normalised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.augment import augment
from striate.data.batches import normalise, resized, to_device
from striate.train.objective import Objective, objective_of
from striate.values import Cache, Rows, Targets, Task


class Source(Protocol):
    """What a network is fed with instead of images."""

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """N x D float32 on the device."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """Where images and labels come from, and how a network wants them.

    `labels` are class numbers of the cache's rows, or what else `task` learns of them; `mean`
    and `std` are in units of 0..1.
    `kept` stands for the images where a frozen part of the network has looked at them already.
    `class_weights` say how much an image of each class counts in the loss; empty: all alike.
    """

    cache: Cache
    labels: Targets
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str = "cpu"
    layout: str = "channels_last"
    kept: Source | None = None
    class_weights: tuple[float, ...] = ()
    task: Task = "label"

    @property
    def objective(self) -> Objective:
        """What outputs are held against the labels by."""
        return objective_of(self.task)

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images N x C x S x S float32, augmented where a generator is given."""
        if self.kept is not None:
            return self.kept.images(rows, augmentation, generator)
        images = to_device(self.cache.images[rows], self.device, self.layout)
        if images.shape[-1] != self.input_size:
            images = resized(images, self.input_size)
        if augmentation and generator is not None:
            images = augment(images.float(), augmentation, generator)
        images = normalise(images, self.mean, self.std)
        if self.layout == "channels_last":
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()

    def weights(self) -> Tensor | None:
        """The class weights K on the device, None where all images count alike."""
        return torch.tensor(self.class_weights, device=self.device) if self.class_weights else None

    def targets(self, rows: Rows) -> Tensor:
        """Class numbers N int64 on the device, or float32 N x K."""
        return torch.from_numpy(self.labels[rows]).to(self.device)
