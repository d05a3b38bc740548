"""Domain shift from a network's training data, measured without any source image.

A batch-normalisation layer stores the mean and variance of each channel in the network's training
data. The channels' moments on other images, seen through the same layers below, tell how far these
are from that data, layer by layer.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data.batches import images_to_device, normalise_batch
from striate.nets import Backbone
from striate.train.head import Network
from striate.train.torch_context import torch_context
from striate.values import Cache, ModelSpec, Rows
from striate.values.seeds import make_rng, sample_rows

# A stage's shift is the same to about 2 % with 64 other images.
IMAGES = 64
BATCH = 16  # images
MOST = 2000  # images
AT_ONCE = 512  # images


def measure_layer_shift(
    network: Network, cache: Cache, rows: Rows, spec: ModelSpec, seed: int = 0
) -> dict[str, float]:
    """The shift of each stage, shallow to deep: 0 if its channels have the stored moments.

    It is the divergence (Kullback and Leibler 1951, in nats) of two normal distributions, of these
    images and of the training data: the median over a layer's channels, the mean over a stage's
    normalisation layers. At most 64 images are used, once, in float32. Empty if the network stores
    no statistics.
    """
    layers = _batchnorm_layers(network)
    if not layers or not len(rows):
        return {}
    some = make_rng(seed, "shift").permutation(rows)[:IMAGES]
    sums: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = [
        layer.register_forward_pre_hook(_moment_hook(sums[name]))
        for name, (layer, _) in layers.items()
    ]
    training = network.training
    network.eval()
    try:
        with torch_context(1), torch.inference_mode():
            for start in range(0, len(some), BATCH):
                pixels: NDArray[np.uint8] = cache.images[some[start : start + BATCH]]
                images = images_to_device(pixels, next(network.parameters()).device)
                network.pooled(normalise_batch(images, spec.mean, spec.std, size=spec.input_size))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    found: dict[str, list[float]] = {}
    for name, (layer, stage) in layers.items():
        found.setdefault(stage, []).append(_divergence(layer, sums[name]))
    return {stage: float(np.mean(values)) for stage, values in found.items()}


def _batchnorm_layers(network: Network) -> dict[str, tuple[nn.BatchNorm2d, str]]:
    """Every batch-normalisation layer of the backbone by its name, and its stage."""
    net = cast(Backbone, network.backbone)
    groups = net.depth_groups()
    names = net.stage_names
    if len(groups) != len(names):
        names = tuple(f"part{k + 1}" for k in range(len(groups)))
    of = {id(p): name for name, group in zip(names, groups, strict=True) for p in group}
    return {
        name: (module, of[id(module.weight)])
        for name, module in network.backbone.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        and module.running_mean is not None
        and id(module.weight) in of
    }


def _moment_hook(into: list[Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A hook that sums count, values and squares of every channel of a layer's input."""

    def note(module: nn.Module, entered: tuple[Any, ...]) -> None:
        map_NCHW = entered[0].double()
        count = torch.full((map_NCHW.shape[1],), float(map_NCHW.numel() / map_NCHW.shape[1]))
        sums = map_NCHW.sum(dim=(0, 2, 3)), map_NCHW.square().sum(dim=(0, 2, 3))
        into.append(torch.stack([count.to(sums[0]), *sums]))

    return note


def _divergence(layer: nn.BatchNorm2d, sums: list[Tensor]) -> float:
    count, total, squares = torch.stack(sums).sum(dim=0)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0) + layer.eps
    assert layer.running_mean is not None
    assert layer.running_var is not None
    home = layer.running_var.double() + layer.eps
    ratio = variance / home
    moved = (mean - layer.running_mean.double()).square() / home
    each = 0.5 * (ratio + moved - 1 - ratio.log())
    # The middle channel: some channels were silent in the training, and any noise is far for them.
    return float(each.median())


def nearest_neighbour_hits(
    features_ND: NDArray[np.float32], labels: Rows, groups: Rows | None = None, seed: int = 0
) -> NDArray[np.bool_]:
    """Whether each image's nearest neighbour of another group has its label; N, or 2,000 sampled.

    Nearest by cosine of standardised features. False if there is no other group.
    """
    points = _unit_vectors(features_ND)
    owners = np.arange(len(labels)) if groups is None else groups
    asked = sample_rows(np.arange(len(labels)), MOST, seed, "neighbours")
    right = np.zeros(len(asked), np.bool_)
    for start in range(0, len(asked), AT_ONCE):
        rows = asked[start : start + AT_ONCE]
        near = points[rows] @ points.T
        near[owners[rows][:, None] == owners[None, :]] = -np.inf
        best = near.argmax(axis=1)
        found = np.isfinite(near[np.arange(len(rows)), best])
        right[start : start + len(rows)] = found & (labels[best] == labels[rows])
    return right


def class_mean_hits(
    features_ND: NDArray[np.float32], labels: Rows, classes: int, groups: Rows | None = None
) -> NDArray[np.bool_]:
    """Whether each image is nearest to the mean of its own class, computed without its group.

    Nearest by Euclidean distance of standardised features. False if no other image of the class is
    left.
    """
    points = _standardise_features(features_ND)
    _, owners = np.unique(np.arange(len(labels)) if groups is None else groups, return_inverse=True)
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    sums = np.zeros((classes, points.shape[1]))
    np.add.at(sums, labels, points)
    right = np.zeros(len(labels), np.bool_)
    order = np.argsort(owners, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
        own_counts, own_sums = counts.copy(), sums
        if len(rows):
            own_sums = sums.copy()
            np.subtract.at(own_sums, labels[rows], points[rows])
            np.subtract.at(own_counts, labels[rows], 1)
        means = own_sums / np.maximum(own_counts, 1)[:, None]
        far = np.square(means).sum(axis=1) - 2 * points[rows] @ means.T
        far[:, own_counts < 1] = np.inf
        right[rows] = far.argmin(axis=1) == labels[rows]
    return right


def _standardise_features(features_ND: NDArray[np.float32]) -> NDArray[np.float64]:
    points = features_ND.astype(np.float64)
    points -= points.mean(axis=0)
    spread = points.std(axis=0)
    return points / np.where(spread > 1e-9, spread, 1.0)


def _unit_vectors(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    points = _standardise_features(features_ND).astype(np.float32)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.maximum(length, 1e-12)
    return points
