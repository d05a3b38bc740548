"""First-layer filters: the weights of the first convolution as images."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from striate.explain import ExplanationMethod
from striate.train.head import Network
from striate.values import Cache, Explanation, Sentence, Values, say

MOST_SHOWN = 64


def show_filters(network: Network, values: Values, cache: Cache) -> Explanation | None:
    """Each filter as a small colour image, those with the largest weights first.

    If the first convolution is frozen (a whitening layer), the first trained one is shown, combined
    with it.
    """
    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    if not layers:
        return None
    (name, first), *others = layers
    weights_OIHW = first.weight.detach().float().cpu()
    through = not first.weight.requires_grad and bool(others) and _can_compose(first, others[0][1])
    if through:
        name, second = others[0]
        weights_OIHW = compose_filters(weights_OIHW, second.weight.detach().float().cpu())
    if weights_OIHW.shape[1] not in (1, 3) or max(weights_OIHW.shape[2:]) < 2:
        return None
    order = torch.argsort(weights_OIHW.flatten(1).norm(dim=1), descending=True, stable=True)
    shown = order[:MOST_SHOWN].tolist()
    return Explanation(
        method="filters",
        title="First-layer filters",
        about=_filters_caption(weights_OIHW, len(shown), through),
        images=tuple(filter_image(weights_OIHW[i].numpy()) for i in shown),
        captions=tuple(str(i) for i in shown),
        layer=name,
    )


def compose_filters(first_KIHW: Tensor, second_OKHW: Tensor) -> Tensor:
    """Filters O x I x H x W equal to the second convolution applied after the first.

    Exact up to the activation between them: a ReLU on a filter and on its negative, as after a
    whitening layer, leaves this linear part and a part that does not depend on the sign.
    """
    return functional.conv_transpose2d(second_OKHW, first_KIHW)


def _can_compose(first: nn.Conv2d, second: nn.Conv2d) -> bool:
    plain = second.groups == 1 and first.stride == (1, 1)
    return plain and second.weight.requires_grad and second.in_channels == first.out_channels


def _filters_caption(weights_OIHW: Tensor, shown: int, through: bool) -> Sentence:
    n, _, height, width = weights_OIHW.shape
    if through:
        return say(
            "explain.filters_through",
            "{shown:,} of the {n:,} filters of the first trained convolution, those with the "
            "largest weights first. Each is combined with the fixed whitening layer before it "
            "and so covers {height} × {width} pixels of the image. Grey is a weight of zero; "
            "brighter is positive, darker negative.",
            n=n,
            shown=shown,
            height=height,
            width=width,
        )
    return say(
        "explain.filters",
        "{shown:,} of the {n:,} filters of {height} × {width} pixels in the first convolution, "
        "those with the largest weights first. Grey is a weight of zero; brighter is positive, "
        "darker negative. Edges, spots and colours are a good sign; mere noise means that the "
        "layer learnt little.",
        n=n,
        shown=shown,
        height=height,
        width=width,
    )


def filter_image(filter_IHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A filter as uint8 H x W or H x W x 3: zero is mid grey, the largest weight the extreme."""
    largest = float(np.abs(filter_IHW).max()) or 1.0
    scaled_HWI = np.moveaxis(filter_IHW, 0, -1) / largest
    pixels = np.clip(np.round(127.5 + 127.5 * scaled_HWI), 0, 255).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


METHOD = ExplanationMethod(name="filters", title="First-layer filters", run=show_filters)
