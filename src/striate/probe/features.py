"""Frozen features of every image by one forward pass: pooled intermediate stages, in float32."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.train.fast.forward_pass import compute_features, images_per_batch
from striate.train.fast.inference import optimise_for_inference
from striate.train.head import Network
from striate.train.head import all_taps as all_taps
from striate.values import Cache, Machine, ModelSpec, Rows, Tap, Watch, unwatched

TIMED = 3  # passes, after one that does not count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """Pooled features of some images, by intermediate stage.

    `values` is N x D float32; row i is of index row `rows[i]`. Columns are grouped by stage,
    `widths[t]` of them for `taps[t]`. `seconds` is what the pass took.
    """

    rows: Rows
    taps: tuple[Tap, ...]
    widths: tuple[int, ...]
    values: NDArray[np.float32]
    seconds: float

    @property
    def slices(self) -> dict[Tap, slice]:
        """The columns of each stage."""
        ends = np.cumsum(self.widths).tolist()
        starts = [0, *ends[:-1]]
        return {tap: slice(*ends) for tap, *ends in zip(self.taps, starts, ends, strict=True)}

    def columns(self, taps: Sequence[Tap]) -> Rows:
        """Column numbers of some stages, in the order of `taps`; `KeyError` for an unknown one."""
        numbers = np.arange(sum(self.widths))
        return np.concatenate([numbers[self.slices[tap]] for tap in taps])

    def of(self, rows: Rows, taps: Sequence[Tap] | None = None) -> NDArray[np.float32]:
        """The features of some index rows, of all stages or some; `KeyError` for an absent row."""
        place = {int(row): i for i, row in enumerate(self.rows)}
        values = self.values[[place[int(row)] for row in rows]]
        return values if taps is None else values[:, self.columns(taps)]

    def stages(self, rows: Rows) -> dict[str, NDArray[np.float32]]:
        """The features of some index rows, stage by stage, shallow to deep."""
        values = self.of(rows)
        names = dict.fromkeys(tap.stage for tap in self.taps)
        return {
            name: values[:, self.columns([tap for tap in self.taps if tap.stage == name])]
            for name in names
        }


def extract_features(
    network: Network,
    cache: Cache,
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    watch: Watch = unwatched,
) -> FeatureTable:
    """Pooled features of the cached images of some rows.

    The specification gives input size, normalisation, precision and batch size. An image's features
    depend neither on the rest of its batch nor on the number of cores.
    """
    begun = time.perf_counter()
    quick = optimise_for_inference(network, machine=machine, precision=spec.precision)
    values = compute_features(quick, cache.images, rows, spec, machine, watch)
    return FeatureTable(
        rows=np.asarray(rows, np.int64),
        taps=network.taps,
        widths=network.widths,
        values=values,
        seconds=time.perf_counter() - begun,
    )


def measure_forward_speed(
    network: Network,
    cache: Cache,
    rows: Rows,
    spec: ModelSpec,
    machine: Machine,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Images per second of such a pass: the fastest of some over a batch for every core.

    The fastest, since other load can only slow a pass down; the first, which builds kernels, does
    not count.
    """
    some = np.resize(rows, images_per_batch(spec) * max(1, machine.threads))
    quick = optimise_for_inference(network, machine=machine, precision=spec.precision)
    seconds = []
    for _ in range(TIMED + 1):
        begun = clock()
        compute_features(quick, cache.images, some, spec, machine)
        seconds.append(clock() - begun)
    return len(some) / max(1e-9, min(seconds[1:]))
