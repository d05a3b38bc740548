"""Feature maps of one test image, stage by stage."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.data.batches import images_to_device, normalise_batch
from striate.explain import ExplanationMethod
from striate.nets import Backbone
from striate.train.head import Network
from striate.values import Cache, Explanation, Rows, Values, say

MAPS, CELL, GAP = 16, 56, 2


def show_feature_maps(network: Network, values: Values, cache: Cache) -> Explanation | None:
    """The image, then for every stage a sheet of its most active channels."""
    place = typical_image(values)
    if place is None:
        return None
    row = int(values.test_rows[place])
    name = values.predictions.paths[place]
    answer = values.predictions.texts[place]
    pixels_HWC = cache.images[row]
    backbone = cast(Backbone, network.backbone)
    maps = _stage_maps(network, pixels_HWC, values)
    images: list[NDArray[np.uint8]] = [np.asarray(pixels_HWC)]
    captions = [name]
    for stage, map_CHW in zip(backbone.stage_names, maps, strict=True):
        images.append(channel_sheet(map_CHW))
        channels, height, width = map_CHW.shape
        captions.append(f"{stage}\n{channels:,} × {height} × {width}")
    return Explanation(
        method="feature_maps",
        title="One image through the network",
        about=say(
            "explain.feature_maps",
            "Feature maps of {path}, predicted as {answer}, at the {stages} stages of {net}. "
            "Each stage shows the {maps} channels with the strongest activations; bright means a "
            "strong activation. Sizes are channels × height × width: deeper stages have smaller "
            "maps and more channels.",
            path=name,
            answer=answer,
            stages=len(maps),
            net=values.model.net,
            maps=MAPS,
        ),
        images=tuple(images),
        captions=tuple(captions),
        layer=", ".join(backbone.stage_names),
    )


def typical_image(values: Values) -> int | None:
    """Place in the predictions of the correct image with the highest confidence."""
    counted = values.counted
    if not counted.any():
        return None
    if values.index.task != "label":
        return _nearest_prediction(values)
    right = counted & (values.predictions.predicted == values.predictions.truth)
    places: Rows = np.flatnonzero(right if right.any() else counted)
    return int(places[values.predictions.probabilities[places].max(axis=1).argmax()])


def _nearest_prediction(values: Values) -> int:
    """The image with the least error, for several labels or a number."""
    predictions = values.predictions
    answers = predictions.probabilities
    if values.index.task == "number":
        answers = predictions.numbers[:, None]
    off = np.abs(answers - predictions.targets).sum(axis=1)
    return int(np.where(values.counted, off, np.inf).argmin())


def channel_sheet(map_CHW: Tensor) -> NDArray[np.uint8]:
    """The most active channels of a feature map, 4 x 4 on one grey sheet, uint8."""
    strength = map_CHW.abs().amax(dim=(1, 2))
    chosen = torch.argsort(strength, descending=True, stable=True)[:MAPS]
    columns = int(np.ceil(np.sqrt(len(chosen))))
    rows = int(np.ceil(len(chosen) / columns))
    side = columns * (CELL + GAP) - GAP, rows * (CELL + GAP) - GAP
    canvas = np.zeros((side[1], side[0]), np.uint8)
    for place, channel in enumerate(chosen.tolist()):
        mode = "area" if map_CHW.shape[1] > CELL else "nearest"
        cell = functional.interpolate(map_CHW[None, None, channel], (CELL, CELL), mode=mode)
        low, high = float(cell.min()), float(cell.max())
        shade = (cell[0, 0] - low) / (high - low or 1.0) * 235 + 20
        top, left = place // columns * (CELL + GAP), place % columns * (CELL + GAP)
        canvas[top : top + CELL, left : left + CELL] = shade.round().numpy().astype(np.uint8)
    return canvas


def _stage_maps(network: Network, pixels_HWC: NDArray[np.uint8], values: Values) -> list[Tensor]:
    """The feature map C x H x W of every stage for one image, float32 on the CPU."""
    spec, device = values.model, next(network.parameters()).device
    images = images_to_device(np.ascontiguousarray(pixels_HWC)[None], str(device), "contiguous")
    normal = normalise_batch(images, spec.mean, spec.std, torch.float32, spec.input_size)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        maps = list(network.stages(normal).values())
    network.train(was_training)
    return [map_NCHW[0].float().cpu() for map_NCHW in maps]


METHOD = ExplanationMethod(
    name="feature_maps", title="One image through the network", run=show_feature_maps
)
