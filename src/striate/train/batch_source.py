"""Training batches from the cache: images resized, augmented and normalised, with their targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.augment import augment_batch
from striate.config.suggestions import did_you_mean
from striate.data.batches import images_to_device, normalise_batch, resize_batch
from striate.errors import UsageError
from striate.train.loss import Objective, task_objective
from striate.values import Cache, Plan, Rows, Targets, Task


class FeatureSource(Protocol):
    """Cached features that a network trains on instead of images."""

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """N x D float32 on the device."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchSource:
    """Source of the images and targets of each batch.

    `labels` are class numbers of the cache's rows, or the targets of another `task`; `mean` and
    `std` are in units of 0..1. `kept` replaces the images by cached features if part of the network
    is frozen. `class_weights` weigh each class in the loss; empty for equal weights.
    """

    cache: Cache
    labels: Targets
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str = "cpu"
    layout: str = "channels_last"
    kept: FeatureSource | None = None
    class_weights: tuple[float, ...] = ()
    task: Task = "label"

    @property
    def objective(self) -> Objective:
        """The loss and the measure of the task."""
        return task_objective(self.task)

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images N x C x S x S float32, augmented if a generator is given."""
        if self.kept is not None:
            return self.kept.images(rows, augmentation, generator)
        images = images_to_device(self.cache.images[rows], self.device, self.layout)
        if images.shape[-1] != self.input_size:
            images = resize_batch(images, self.input_size)
        if augmentation and generator is not None:
            images = augment_batch(images.float(), augmentation, generator)
        images = normalise_batch(images, self.mean, self.std)
        if self.layout == "channels_last":
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()

    def weights(self) -> Tensor | None:
        """The class weights K on the device, None for equal weights."""
        return torch.tensor(self.class_weights, device=self.device) if self.class_weights else None

    def targets(self, rows: Rows) -> Tensor:
        """Class numbers N int64 on the device, or float32 N x K."""
        return torch.from_numpy(self.labels[rows]).to(self.device)


def mix_batch(
    images_NCHW: Tensor, labels: Tensor, plan: Plan, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The batch mixed as the plan says, with soft targets N x K; unchanged for `none`.

    `labels` are class numbers N, or N x K: 0 or 1 for each of several labels, or a number, which
    are mixed in the same proportions as the pixels.

    Raises `UsageError` for an unknown way of mixing.
    """
    name = plan.mix.value
    if name == "none":
        return images_NCHW, labels
    if name not in MIXES:
        raise UsageError(
            f"There is no mix {name!r}{did_you_mean(name, MIXES)}",
            f"There are: none, {', '.join(MIXES)}.",
        )
    shares_NK = labels if labels.ndim > 1 else F.one_hot(labels, len(plan.classes)).float()
    return MIXES[name](images_NCHW, shares_NK, generator)


def mixup(
    images_NCHW: Tensor, shares_NK: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Each image blended with another, with a weight from Beta(0.2, 0.2). Zhang et al. 2018."""
    n = len(images_NCHW)
    share_N = _draw_beta(0.2, n, generator).to(images_NCHW.device)
    other = torch.randperm(n, generator=generator).to(images_NCHW.device)
    share_N111, share_N1 = share_N.view(n, 1, 1, 1), share_N.view(n, 1)
    images = share_N111 * images_NCHW + (1 - share_N111) * images_NCHW[other]
    return images, share_N1 * shares_NK + (1 - share_N1) * shares_NK[other]


def cutmix(
    images_NCHW: Tensor, shares_NK: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A rectangle of each image replaced from another, its area from Beta(1, 1). Yun et al. 2019.

    Targets are weighted by the pixels left after the rectangle is clipped at the border.
    """
    n, _, height, width = images_NCHW.shape
    side_N = (1 - _draw_beta(1.0, n, generator)).sqrt()
    other = torch.randperm(n, generator=generator).to(images_NCHW.device)
    rows_NH = _span_mask(height, side_N, generator)
    columns_NW = _span_mask(width, side_N, generator)
    inside_NHW = (rows_NH[:, :, None] & columns_NW[:, None, :]).to(images_NCHW.device)
    images = torch.where(inside_NHW[:, None], images_NCHW[other], images_NCHW)
    kept_N1 = 1 - inside_NHW.float().mean(dim=(1, 2)).view(n, 1)
    return images, kept_N1 * shares_NK + (1 - kept_N1) * shares_NK[other]


def _span_mask(length: int, share_N: Tensor, generator: torch.Generator) -> Tensor:
    """Mask of the places within a span of a share of `length` about a uniformly drawn centre."""
    centre_N1 = length * torch.rand(len(share_N), 1, generator=generator)
    place_L = torch.arange(length) + 0.5
    return (place_L - centre_N1).abs() < length * share_N[:, None] / 2


def _draw_beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """`n` samples of Beta(alpha, alpha), from two gamma samples each."""
    gammas_2N = torch._standard_gamma(torch.full((2, n), alpha), generator=generator)
    return gammas_2N[0] / gammas_2N.sum(dim=0).clamp(min=1e-12)


MIXES = {"mixup": mixup, "cutmix": cutmix}
