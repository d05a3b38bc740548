"""From cache and rows to batches on the device: seeded order, transfer, normalisation."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.values import Rows
from striate.values.seeds import make_rng


def iterate_batches(
    rows: Rows,
    batch_size: int,
    *,
    seed: int | None = None,
    purpose: str = "batches",
    epoch: int = 0,
    drop_last: bool = False,
) -> Iterator[Rows]:
    """Rows in batches: in their own order, or shuffled if a seed is given.

    The order depends only on rows, seed, purpose and epoch, so that a resumed training sees the
    same batches as an uninterrupted one.
    """
    if seed is not None:
        rows = make_rng(seed, f"{purpose}/{epoch}").permutation(rows)
    stop = len(rows) - len(rows) % batch_size if drop_last else len(rows)
    for start in range(0, stop, batch_size):
        yield rows[start : start + batch_size]


def images_to_device(
    images_NHWC: NDArray[np.uint8],
    device: str | torch.device = "cpu",
    layout: str = "channels_last",
) -> Tensor:
    """Images as a uint8 tensor N x C x H x W on the device, in the given memory layout."""
    if not (images_NHWC.flags.c_contiguous and images_NHWC.flags.writeable):
        images_NHWC = images_NHWC.copy(order="C")  # A read-only map cannot become a tensor.
    images_NCHW = torch.from_numpy(images_NHWC).permute(0, 3, 1, 2)
    device = torch.device(device)
    if device.type == "cuda":
        images_NCHW = images_NCHW.pin_memory().to(device, non_blocking=True)
    elif device.type != "cpu":
        images_NCHW = images_NCHW.to(device)
    if layout == "channels_last":
        return images_NCHW.contiguous(memory_format=torch.channels_last)
    return images_NCHW.contiguous()


def normalise_batch(
    images_NCHW: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype = torch.float32,
    size: int | None = None,
) -> Tensor:
    """Images of 0..255 normalised for a network: (x / 255 - mean) / std, in `dtype`.

    Resized to `size` x `size` if they differ (bilinear, antialiased when shrinking); grey is
    repeated to three channels if there are three means. The memory layout is kept.
    """
    if size is not None and images_NCHW.shape[-2:] != (size, size):
        images_NCHW = resize_batch(images_NCHW, size)
    if images_NCHW.shape[1] == 1 and len(mean) > 1:
        images_NCHW = images_NCHW.expand(-1, len(mean), -1, -1)
    shape, device = (1, len(mean), 1, 1), images_NCHW.device
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(shape)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    values = torch.addcmul(shift.view(shape), images_NCHW.to(torch.float32), scale)
    return values.to(dtype)


def resize_batch(images_NCHW: Tensor, size: int) -> Tensor:
    """Images N x C x S x S, float32 where they were not uint8 on the CPU."""
    shrinks = size < min(images_NCHW.shape[-2:])
    # Only the CPU resizes bytes, and it does so several times faster than floats.
    if images_NCHW.dtype != torch.uint8 or images_NCHW.device.type != "cpu":
        images_NCHW = images_NCHW.to(torch.float32)
    return functional.interpolate(
        images_NCHW, size=(size, size), mode="bilinear", antialias=shrinks, align_corners=False
    )
