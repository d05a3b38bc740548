"""The sets of the strategy benchmark: read, grouped, decoded, and cut into sides."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.cache import decode_rows
from striate.data.form import working_channels, working_size
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.portions import assign_portions, split_groups
from striate.learn.context import Budget, FitContext, FitData, RunPort
from striate.learn.linear.linear_model import tapped_spec
from striate.nets import find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.strategy.budget import choose_feature_size
from striate.train.head import build_network
from striate.values import (
    Cache,
    Index,
    Machine,
    ModelSpec,
    Options,
    Rows,
    TrainingOptions,
    unwatched,
)
from striate.values.seeds import make_rng

SETS = {
    "flowers": "similar",
    "hymenoptera": "similar",
    "trashnet": "similar",
    "sign_digits": "between",
    "gtsrb32": "between",
    "money_plant": "between",
    "neu_steel": "dissimilar",
    "magnetic_tile": "dissimilar",
    "dtd10": "dissimilar",
    "chinese_digits": "dissimilar",
    "demo": "dissimilar",
}
NET, SIZE = "efficientnet-lite0", 128
SIZES = (5, 20, 100, 0)
"""Images a class; 0 stands for all."""
MOST_TRAIN, MOST_TEST, TEST_SHARE, VAL_SHARE = 2000, 1000, 0.4, 0.2
TRACK = r"/(\d+_\d+)_\d+\.jpg"
Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whole:
    """A set read and decoded, with the features of all its images."""

    name: str
    index: Index
    cache: Cache
    groups: Rows
    table: FeatureTable
    input_size: int
    feature_seconds: float
    store: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A set at a size with a seed: who trains, who chooses, who judges in which half."""

    whole: Whole
    size: int
    seed: int
    job: FitContext
    test: Rows
    first: Hits

    @property
    def key(self) -> tuple[str, int, int]:
        """What names a cell in the results."""
        return self.whole.name, self.size, self.seed


def load(sets: Path, store: Path, name: str, machine: Machine, pixels: int = SIZE) -> Whole:
    """A set with its features at `pixels` at most, which are kept in `store`."""
    source = "demo" if name == "demo" else str(sets / name)
    options = Options(group_pattern=TRACK if name == "gtsrb32" else None)
    index = read_index(source, options)
    side, channels, rows = min(pixels, working_size(index)), working_channels(index), index.used()
    index, decoded = decode_rows(index, rows, side, channels)
    images = np.zeros((len(index.examples), side, side, channels), np.uint8)
    images[rows] = decoded
    cache = Cache(images=images, path="")
    groups = find_duplicate_groups(index, cache)
    used = index.used()
    size = choose_feature_size(len(used), side, 1e9, 1e9, pixels)
    path = store / f"{name}-{size}.npz"
    network = build_network(spec(index, cache, machine, size))
    if not path.exists():
        begun = time.process_time()
        table = extract_features(network, cache, used, spec(index, cache, machine, size), machine)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, values=table.values, rows=used, seconds=time.process_time() - begun)
    kept = np.load(path)
    table = FeatureTable(
        rows=kept["rows"],
        taps=network.taps,
        widths=network.widths,
        values=kept["values"],
        seconds=float(kept["seconds"]),
    )
    return Whole(
        name=name,
        index=index,
        cache=cache,
        groups=groups,
        table=table,
        input_size=size,
        feature_seconds=table.seconds / len(used),
        store=store,
    )


def spec(index: Index, cache: Cache, machine: Machine, size: int) -> ModelSpec:
    """The pretrained network with all its stages, on these images."""
    taps = all_taps(find_net(NET).card(NET).stages)
    return tapped_spec(NET, size, taps, index, cache, machine)


def cut(whole: Whole, size: int, seed: int, machine: Machine) -> Cell | None:
    """The set at a size, drawn by a seed; None where it has not enough images of every class."""
    index, labels = whole.index, whole.index.labels()
    units = split_groups(index, whole.groups, seed)
    sides = assign_portions(units, {"test": (TEST_SHARE, MOST_TEST)})
    test = np.array(sorted(sides["test"]), np.int64)
    pool = make_rng(seed, "draw").permutation(np.array(sorted(sides["train"]), np.int64))
    of_class = [pool[labels[pool] == k] for k in range(len(index.classes))]
    if size and min(len(rows) for rows in of_class) < ENOUGH * size:
        return None
    drawn = np.sort(
        np.concatenate([rows[:size] for rows in of_class]) if size else pool[:MOST_TRAIN]
    )
    if not size and len(drawn) < MORE * _largest(of_class, len(index.classes)):
        return None
    inside = np.isin(np.arange(len(labels)), drawn)
    parts = assign_portions(
        [unit.within(inside) for unit in units], {"val": (VAL_SHARE, MOST_TEST)}
    )
    train, val = (np.array(sorted(parts[name]), np.int64) for name in ("train", "val"))
    sided = make_rng(seed, "halves").random(len(labels)) < 0.5
    return Cell(
        whole=whole,
        size=size,
        seed=seed,
        job=_job(whole, train, val, seed, machine),
        test=test,
        first=sided[whole.groups[test]],
    )


def _largest(of_class: list[Rows], classes: int) -> int:
    """Images of the largest size that the set can give."""
    least = min(len(rows) for rows in of_class)
    return classes * max(size for size in SIZES if least >= ENOUGH * size)


def _job(whole: Whole, train: Rows, val: Rows, seed: int, machine: Machine) -> FitContext:
    return FitContext(
        data=FitData(
            index=whole.index,
            cache=whole.cache,
            train=train,
            val=val,
            groups=whole.groups,
            feature_rows=np.sort(np.concatenate([train, val])),
            seed=seed,
        ),
        budget=Budget(
            minutes=5.0,
            seconds_left=lambda: 300.0,
            judge_images=0,
        ),
        port=RunPort(
            checkpoints=Path(),
            keep=lambda name, make, codec=None, **_: make(),
            publish=lambda name, value: None,
            usable=lambda classifier: None,
            watch=unwatched,
        ),
        options=TrainingOptions(seed=seed),
        machine=machine,
        given_plan=None,
    )


ENOUGH = 0.8
"""A size needs this share of its images in the rarest class."""
MORE = 1.15
"""All is a size of its own where it is that much more than the largest other one."""
