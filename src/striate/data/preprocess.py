"""Preprocessing fitted to the training images before any network: centre and scale.

By channel here; whole images, pixel by pixel or whitened, in `whole_images.py`.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.batches import images_to_device, normalise_batch
from striate.errors import UsageError
from striate.values import WHITENING, Cache, Preprocessing, Rows

MOST_PIXELS = 32_000_000
SMALLEST_STD = 1 / 255


def channel_scaling(
    kind: str, cache: Cache, rows: Rows
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a kind of preprocessing takes from each channel and divides it by, in units of 0..1.

    Nothing and 1 for those that look at whole images: they begin at images of 0..1.
    """
    nothing, one = (0.0,) * cache.channels, (1.0,) * cache.channels
    if kind not in ("normalise", "centre"):
        return nothing, one
    mean, std = fit_scaling(cache, rows)
    return mean, (std if kind == "normalise" else one)


def space_evenly(rows: Rows, most: int) -> Rows:
    """The rows ascending; of more than `most` that many, evenly spaced."""
    rows = np.sort(rows)
    if len(rows) <= most:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)])


def fit_scaling(cache: Cache, rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the rows' pixels, in units of 0..1.

    Exact up to 32 million pixels, then over evenly spaced rows of that many.
    """
    chosen = space_evenly(rows, max(1, MOST_PIXELS // cache.size**2))
    counts = np.zeros((cache.channels, 256), np.int64)
    for start in range(0, len(chosen), 256):
        block = cache.images[chosen[start : start + 256]]
        for channel in range(cache.channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    total = max(1, int(counts[0].sum()))
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    # A set of equal pixels has no scale: one grey level, so that nothing is divided by zero.
    std = np.sqrt(np.maximum(variance, SMALLEST_STD**2))
    return tuple(float(m) for m in mean), tuple(float(s) for s in std)


class PerPixel(nn.Module):
    """(x - mean) / std, every pixel of every channel with its own; images in units of 0..1."""

    mean: Tensor
    std: Tensor

    def __init__(self, shape_CHW: tuple[int, int, int]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape_CHW))
        self.register_buffer("std", torch.ones(shape_CHW))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Images N x C x H x W."""
        return (images_NCHW - self.mean) / self.std


class Whitening(nn.Module):
    """All pixels of an image whitened together: the K strongest directions, each of variance 1.

    ZCA turns back, so that the result looks like an image: U s U'(x - mean), with s the inverse
    roots of the variances. PCA stops at s U'(x - mean): K coordinates, the strongest first, laid
    out row by row with zeros behind them. Neighbours in such a layout are no neighbours in the
    image. Krizhevsky 2009, appendix A.
    """

    mean: Tensor
    components: Tensor
    scale: Tensor

    def __init__(self, shape_CHW: tuple[int, int, int], components: int, *, turn_back: bool):
        super().__init__()
        dimensions = int(np.prod(shape_CHW))
        self.turn_back = turn_back
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("components", torch.zeros(components, dimensions))
        self.register_buffer("scale", torch.zeros(components))

    def coordinates(self, images_NCHW: Tensor) -> Tensor:
        """The whitened coordinates N x K, the direction of the largest variance first."""
        return ((images_NCHW.flatten(1) - self.mean) @ self.components.T) * self.scale

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Images N x C x H x W; never in less than the precision of what comes in.

        Faint directions are multiplied by large numbers, which bfloat16 would turn to noise.
        """
        with torch.autocast(images_NCHW.device.type, enabled=False):
            found_NK = self.coordinates(images_NCHW)
            if self.turn_back:
                found_ND = found_NK @ self.components
            else:
                missing = self.mean.numel() - found_NK.shape[1]
                found_ND = nn.functional.pad(found_NK, (0, missing))
        return found_ND.reshape(images_NCHW.shape)


def make_preprocessing_layer(how: Preprocessing, shape_CHW: tuple[int, int, int]) -> nn.Module:
    """The layer of a kind of preprocessing, not fitted yet; the identity for those by channel."""
    if how.kind in PER_PIXEL:
        return PerPixel(shape_CHW)
    if how.kind in WHITENING:
        return Whitening(shape_CHW, how.components, turn_back=how.kind == "zca")
    return nn.Identity()


def fit_preprocessing_layer(
    layer: nn.Module, how: Preprocessing, cache: Cache, rows: Rows, size: int
) -> None:
    """Fit a layer of `make_preprocessing_layer` to images of some rows, resized to `size` pixels.

    Exact up to 20,000 images, then over that many evenly spaced rows. No other row is read.
    """
    if isinstance(layer, PerPixel):
        mean_D, std_D = _pixel_moments(cache, rows, size)
        layer.mean.copy_(mean_D.view(layer.mean.shape))
        if how.kind == "pixel-normalise":
            layer.std.copy_(std_D.clamp(min=SMALLEST_STD).view(layer.std.shape))
    elif isinstance(layer, Whitening):
        mean_D, variance_K, components_KD, total = _principal_components(cache, rows, size)
        kept = len(layer.scale)
        variance_K, components_KD = variance_K[:kept], components_KD[:kept]
        floor = how.eps * total / len(mean_D)
        # Directions in which training images do not differ: nothing is known of them.
        known_K = variance_K > RANK_TOLERANCE * float(variance_K[0].clamp(min=RANK_TOLERANCE))
        scale_K = torch.where(known_K, (variance_K + floor).rsqrt(), 0.0)
        layer.mean.copy_(mean_D)
        layer.components[: len(components_KD)].copy_(components_KD)
        layer.scale[: len(scale_K)].copy_(scale_K)


def count_components(asked: int, dimensions: int, images: int) -> int:
    """How many directions whitening keeps: those asked for, at most what the images span.

    `images` have at most one direction fewer than they are, counted from their mean. Raises
    `UsageError` where there is none.
    """
    images = min(images, MOST_FITTED)
    if images < 2:
        raise UsageError(
            f"Whitening needs training images, and there is {images:,}.",
            "Type --set preprocess=normalise",
        )
    return min(asked or dimensions, dimensions, images - 1)


def refuse_too_large(kind: str, size: int, channels: int) -> None:
    """Raises `UsageError` where whole images are too large to be whitened."""
    dimensions = size * size * channels
    if kind not in WHITENING or dimensions <= MOST_DIMENSIONS:
        return
    fitting = int((MOST_DIMENSIONS / channels) ** 0.5)
    raise UsageError(
        f"preprocess={kind} can whiten at most {MOST_DIMENSIONS:,} values per image; "
        f"these images have {size} x {size} x {channels} = {dimensions:,}.",
        f"Type --set input_size={fitting}, or leave preprocess out: the compact "
        "network whitens small patches at any image size.",
    )


def _read_blocks(cache: Cache, rows: Rows, size: int) -> Iterator[Tensor]:
    """The images as a network sees them before anything is subtracted, N x D float64 in 0..1."""
    plain = (0.0,) * cache.channels, (1.0,) * cache.channels
    for start in range(0, len(rows), BLOCK):
        images = images_to_device(cache.images[rows[start : start + BLOCK]], "cpu", "contiguous")
        yield normalise_batch(images, *plain, torch.float32, size).flatten(1).double()


def _pixel_moments(cache: Cache, rows: Rows, size: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every number of the images, D each."""
    rows = space_evenly(rows, MOST_FITTED)
    mean_D = sum(block.sum(dim=0) for block in _read_blocks(cache, rows, size)) / len(rows)
    squares = (((block - mean_D) ** 2).sum(dim=0) for block in _read_blocks(cache, rows, size))
    return torch.as_tensor(mean_D), torch.as_tensor(sum(squares) / len(rows)).sqrt()


def _principal_components(
    cache: Cache, rows: Rows, size: int
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Mean D, variances K falling, their directions K x D, and the sum of all variances."""
    rows = space_evenly(rows, MOST_FITTED)
    mean_D, _ = _pixel_moments(cache, rows, size)
    if len(rows) <= len(mean_D):
        centred_ND = torch.cat([block - mean_D for block in _read_blocks(cache, rows, size)])
        _, singular_K, components_KD = torch.linalg.svd(centred_ND, full_matrices=False)
        variance_K = singular_K**2 / len(rows)
    else:
        covariance_DD = torch.zeros(len(mean_D), len(mean_D), dtype=torch.float64)
        for block in _read_blocks(cache, rows, size):
            centred_ND = block - mean_D
            covariance_DD += centred_ND.T @ centred_ND / len(rows)
        variance_K, vectors_DK = torch.linalg.eigh(covariance_DD)
        variance_K, components_KD = variance_K.flip(0).clamp(min=0), vectors_DK.T.flip(0)
    # An eigenvector's sign is arbitrary: the largest entry is made positive.
    largest_K1 = components_KD.abs().argmax(dim=1, keepdim=True)
    components_KD = components_KD * components_KD.gather(1, largest_K1).sign()
    return mean_D, variance_K, components_KD, float(variance_K.sum())


PER_PIXEL = ("pixel-centre", "pixel-normalise")
# 4,096 numbers are 64 x 64 grey or 36 x 36 colour pixels: a matrix of 64 MiB beside the weights.
MOST_DIMENSIONS = 4096
MOST_FITTED = 20_000
BLOCK = 512
RANK_TOLERANCE = 1e-9
