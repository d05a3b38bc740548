"""Features of every image by one pass of a network: its taps, pooled, in float32."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from striate.data.batches import normalise, to_device
from striate.train.head import Network
from striate.train.inference import fast
from striate.train.machine import apply
from striate.values import Cache, Machine, ModelSpec, Progress, Rows, Tap, Watch, unwatched


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """What a network's taps say of some images.

    `values` is N x D float32; row i is of index row `rows[i]`. Columns stand tap after tap,
    `widths[t]` of them for `taps[t]`. `seconds` is what the pass took.
    """

    rows: Rows
    taps: tuple[Tap, ...]
    widths: tuple[int, ...]
    values: NDArray[np.float32]
    seconds: float

    @property
    def slices(self) -> dict[Tap, slice]:
        """Where each tap's columns stand."""
        ends = np.cumsum(self.widths).tolist()
        starts = [0, *ends[:-1]]
        return {tap: slice(*ends) for tap, *ends in zip(self.taps, starts, ends, strict=True)}

    def columns(self, taps: Sequence[Tap]) -> Rows:
        """Column numbers of some taps, in the order of `taps`; `KeyError` for an unknown tap."""
        numbers = np.arange(sum(self.widths))
        return np.concatenate([numbers[self.slices[tap]] for tap in taps])

    def of(self, rows: Rows, taps: Sequence[Tap] | None = None) -> NDArray[np.float32]:
        """The features of some index rows, of all taps or some; `KeyError` for an absent row."""
        place = {int(row): i for i, row in enumerate(self.rows)}
        values = self.values[[place[int(row)] for row in rows]]
        return values if taps is None else values[:, self.columns(taps)]


def extract(
    network: Network,
    cache: Cache,
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    watch: Watch = unwatched,
) -> FeatureTable:
    """The network's pooled taps of the cached images of some rows.

    The specification gives input size, scaling, precision and batch size. Every batch has the
    same shape, the last one filled up, so that an image's features do not depend on the images
    beside it.
    """
    begun = time.perf_counter()
    size = spec.batch_size
    values = np.empty((len(rows), sum(network.widths)), np.float32)
    with apply(machine), torch.inference_mode():
        quick = fast(network, machine=machine, precision=spec.precision)
        for start in range(0, len(rows), size):
            part = _filled(rows[start : start + size], size)
            images = to_device(cache.images[part], machine.device, machine.layout)
            images = normalise(images, spec.mean, spec.std, torch.float32, spec.input_size)
            stop = min(start + size, len(rows))
            values[start:stop] = quick.pooled(images)[: stop - start].cpu().numpy()
            watch(_progress(stop, len(rows), time.perf_counter() - begun))
    return FeatureTable(
        rows=np.asarray(rows, np.int64),
        taps=network.taps,
        widths=network.widths,
        values=values,
        seconds=time.perf_counter() - begun,
    )


def all_taps(stage_names: Sequence[str]) -> tuple[Tap, ...]:
    """Mean and maximum of every stage, and of the top the mean."""
    inner = tuple(Tap(stage=name, pool=pool) for name in stage_names[:-1] for pool in POOLS)
    return (*inner, Tap(stage=stage_names[-1], pool="mean"))


def _filled(rows: Rows, size: int) -> Rows:
    """A full batch: the last one is filled up with its first row."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows))])


def _progress(done: int, total: int, seconds: float) -> Progress:
    rate = done / max(seconds, 1e-9)
    return Progress(
        stage="features",
        done=done,
        total=total,
        unit="images",
        rate=rate,
        seconds_left=(total - done) / rate,
        finished=done == total,
    )


POOLS: tuple[Literal["mean", "max"], ...] = ("mean", "max")
