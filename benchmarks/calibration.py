"""Is one temperature enough? Calibration error of one, of two steps, and of what is chosen.

`python benchmarks/calibration.py SETS/gtsrb32 SETS/dtd10 … --seeds 0 1 2` reads each set once with
the network that striate carries. For every seed 30 % of the groups are drawn to judge; the exact
head learns from the others, weighed by class where that helps, and its leave-one-group-out scores
choose, as in a linear fit. A set with a split of its own is judged by that as well (`own`).
`perfect` is the error that a model would show whose answers are right exactly as often as stated,
and as alike within a group as these are: mean and 95th percentile of 400 draws.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.cache import build_cache
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.learn.gather_evidence import class_weight_gain
from striate.learn.linear.linear_model import PRETRAINED, tapped_spec
from striate.metrics.intervals import (
    balanced_weights,
    calibration_interval,
    expected_calibration_error,
    log_loss,
)
from striate.metrics.probability_calibration import (
    calibrate_scores,
    choose_calibration,
    fit_calibration,
)
from striate.nets import find_net
from striate.probe.features import FeatureTable, all_taps, extract_features
from striate.probe.stage_probes import fit_taps, probe_taps
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.head import build_network
from striate.values import Index, Options, Rows
from striate.values.seeds import make_rng

# Tracks of one sign, characters of one writer: without them the promise is for the same ones.
PATTERNS = {"gtsrb32": r"(\d{5}_\d{5})_", "chinese_digits": r"input_(\d+)_"}
WAYS = ("one temperature", "two steps", "chosen")
DRAWS, BINS = 400, 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """A set as the network sees it, and which images belong together."""

    name: str
    index: Index
    groups: Rows
    table: FeatureTable


def main() -> None:
    """Reads, splits, fits, judges; prints a row a cut."""
    given = _parsed()
    print(
        "| set | cut | n | their groups | groups held out | right | two steps | "
        + " | ".join(WAYS)
        + " | perfect | log loss, one | log loss, chosen |"
    )
    print("|---" * 12 + "|")
    for source in given.sources:
        looked = _look(source, given.size)
        for cut, learn, judge in _cuts(looked, given.seeds):
            print(_row(looked, cut, learn, judge), flush=True)


def _look(source: Path, size: int) -> Looked:
    pattern = PATTERNS.get(source.name)
    options = Options(group_pattern=pattern)
    index, cache = build_cache(read_index(str(source), options), options)
    machine = measure_machine(options.device)
    card = find_net(PRETRAINED).card(PRETRAINED)
    size = min(size, card.input_size)
    with apply_machine(machine):
        spec = tapped_spec(PRETRAINED, size, all_taps(card.stages), index, cache, machine)
        table = extract_features(build_network(spec), cache, index.used(), spec, machine)
    groups = find_duplicate_groups(index, cache)
    return Looked(name=source.name, index=index, groups=groups, table=table)


def _cuts(looked: Looked, seeds: list[int]) -> Iterator[tuple[str, Rows, Rows]]:
    rows = looked.index.used()
    rows = rows[looked.index.firsts(rows)]
    own = np.array([looked.index.examples[row].split == "test" for row in rows])
    if own.any():
        # A test image with a copy among the others does not count.
        seen = np.isin(looked.groups[rows], looked.groups[rows[~own]])
        yield "own", rows[~own], rows[own & ~seen]
    names = np.unique(looked.groups[rows])
    for seed in seeds:
        some = make_rng(seed, "judges").permutation(names)[: round(0.3 * len(names))]
        judge = np.isin(looked.groups[rows], some)
        yield f"seed {seed}", rows[~judge], rows[judge]


def _row(looked: Looked, cut: str, learn: Rows, judge: Rows) -> str:
    index, groups, labels = looked.index, looked.groups, looked.index.labels()
    classes = len(index.classes)
    best = probe_taps(looked.table, labels, classes, learn, judge[:0], groups)
    taps, weights = best.best.taps, balanced_weights(labels[learn])
    fit = fit_taps(looked.table, taps, learn, labels, classes, groups, weights)
    weighed = class_weight_gain(best.fit, fit, labels[learn], groups[learn]).helps
    fit = fit if weighed else best.fit
    left, heat, scores = fit.loo_scores, fit.temperature, fit.scores(looked.table.of(judge, taps))
    how = choose_calibration(left, labels[learn], groups[learn], heat)
    both = fit_calibration(left, labels[learn], heat)
    tables = [calibrate_scores(scores, heat, each) for each in (None, both, how)]
    truth = labels[judge]
    low, high = calibration_interval(tables[2], truth, groups[judge])
    errors = [f"{expected_calibration_error(table, truth):.4f}" for table in tables]
    errors[2] += f" ({low:.3f}–{high:.3f})"
    figures = how.why.figures if how.why is not None else {}
    change = "–" if "change" not in figures else "{change:+.4f} ± {error:.4f}".format(**figures)
    right = float((tables[0].argmax(axis=1) == truth).mean())
    cells = [
        looked.name,
        cut + (", weighed" if weighed else ""),
        f"{len(judge):,}",
        f"{len(np.unique(groups[judge])):,}",
        f"{len(np.unique(groups[learn])):,}",
        f"{right:.1%}",
        change + ("" if how.neutral else ", taken"),
        *errors,
        _perfect(tables[2], truth, groups[judge]),
        f"{log_loss(tables[0], truth):.4f}",
        f"{log_loss(tables[2], truth):.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _perfect(table_NK: NDArray[np.float32], truth: Rows, groups: Rows) -> str:
    """Errors of answers that are right as often as stated, alike within groups as `truth` is.

    Each image is right where a draw is below its probability; with the square root of the
    correlation of residuals within groups as its chance the draw is the group's.
    """
    sure = table_NK.max(axis=1).astype(np.float64)
    left = (table_NK.argmax(axis=1) == truth) - sure
    _, owner = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(owner, left), np.bincount(owner)
    pairs = float((sizes * (sizes - 1)).sum())
    alike = (float((sums * sums).sum()) - float(left @ left)) / max(1.0, pairs)
    alike = min(1.0, max(0.0, alike / float(left @ left / len(left))))
    generator, errors = make_rng(0, "perfect"), []
    order = np.argsort(sure)
    for _ in range(DRAWS):
        shared = generator.random(len(sizes))[owner]
        own = generator.random(len(sure))
        draw = np.where(generator.random(len(sure)) < np.sqrt(alike), shared, own)
        gaps = (sure - (draw < sure))[order]
        sums_B = [part.sum() for part in np.array_split(gaps, BINS)]
        errors.append(float(np.abs(sums_B).sum()) / len(gaps))
    return f"{np.mean(errors):.3f} (to {np.quantile(errors, 0.95):.3f}), alike {alike:.2f}"


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=160)
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
