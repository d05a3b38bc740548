"""Cached features of the frozen part of a network, so that an epoch costs only what is trained.

The feature map at the boundary, and the pooled features of the stages below it, are stored for a
few augmented views of every training image and for the unaugmented validation images. The stages
above train on these. Legend: `N` images, `D` numbers stored of each, `V` views.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from striate.nets import Backbone
from striate.train.batch_source import BatchSource
from striate.train.fast.inference import FastNetwork, optimise_for_inference
from striate.train.head import Network, pool_maps
from striate.train.schedule import planned_epochs
from striate.values import Machine, Plan, Rows, Tap
from striate.values.seeds import seed_for

MOST_BYTES = 2 << 30  # 2 GiB
MOST_VIEWS = 4  # augmented copies of an image
AT_ONCE = 32  # images


class DivisibleBackbone(Backbone, Protocol):
    """A backbone whose layer groups are its stages, and whose forward pass can start at any."""

    def stages_after(self, k: int, map_NCHW: Tensor) -> list[Tensor]:
        """The maps of the stages above the first `k`, from the map of the k-th."""
        ...


class UpperNetwork(nn.Module):
    """The part of a network above its first `k` stages; it shares the network's weights."""

    def __init__(self, network: Network, k: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.k = k
        self.shape = shape
        lower, upper = split_taps(network, k)
        places = dict(zip(network.taps, _column_ranges(network.widths), strict=True))
        moved = [i for tap in (*lower, *upper) for i in places[tap]]
        self.order = torch.tensor(moved).argsort()
        self.taps = upper

    def forward(self, kept_ND: Tensor) -> Tensor:
        """Logits N x K from cached values: pooled features below, then the feature map."""
        size = self.shape[0] * self.shape[1] * self.shape[2]
        below_ND, map_ND = kept_ND[:, :-size], kept_ND[:, -size:]
        map_NCHW = map_ND.reshape(-1, *self.shape).contiguous(memory_format=torch.channels_last)
        net = cast(DivisibleBackbone, self.network.backbone)
        maps = net.stages_after(self.k, map_NCHW)
        found = pool_maps(dict(zip(net.stage_names[self.k :], maps, strict=True)), self.taps)
        features_ND = torch.cat([below_ND, found], dim=1)
        return self.network.classify(features_ND[:, self.order.to(features_ND.device)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrozenFeatures:
    """Outputs of the frozen part: `views` V x N x D of training rows, `plain` of the others.

    `place` and `plain_place` map index rows to positions.
    """

    views: Tensor
    place: Mapping[int, int]
    plain: Tensor
    plain_place: Mapping[int, int]
    device: str

    def images(
        self,
        rows: Rows,
        augmentation: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """N x D float32: a random view of each training row, the plain one of other rows."""
        if generator is None:
            found = self.plain[[self.plain_place[int(row)] for row in rows]]
        else:
            drawn = torch.randint(len(self.views), (len(rows),), generator=generator)
            found = self.views[drawn, [self.place[int(row)] for row in rows]]
        return found.to(self.device).float()


def cache_frozen_stages(
    network: Network,
    plan: Plan,
    feed: BatchSource,
    train_rows: Rows,
    val_rows: Rows,
    machine: Machine,
) -> tuple[nn.Module, BatchSource] | None:
    """The trainable upper part of the network and its cached input; None if it does not pay.

    It needs a backbone that can be entered between stages, frozen stages, images that are not
    mixed, and memory for at least one view of every image.
    """
    k = len(network.depth_groups()) - plan.tuned.value
    net = network.backbone
    whole = not plan.tuned.value or k < 1 or k >= len(cast(Backbone, net).stage_names)
    if whole or not hasattr(net, "stages_after") or plan.mix.value != "none":
        return None
    quick = optimise_for_inference(network, machine=machine)
    shape = tuple(_run_lower_stages(quick, k, feed.images(train_rows[:1]))[1].shape[1:])
    each = 2 * (sum(_lower_widths(network, k)) + shape[0] * shape[1] * shape[2])
    room = min(MOST_BYTES, machine.memory_bytes // 8) // each - len(val_rows)
    steps = len(train_rows) // min(plan.batch_size.value, len(train_rows))
    # Those planned at first: a training that was shortened, or is resumed, draws of the same views.
    epochs = planned_epochs(plan.schedule.value, plan.epochs.value, steps)
    count = min(MOST_VIEWS if plan.augment.value else 1, epochs, room // len(train_rows))
    if count < 1:
        return None
    views = torch.stack(
        [_compute_frozen(quick, k, plan, feed, train_rows, view) for view in range(count)]
    )
    kept = FrozenFeatures(
        views=views,
        place={int(row): i for i, row in enumerate(train_rows)},
        plain=_compute_frozen(quick, k, plan, feed, val_rows, None)
        if len(val_rows)
        else views[0, :0],
        plain_place={int(row): i for i, row in enumerate(val_rows)},
        device=feed.device,
    )
    return UpperNetwork(network, k, shape), replace(feed, kept=kept)


def split_taps(network: Network, k: int) -> tuple[tuple[Tap, ...], tuple[Tap, ...]]:
    """The intermediate stages that the head reads among the first `k`, and the others."""
    below = set(cast(Backbone, network.backbone).stage_names[:k])
    lower = tuple(tap for tap in network.taps if tap.stage in below)
    return lower, tuple(tap for tap in network.taps if tap.stage not in below)


def _compute_frozen(
    quick: FastNetwork, k: int, plan: Plan, feed: BatchSource, rows: Rows, view: int | None
) -> Tensor:
    """Output of the frozen part for some rows, N x D float16: augmented, or as they are."""
    generator = None
    if view is not None and plan.augment.value:
        generator = torch.Generator().manual_seed(seed_for(plan.seed, f"view/{view}"))
    found = []
    for part in _row_blocks(rows):
        below, map_NCHW = _run_lower_stages(
            quick, k, feed.images(part, plan.augment.value, generator)
        )
        found.append(torch.cat([below, map_NCHW.flatten(1)], dim=1).half().cpu())
    return torch.cat(found)


def _run_lower_stages(quick: FastNetwork, k: int, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled features of the first `k` stages, N x D, and the map of the last of them."""
    taps, _ = split_taps(quick.network, k)
    names = cast(Backbone, quick.network.backbone).stage_names
    with torch.inference_mode():
        maps = list(quick.stages(images_NCHW).values())[:k]
        below = (
            pool_maps(dict(zip(names, maps, strict=False)), taps) if taps else maps[0][:, :0, 0, 0]
        )
        last = maps[-1].flip(2, 3) if quick.turned else maps[-1]
        return below.float(), last.float().contiguous()


def _lower_widths(network: Network, k: int) -> list[int]:
    lower, _ = split_taps(network, k)
    width = dict(zip(network.taps, network.widths, strict=True))
    return [width[tap] for tap in lower]


def _column_ranges(widths: tuple[int, ...]) -> list[range]:
    ends = list(itertools.accumulate(widths))
    return [range(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _row_blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]
