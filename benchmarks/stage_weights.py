"""Does weighing the stages beat the linear model's choice among `top`, `taps` and `all`?

    python benchmarks/stage_weights.py SETS --store FOLDER

The cells of `benchmarks/strategy.py`; every model is fitted on all images that were drawn and
judged on the test images. Legend: `N` images, `K` classes, `M` test images. All is done with
products of images, tap by tap: N x N of those that learn and M x N of the test. Weights of taps
are then weights of products, and each model is one linear head on the taps it weighs.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy counts the cores

import numpy as np
from numpy.typing import NDArray
from strategy_cells import SETS, Cell, cut, load

from striate.metrics.intervals import log_loss, softmax
from striate.metrics.probability_calibration import fit_temperature
from striate.probe.stage_probes import choose_best_probe
from striate.train.fast.machine import measure_machine
from striate.values import Rows, Tap

Floats = NDArray[np.float64]
Scores = NDArray[np.float32]
SHARES = (0.3, 0.5, 0.7)
FEW = 400
"""Up to so many images the costlier questions are asked too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """Left-out scores, test scores, and how probable the labels are (`evidence`)."""

    left_out: Scores
    test: Scores
    evidence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one rule does in one cell."""

    name: str
    size: int
    accuracy: float
    loss: float
    below: float


def main() -> None:
    """Prints a table: a line a rule, accuracy by size against the present rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--store", type=Path, default=Path("scratch/strategy"))
    parser.add_argument("--names", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[5, 20, 100, 0])
    given = parser.parse_args()
    machine = replace(measure_machine("cpu"), threads=1)
    found: dict[str, list[Judged]] = {}
    for name in given.names:
        begun = time.process_time()
        whole = load(given.sets, given.store, name, machine)
        for size in given.sizes:
            for seed in range(3 if 0 < size <= 20 else 1):
                cell = cut(whole, size, seed, machine)
                for rule, judged in (_judge(cell) if cell else {}).items():
                    found.setdefault(rule, []).append(judged)
        print(f"{name} {time.process_time() - begun:.0f} s", flush=True)
    _print(found, given.sizes)


def _judge(cell: Cell) -> dict[str, Judged]:
    job, labels = cell.job, cell.whole.index.labels()
    rows = np.sort(np.concatenate([job.data.train, job.data.val]))
    truth, owners, classes = labels[rows], job.data.groups[rows], len(job.data.index.classes)
    models = _models(cell, rows, truth, owners, classes)
    heats = {name: fit_temperature(m.left_out, truth) for name, m in models.items()}
    for name, logs in (("scores averaged", False), ("log-probabilities averaged", True)):
        of = {p: 1 / heats[p] if logs else 1.0 for p in ("top", "taps")}
        models[name] = Model(
            left_out=(sum(of[p] * models[p].left_out for p in of) / 2).astype(np.float32),
            test=(sum(of[p] * models[p].test for p in of) / 2).astype(np.float32),
        )
        heats[name] = fit_temperature(models[name].left_out, truth)
    losses = {n: log_loss(softmax(m.left_out, heats[n]), truth) for n, m in models.items()}
    right = {n: m.left_out.argmax(axis=1) == truth for n, m in models.items()}
    three = ("top", "taps", "all")
    seen: Any = [SimpleNamespace(loo_log_loss=losses[n]) for n in three]
    path = ("top", *(f"top {share:.0%}" for share in SHARES), "taps")
    picks = {
        "chosen: now": three[choose_best_probe(seen, [right[n] for n in three], owners)],
        "chosen: share by log loss": min(path, key=losses.__getitem__),
        "chosen: share by evidence": max(path, key=lambda n: models[n].evidence),
        "chosen: average too": min((*three, "scores averaged"), key=losses.__getitem__),
    }
    test = labels[cell.test]
    hits = {n: float((m.test.argmax(axis=1) == test).mean()) for n, m in models.items()}
    single = [hits[n] for n in hits if n.startswith("only ")]
    best = max([*single, hits["top"]]) if single else np.nan
    named = {n: n for n in models if not n.startswith("only ")} | picks
    return {
        rule: Judged(
            name=cell.whole.name,
            size=cell.size,
            accuracy=hits[n],
            loss=log_loss(softmax(models[n].test, heats[n]), test),
            below=best - hits[n],
        )
        for rule, n in named.items()
    }


def _models(cell: Cell, rows: Rows, truth: Rows, owners: Rows, classes: int) -> dict[str, Model]:
    table = cell.whole.table
    learn, test = table.of(rows), table.of(cell.test)
    stages = list(dict.fromkeys(tap.stage for tap in table.taps))
    top = next(tap for tap in table.taps if tap.stage == stages[-1] and tap.pool == "mean")
    below = [tap for tap in table.taps if tap.stage != top.stage]
    width = dict(zip(table.taps, table.widths, strict=True))
    under = sum(width[tap] for tap in below)
    each: dict[str, Mapping[Tap, float]] = {
        "top": {top: 1.0},
        "taps": dict.fromkeys(below, 1.0),
        "all": dict.fromkeys(table.taps, 1.0),
    }
    for share in SHARES:
        rest = dict.fromkeys(below, (1 - share) / under)
        each[f"top {share:.0%}"] = {**rest, top: share / width[top]}
    few = len(rows) <= FEW
    if few:
        each["taps weigh the same"] = {tap: 1 / width[tap] for tap in table.taps}
        each["twice a stage"] = {tap: 2.0 ** stages.index(tap.stage) for tap in table.taps}
        for stage in stages[:-1]:
            each[f"only {stage}"] = {tap: 1.0 for tap in below if tap.stage == stage}
    pairs = {tap: _products(learn[:, s], test[:, s]) for tap, s in table.slices.items()}
    found = {n: _solve(pairs, weights, truth, owners, classes) for n, weights in each.items()}
    if few:
        for name, change in (("roots", _roots), ("unit length", _unit)):
            turned = {
                tap: _products(change(learn[:, s]), change(test[:, s]))
                for tap, s in table.slices.items()
            }
            for part in ("taps", "all"):
                changed = _solve(turned, each[part], truth, owners, classes)
                found[f"{part}, {name}"] = changed
    return found


def _products(learn_ND: Scores, test_MD: Scores) -> tuple[Floats, Floats]:
    """Products of a tap's features, N x N and M x N, centred and with one scale a tap."""
    centred = learn_ND.astype(np.float64) - learn_ND.mean(axis=0, dtype=np.float64)
    scale = np.square(centred).mean() or 1.0
    others = test_MD - learn_ND.mean(axis=0, dtype=np.float64)
    return centred @ centred.T / scale, others @ centred.T / scale


def _solve(
    pairs: Mapping[Tap, tuple[Floats, Floats]],
    weights: Mapping[Tap, float],
    truth: Rows,
    owners: Rows,
    classes: int,
) -> Model:
    """Ridge by products; the penalty by left-out squared error as in `striate.probe.ridge`."""
    products = sum(weight * pairs[tap][0] for tap, weight in weights.items())
    count, targets = len(truth), np.eye(classes)[truth]
    shares = targets.mean(axis=0)
    values, vectors = np.linalg.eigh(products)
    values = np.maximum(values, 0)
    turned = vectors.T @ (targets - shares)
    _, owner, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    several = [np.flatnonzero(owner == g) for g in np.flatnonzero(sizes > 1)]
    tried = []
    for alpha in (values.sum() / count or 1.0) * np.logspace(-4, 4, 25):
        gains = values / (values + alpha)
        residuals = targets - shares - vectors @ (gains[:, None] * turned)
        left = residuals / (1 - 1 / count - np.square(vectors) @ gains)[:, None]
        for members in several:
            hat = 1 / count + (vectors[members] * gains) @ vectors[members].T
            left[members] = np.linalg.solve(np.eye(len(members)) - hat, residuals[members])
        spread = values / alpha + 1
        # Noise and prior share one scale a class, taken at its most probable value.
        fit = np.log((np.square(turned) / spread[:, None]).mean(axis=0)).sum() * count
        tried.append(
            (float(np.square(left).sum()), alpha, left, fit + classes * np.log(spread).sum())
        )
    _, alpha, left, _ = min(tried, key=lambda one: one[0])
    heads = vectors @ (turned / (values + alpha)[:, None])
    test = sum(weight * pairs[tap][1] for tap, weight in weights.items()) @ heads
    return Model(
        left_out=(targets - left).astype(np.float32),
        test=(shares + test).astype(np.float32),
        evidence=-min(one[3] for one in tried) / 2,
    )


def _roots(features: Scores) -> Scores:
    return np.sign(features) * np.sqrt(np.abs(features))


def _unit(features: Scores) -> Scores:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)


def _print(found: Mapping[str, Sequence[Judged]], sizes: Sequence[int]) -> None:
    """Mean accuracy and log loss, difference to now ± its error over sets, cells below."""
    for rule, every in found.items():
        line = rule.ljust(28)
        for size in sizes:
            some = [one for one in every if one.size == size]
            now = [one for one in found["chosen: now"] if one.size == size]
            if not some:
                continue
            if len(some) < len(now):
                line += f" | {'–':>37}"
                continue
            gaps = _by_set(some, now)
            error = gaps.std(ddof=1) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
            mean = 100 * np.mean([one.accuracy for one in some])
            loss = np.mean([one.loss for one in some])
            low = sum(one.below > 0.01 for one in some)
            line += f" | {mean:5.1f} {loss:.3f} {100 * gaps.mean():+5.2f} ± {100 * error:4.2f}"
            line += f" {low:2d} of {len(some):2d}"
        print(line)
    for size in sizes:
        print(f"{size}: left one set out {_without_one(found, size):+.2f}")


def _by_set(some: Sequence[Judged], now: Sequence[Judged]) -> Floats:
    gaps: dict[str, list[float]] = {}
    for one, old in zip(some, now, strict=True):
        gaps.setdefault(one.name, []).append(one.accuracy - old.accuracy)
    return np.array([np.mean(gap) for gap in gaps.values()])


def _without_one(found: Mapping[str, Sequence[Judged]], size: int) -> float:
    """Points won on each set by the rule that is best on the others, mean over sets."""
    now = [one for one in found["chosen: now"] if one.size == size]
    parts = [[one for one in every if one.size == size] for every in found.values()]
    table = np.array([_by_set(part, now) for part in parts if len(part) == len(now)])
    if not table.size or table.shape[1] < 2:
        return 0.0
    others = table.sum(axis=1, keepdims=True) - table
    return float(100 * np.mean(table[others.argmax(axis=0), np.arange(table.shape[1])]))


if __name__ == "__main__":
    main()
