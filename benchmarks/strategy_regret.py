"""Does choosing beat a habit? Regret of `auto` and of every fixed rule, from the benchmark's rows.

    python benchmarks/strategy_regret.py benchmarks/results/strategy.json

Regret is the best strategy's accuracy minus that of the strategy that a rule takes, in points.
The best is picked on one half of the test images and scored on the other, and the halves are
swapped, so that luck on the images that pick it does not count. It may so be below 0. Only cells
(set, size, seed) where every strategy was run, on the same images, count; the mean is over sets,
cells within a set alike. `auto` does what `striate fit` does: nothing where the linear model has
next to nothing to win; else a trial from scratch of an eighth of the time, where a training could
be seen to win; then the whole of it and a tuning of all layers, the more promising first, the
second where it may pass what the first brought; what is delivered must pass the gate.
For images up to `SMALL_IMAGE` pixels no trial is too poor. `DEEP_KEEPS` only says which comes
first; the level of the gate is a convention.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.metrics.intervals import sign_test, wilson
from striate.strategy.corners import SMALL_IMAGE
from striate.strategy.expected_gain import (
    DEEP_KEEPS,
    GATE_LEVEL,
    JUDGES,
    LEARNING_EXPONENT,
    LITTLE,
)

ARMS = ("linear", "layers", "shallow", "deep", "scratch", "fastai")
LARGE = 50
KEEPS = (None, 0.7, 0.85, 1.0)
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.5)

Cell = dict[str, dict[str, Any]]
Key = tuple[str, int, int]
Rule = Callable[[Cell], tuple[str, dict[str, float]]]
"""From a cell to what is delivered, and what share of what was trained on the way."""


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    given = parser.parse_args()
    cells = _cells(json.loads(given.results.read_text())["rows"])
    run = {k: c for k, c in cells.items() if {*given.arms, "trial", "evidence"} <= set(c)}
    whole = {k: _with_counts(c) for k, c in run.items() if _alike(c, given.arms)}
    for key in sorted(set(run) - set(whole)):
        print(f"left out, judged on different images: {key}")
    sets = sorted({key[0] for key in whole})
    print(f"{len(whole)} cells of {len(cells)} hold all of {', '.join(given.arms)}: {sets}")
    rules: dict[str, Rule] = {f"always {arm}": _always(arm) for arm in given.arms}
    if "shallow" in given.arms:
        rules["course's table by counts"] = _course
    rules["auto, as fit does it"] = auto(DEEP_KEEPS, GATE_LEVEL)
    rules["auto, without tuning"] = auto(None, GATE_LEVEL)
    print("| rule | regret | worst cell | accuracy | CPU seconds | share of all arms' |")
    print("|---|---|---|---|---|---|")
    for name, rule in rules.items():
        print(_line(name, whole, dict.fromkeys(whole, rule), given.arms))
    free = _held_out(whole, sets, given.arms)
    print(_line("auto, its numbers set leave-one-set-out", whole, free, given.arms))


def _cells(rows: Sequence[dict[str, Any]]) -> dict[Key, Cell]:
    cells: dict[Key, Cell] = defaultdict(dict)
    for row in rows:
        if row["strategy"] != "left out":
            cells[(row["set"], row["size"], row["seed"])][row["strategy"]] = row
    return {key: cell for key, cell in cells.items() if cell}


def _with_counts(cell: Cell) -> Cell:
    """The cell, its linear model knowing how many images it learnt from while it was judged."""
    linear = cell["best probe"] | {"trained": cell["evidence"]["train"]}
    return {**cell, "best probe": linear}


def _alike(cell: Cell, arms: Sequence[str]) -> bool:
    """Whether all arms were judged on the same images: an older cut of a set may be another."""
    sides = {(tuple(cell[arm]["n"]), cell[arm]["val"].split(":")[0]) for arm in arms}
    return len(sides) == 1


def _always(arm: str) -> Rule:
    return lambda cell: (arm, {arm: 1.0})


def _course(cell: Cell) -> tuple[str, dict[str, float]]:
    """Small or large by images a class; similar or not by what the set is said to be."""
    large = cell["evidence"]["train"] / cell["evidence"]["classes"] >= LARGE
    similar = cell["linear"]["kind"] != "dissimilar"
    arm = ("shallow" if similar else "deep") if large else ("linear" if similar else "layers")
    return arm, {arm: 1.0}


def auto(keeps: float | None, level: float) -> Rule:
    """What `striate fit` does, where tuning is said to leave `keeps` of the linear model's errors.

    With None nothing is tuned.
    """

    def rule(cell: Cell) -> tuple[str, dict[str, float]]:
        linear = cell["best probe"]
        hits = _hits(linear)
        if _missed(linear, hits) <= LITTLE:
            return "best probe", {"best probe": 1.0}
        spent = {"best probe": 1.0}
        promises = {}
        if keeps is not None and len(hits) >= JUDGES:
            promises["deep"] = 1 - keeps * (1 - hits.mean())
        if sign_test(int((~hits).sum()), 0) < GATE_LEVEL:
            spent["trial"] = 1.0
            promised, best_case = _trial(cell)
            if best_case > hits.mean() or _small(cell):
                promises["scratch"] = promised
        if not promises:
            return "best probe", spent
        best = "best probe"
        for taken in sorted(promises, key=lambda name: promises[name], reverse=True):
            if best != "best probe" and not _may_pass(cell, taken, best):
                continue
            spent[taken] = 1.0
            if cell[taken]["chance" if best == "best probe" else f"chance over {best}"] < level:
                best = taken
        return best, spent

    return rule


def _may_pass(cell: Cell, taken: str, best: str) -> bool:
    """Whether the next training promises more than what was reached."""
    return taken == "deep" or _small(cell) or _trial(cell)[1] > _hits(cell[best]).mean()


def _small(cell: Cell) -> bool:
    return bool(cell["evidence"]["image_size"] <= SMALL_IMAGE)


def _missed(linear: dict[str, Any], hits: NDArray[np.bool_]) -> float:
    """Share of the images that the linear model did not learn from and gets wrong."""
    train = linear["trained"]
    return ((1 - linear["loo"][0]) * train + int((~hits).sum())) / (train + len(hits))


def _trial(cell: Cell) -> tuple[float, float]:
    """The accuracy that a short trial of `scratch` promises for all of it, and at best."""
    hits = _hits(cell["trial"])
    tried = wilson(int(hits.sum()), len(hits))
    shrink = min(1.0, cell["trial"]["epochs"] / cell["scratch"]["epochs"]) ** LEARNING_EXPONENT
    return 1 - (1 - tried.value) * shrink, 1 - (1 - tried.high) * shrink


def _hits(row: dict[str, Any]) -> NDArray[np.bool_]:
    count, digits = row["val"].split(":")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8))
    return bits[: int(count)].astype(bool)


def _regret(cell: Cell, arm: str, arms: Sequence[str]) -> float:
    """Points that `arm` is short of the best arm, which the other half of the test picks."""
    halves = (("first", "second"), ("second", "first"))
    lost = []
    for picks, scores in halves:
        best = max(arms, key=lambda name: cell[name][picks])
        lost.append(cell[best][scores] - cell[arm][scores])
    return 100 * fmean(lost)


def _mean_over_sets(values: dict[Key, float]) -> float:
    by_set: dict[str, list[float]] = defaultdict(list)
    for key, value in values.items():
        by_set[key[0]].append(value)
    return fmean(fmean(found) for found in by_set.values())


def _held_out(cells: dict[Key, Cell], sets: Sequence[str], arms: Sequence[str]) -> dict[Key, Rule]:
    """For each cell the rule whose settings lose least on the other sets."""
    settings = [(keeps, level) for keeps in KEEPS for level in LEVELS]
    taken: dict[str, Rule] = {}
    for name in sets:
        others = {key: cell for key, cell in cells.items() if key[0] != name}
        lost = {
            one: _mean_over_sets(
                {key: _regret(cell, auto(*one)(cell)[0], arms) for key, cell in others.items()}
            )
            for one in settings
        }
        best = min(settings, key=lambda one: lost[one])
        taken[name] = auto(*best)
        print(f"left out {name}: tuning keeps {best[0]} of the errors, level {best[1]}")
    return {key: taken[key[0]] for key in cells}


def _line(name: str, cells: dict[Key, Cell], rules: dict[Key, Rule], arms: Sequence[str]) -> str:
    lost, right, seconds, share = {}, {}, {}, {}
    for key, cell in cells.items():
        arm, run = rules[key](cell)
        lost[key] = _regret(cell, arm, arms)
        right[key] = 50 * (cell[arm]["first"] + cell[arm]["second"])
        seconds[key] = sum(part * cell[one]["seconds"] for one, part in run.items())
        share[key] = seconds[key] / sum(cell[one]["seconds"] for one in arms)
    worst = max(lost, key=lambda key: lost[key])
    return (
        f"| {name} | {_mean_over_sets(lost):.2f} | {lost[worst]:.1f} ({worst[0]}, {worst[1]}) | "
        f"{_mean_over_sets(right):.1f} | {_mean_over_sets(seconds):.1f} | "
        f"{_mean_over_sets(share):.2f} |"
    )


if __name__ == "__main__":
    main()
