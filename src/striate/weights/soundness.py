"""Checks of tensors: that they are what was written, and finite."""

import hashlib
import zlib
from collections.abc import Mapping

import torch
from torch import Tensor


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """BLAKE2b of what tensors are: of each its name, kind and shape, and its bytes' CRC-32.

    A checksum against damage, not against forgery: that of the bytes alone is four times as fast.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        content = _flat(tensor).view(torch.uint8).numpy().data
        line = f"{name} {tensor.dtype} {tuple(tensor.shape)} {zlib.crc32(content)}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _flat(tensor: Tensor) -> Tensor:
    """A tensor's numbers in a row, one beside the other.

    A single number counts as that already, with whatever step it has to the next: it is copied.
    """
    flat = tensor.contiguous().reshape(-1)
    return torch.empty(flat.shape, dtype=flat.dtype).copy_(flat) if len(flat) < 2 else flat


def find_non_finite(tensors: Mapping[str, Tensor]) -> str:
    """The name of a tensor that holds NaN, what is infinite or as good as that, or "".

    Counted by NumPy where it can: torch would wake threads for each of hundreds of tensors.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel():
            known = tensor.dtype in (torch.float16, torch.float32, torch.float64)
            plain = (tensor if known else tensor.float()).detach().numpy()
            low, high = float(plain.min()), float(plain.max())  # half precision has no 1e30
            if not (low >= -LARGEST_WEIGHT and high <= LARGEST_WEIGHT):  # NaN is neither
                return name
    return ""


# No training leaves such a number; the sum of a few of its products has no room in float32.
LARGEST_WEIGHT = 1e30
