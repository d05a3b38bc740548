"""First-layer filters: the patterns that the first convolution looks for in the pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.explain import Method
from striate.train.head import Network
from striate.values import Cache, Explanation, Values, say

SHOWN = 64


def run(network: Network, values: Values, cache: Cache) -> Explanation | None:
    """Each filter as a small picture in colour, those with the largest weights first."""
    found = first_convolution(network)
    if found is None:
        return None
    name, layer = found
    weights_OIHW = layer.weight.detach().float().cpu()
    if weights_OIHW.shape[1] not in (1, 3) or max(weights_OIHW.shape[2:]) < 2:
        return None
    sizes = weights_OIHW.flatten(1).norm(dim=1)
    order = torch.argsort(sizes, descending=True, stable=True)[:SHOWN].tolist()
    height, width = weights_OIHW.shape[2:]
    return Explanation(
        method="filters",
        title="First-layer filters",
        about=say(
            "explain.filters",
            "The {n:,} filters of {height} × {width} pixels in the first convolution, {shown:,} "
            "of them shown, strongest first. Grey is no weight; brighter and darker are the "
            "light and dark that a filter answers to. Edges, spots and colours are a good sign; "
            "mere noise means that it learnt little.",
            n=len(weights_OIHW),
            shown=len(order),
            height=height,
            width=width,
        ),
        images=tuple(picture(weights_OIHW[i].numpy()) for i in order),
        captions=tuple(str(i) for i in order),
        layer=name,
    )


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """The first convolution that reads pixels, with its name; a fixed whitening counts too."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    return None


def picture(filter_IHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A filter as uint8 H x W or H x W x 3, zero at mid grey, its largest weight at the end."""
    largest = float(np.abs(filter_IHW).max()) or 1.0
    scaled_HWI = np.moveaxis(filter_IHW, 0, -1) / largest
    pixels = np.clip(np.round(127.5 + 127.5 * scaled_HWI), 0, 255).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


METHOD = Method(name="filters", title="First-layer filters", run=run)
