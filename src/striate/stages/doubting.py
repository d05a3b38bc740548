"""Doubtful labels and images unlike all others: looked for before any training, in time."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.learn.linear import PRETRAINED, spec_on
from striate.nets import find_net
from striate.probe.doubtful import find_doubtful, left_out_probabilities
from striate.probe.features import FeatureTable
from striate.probe.outliers import find_outliers
from striate.statistics import rng
from striate.strategy.budget import feature_size
from striate.train.head import all_taps, assemble
from striate.train.inference import fast
from striate.train.machine import apply, measure_machine
from striate.train.passes import features_of
from striate.values import (
    Cache,
    Doubt,
    Index,
    Machine,
    ModelSpec,
    Options,
    Outlier,
    Progress,
    Rows,
    Watch,
)

# At 128 pixels at least 80 % of planted labels stood in front (docs/LOG.md, doubtful labels).
LARGEST_INPUT = 128
MOST_IMAGES = 5_000
BLOCK = 256
SHARE_OF_TIME = 0.5
FEWEST_OF_A_CLASS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """The flagged images, the most doubtful first, those unlike all others, how many were seen."""

    doubts: tuple[Doubt, ...]
    looked_at: int
    outliers: tuple[Outlier, ...] = ()


def look_closer(
    index: Index, cache: Cache, groups: Rows, options: Options, seconds: float, watch: Watch
) -> Doubted:
    """Images that look more like another class to a linear model that did not see them.

    Labels are doubted only where an image has one; images unlike all others are looked for in
    any task. The model reads features of the pretrained network and is judged with an image and its
    group left out. At most half of `seconds` goes into the features: where that is too short
    for all, or there are over 5,000, images are drawn by the seed. Classes of which fewer than
    5 are looked at are not doubted.
    """
    machine = measure_machine(options.device)
    until = time.monotonic() + max(1.0, SHARE_OF_TIME * seconds)
    rows, size = _affordable(index, cache, machine, until - time.monotonic(), options.seed)
    taps = all_taps(find_net(PRETRAINED).card(PRETRAINED).stages)
    spec = spec_on(PRETRAINED, size, taps, index, cache, machine)
    with apply(machine):
        rows, features, widths = _in_time(cache, rows, spec, machine, until, watch)
        table = FeatureTable(rows=rows, taps=spec.taps, widths=widths, values=features, seconds=0.0)
        outliers = find_outliers(table.stages(rows), index, rows, groups[rows])
        if index.task != "label":
            return Doubted(doubts=(), looked_at=len(rows), outliers=outliers)
        labels = index.labels()[rows]
        probabilities = left_out_probabilities(features, labels, len(index.classes), groups[rows])
    counts = np.bincount(labels, minlength=len(index.classes))
    known = {name for name, n in zip(index.classes, counts, strict=True) if n >= FEWEST_OF_A_CLASS}
    found = find_doubtful(probabilities, index, rows)
    return Doubted(
        doubts=tuple(d for d in found if d.flagged and d.label in known),
        looked_at=len(rows),
        outliers=outliers,
    )


def _affordable(
    index: Index, cache: Cache, machine: Machine, seconds: float, seed: int
) -> tuple[Rows, int]:
    """The rows to look at, in an order drawn by the seed, and the input size of the network."""
    rows = index.used()
    usual = find_net(PRETRAINED).card(PRETRAINED).input_size
    speed = machine.speeds.get("features", 50.0)
    wanted = min(len(rows), MOST_IMAGES)
    size = min(LARGEST_INPUT, feature_size(wanted, cache.size, speed, seconds, usual))
    most = min(wanted, max(50, int(speed * seconds * (usual / size) ** 2)))
    return rng(seed, "doubts").permutation(rows)[:most], size


def _in_time(
    cache: Cache, rows: Rows, spec: ModelSpec, machine: Machine, until: float, watch: Watch
) -> tuple[Rows, NDArray[np.float32], tuple[int, ...]]:
    """The rows whose features were ready in time, ascending, these N x D, and each tap's width.

    At least a block is made ready.

    A busy machine is slower than it was when it was measured.
    """
    whole = assemble(spec)
    network = fast(whole, machine=machine, precision=spec.precision)
    features: list[NDArray[np.float32]] = []
    done = 0
    while done < len(rows) and (not done or time.monotonic() < until):
        block = rows[done : done + BLOCK]
        features.append(features_of(network, cache.images, block, spec, machine))
        done += len(block)
        watch(Progress(stage="features", done=done, total=len(rows), unit="images"))
    order = np.argsort(rows[:done])
    return rows[:done][order], np.concatenate(features)[order], whole.widths
