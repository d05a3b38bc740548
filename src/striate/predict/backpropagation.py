"""Back-propagation made visible: one image's loss, every layer's gradient, and a check of it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.config.suggestions import did_you_mean
from striate.data.batches import images_to_device, normalise_batch
from striate.data.cache import decode_rows
from striate.data.scan import read_unlabelled
from striate.errors import SourceError, UsageError
from striate.predict.classifier import Classifier
from striate.values import Gradients, LayerCost, LayerGradient
from striate.values.seeds import seed_for

STEP = 1e-6


def compute_gradients(classifier: Classifier, image: Any, label: str | None = None) -> Gradients:
    """The loss of one image and the gradient of every weight tensor, from the first layer on.

    Computed in float64, where a finite difference has digits to show. At a corner of ReLU or of a
    maximum, such as two equal pixels under one, slope and difference may differ: there the loss
    has no single slope. The loss is that of the softmax at the model's temperature, before any
    further calibration. Raises `UsageError` for
    a class that the model does not know, `SourceError` for an image that cannot be read.
    """
    network = copy.deepcopy(classifier.network).cpu().double().eval()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    images = _input_image(classifier, image)
    logits_1K = network(images) / classifier.spec.temperature
    number = _class_index(classifier.spec.classes, label, int(logits_1K.argmax()))
    target = torch.tensor([number])
    loss = F.cross_entropy(logits_1K, target)
    torch.autograd.backward(loss)

    def again() -> float:
        with torch.no_grad():
            return float(F.cross_entropy(network(images) / classifier.spec.temperature, target))

    return Gradients(
        label=classifier.spec.classes[number],
        loss=float(loss.detach()),
        layers=tuple(_layer_gradients(network, again)),
        costs=_compare_layer_costs(network, images),
    )


def _compare_layer_costs(network: nn.Module, images_1CHW: Tensor) -> tuple[LayerCost, ...]:
    """The costs of full connection, local connection and shared weights as first layer."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        return ()
    _, channels, height, width = images_1CHW.shape
    kernel = first.kernel_size[0]
    padding = first.padding[0] if isinstance(first.padding[0], int) else kernel // 2
    return layer_costs(
        height,
        width,
        channels,
        kernel_size=kernel,
        filters=first.out_channels,
        stride=first.stride[0],
        padding=padding,
    )


def _layer_gradients(network: nn.Module, again: Callable[[], float]) -> list[LayerGradient]:
    found = []
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter) or weight.ndim < 2 or weight.grad is None:
            continue
        slope, difference = _check_gradient(name, weight, weight.grad, again)
        found.append(
            LayerGradient(
                layer=name,
                kind=type(module).__name__,
                shape=tuple(weight.shape),
                parameters=weight.numel(),
                weight=float(weight.detach().norm()),
                gradient=float(weight.grad.norm()),
                slope=slope,
                difference=difference,
            )
        )
    return found


def _check_gradient(
    name: str, weight: Tensor, gradient: Tensor, again: Callable[[], float]
) -> tuple[float, float]:
    """The loss's slope along a random direction: by the gradient, and by central differences."""
    generator = torch.Generator().manual_seed(seed_for(0, f"direction/{name}"))
    direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    before = weight.detach().clone()
    losses = []
    with torch.no_grad():
        for sign in (1, -1):
            weight.copy_(before + sign * STEP * direction)
            losses.append(again())
        weight.copy_(before)
    return float((gradient * direction).sum()), (losses[0] - losses[1]) / (2 * STEP)


def _input_image(classifier: Classifier, image: Any) -> Tensor:
    """The image 1 x C x S x S float64 as the network sees it."""
    spec = classifier.spec
    index, pixels = decode_rows(
        read_unlabelled([image]),
        np.array([0]),
        spec.cache_size,
        spec.channels,
        spec.resize,
        alpha=spec.alpha,
    )
    (example,) = index.examples
    if example.status != "used":
        raise SourceError(
            f"{example.path} cannot be read: {example.reason}.", "Give another image."
        )
    images = images_to_device(pixels, "cpu", "contiguous")
    return normalise_batch(images, spec.mean, spec.std, torch.float32, spec.input_size).double()


def _class_index(classes: tuple[str, ...], label: str | None, answered: int) -> int:
    if label is None:
        return answered
    if label not in classes:
        raise UsageError(
            f"The model has no class {label!r}{did_you_mean(label, classes)}",
            f"Its classes: {', '.join(classes[:20])}.",
        )
    return classes.index(label)


def output_side(side: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Side of a convolution's output: floor((side + 2 padding - kernel) / stride) + 1.

    Raises `UsageError` if the filter is larger than the padded image.
    """
    room = side + 2 * padding - kernel_size
    if room < 0:
        raise UsageError(
            f"A filter of {kernel_size} pixels does not fit on {side} pixels with padding "
            f"{padding}.",
            "Use a smaller filter or more padding.",
        )
    return room // stride + 1


def layer_costs(
    height: int,
    width: int,
    channels: int,
    *,
    kernel_size: int = 3,
    filters: int = 16,
    stride: int = 1,
    padding: int = 0,
) -> tuple[LayerCost, ...]:
    """Costs of four layers from the same image to maps of the same size, without biases.

    Fully connected: every pixel to every output. Locally connected: every output sees a window,
    with weights of its own at each position. One shared filter: the same weights at every position.
    As many shared filters as requested: the convolution.
    """
    rows = output_side(height, kernel_size, stride, padding)
    columns = output_side(width, kernel_size, stride, padding)
    places, window = rows * columns, kernel_size**2 * channels
    pixels = height * width * channels
    many, one = (filters, rows, columns), (1, rows, columns)
    return (
        _make_cost("fully connected", many, pixels * filters * places, pixels * filters * places),
        _make_cost("locally connected", many, window * filters * places, window * filters * places),
        _make_cost("one shared filter", one, window, window * places),
        _make_cost("shared filters", many, window * filters, window * filters * places),
    )


def _make_cost(
    kind: str, output: tuple[int, int, int], weights: int, multiplications: int
) -> LayerCost:
    return LayerCost(kind=kind, output=output, weights=weights, multiplications=multiplications)
