"""Does choosing beat a habit? Regret of `auto` and of every fixed rule, from the benchmark's rows.

    python benchmarks/strategy_regret.py benchmarks/results/strategy.json

Regret is the best strategy's accuracy minus that of the strategy that a rule takes, in points.
The best is picked on one half of the test images and scored on the other, and the halves are
swapped, so that luck on the images that pick it does not count. It may so be below 0. Only cells
(set, size, seed) where every strategy was run, on the same images, count; the mean is over sets,
sizes within a set alike. `auto` keeps the linear model on several stages unless the trained one
that it tries is better on validation by a sign test. Three ways of telling what to try:
*raced*, as `striate fit` does it: an eighth of a training from scratch, and the whole of it
where that may pass the linear model; no setting of it was found on these sets. By *thresholds*
on the images' side and number, as `striate/strategy/corners.py` has them, and such thresholds set
leave-one-set-out: those of least regret on the other sets.
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

from striate.statistics import better, sign_test, wilson
from striate.strategy.corners import to_try
from striate.strategy.promise import GATE_LEVEL, LEARNING_EXPONENT

ARMS = ("linear", "layers", "shallow", "deep", "scratch", "fastai")
LARGE = 50
SMALL_SIDES = (0, 32, 40, 64, 100)
TUNED_FROM = (10**6, 100, 50, 20)
LEVELS = (0.05, 0.1, 0.2, 0.4)
TRIAL = 1 / 8

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
    run = {k: c for k, c in cells.items() if set(given.arms) <= set(c) and "evidence" in c}
    whole = {k: c for k, c in run.items() if _alike(c, given.arms)}
    for key in sorted(set(run) - set(whole)):
        print(f"left out, judged on different images: {key}")
    sets = sorted({key[0] for key in whole})
    print(f"{len(whole)} cells of {len(cells)} hold all of {', '.join(given.arms)}: {sets}")
    rules: dict[str, Rule] = {f"always {arm}": _always(arm) for arm in given.arms}
    rules["course's table by counts"] = _course
    rules["auto, raced as fit does it"] = _raced
    rules["auto, by thresholds"] = _auto(None, None, GATE_LEVEL)
    print("| rule | regret | worst cell | accuracy | CPU seconds | share of all arms' |")
    print("|---|---|---|---|---|---|")
    for name, rule in rules.items():
        print(_line(name, whole, dict.fromkeys(whole, rule), given.arms))
    free = _held_out(whole, sets, given.arms)
    print(_line("auto, thresholds set leave-one-set-out", whole, free, given.arms))


def _cells(rows: Sequence[dict[str, Any]]) -> dict[Key, Cell]:
    cells: dict[Key, Cell] = defaultdict(dict)
    for row in rows:
        if row["strategy"] != "left out":
            cells[(row["set"], row["size"], row["seed"])][row["strategy"]] = row
    return {key: cell for key, cell in cells.items() if cell}


def _alike(cell: Cell, arms: Sequence[str]) -> bool:
    """Whether all arms were judged on the same images: an older cut of a set may be another."""
    sides = {(tuple(cell[arm]["n"]), cell[arm]["val"].split(":")[0]) for arm in arms}
    return len(sides) == 1


def _always(arm: str) -> Rule:
    return lambda cell: (arm, {arm: 1.0})


def _raced(cell: Cell) -> tuple[str, dict[str, float]]:
    """The trial, read off the training's curve where an eighth of its epochs were done.

    A trial of its own would be better by then, since its rate would have fallen to 0.
    """
    old = _hits(cell["layers"])
    if sign_test(int((~old).sum()), 0) >= GATE_LEVEL:
        return "layers", {"layers": 1.0}
    curve = [accuracy for _, accuracy in cell["scratch"]["curve"]]
    done = max(1, int(TRIAL * len(curve)))
    tried = wilson(round(max(curve[:done]) * len(old)), len(old))
    best_case = 1 - (1 - tried.high) * (done / len(curve)) ** LEARNING_EXPONENT
    if best_case <= old.mean():
        return "layers", {"layers": 1.0, "scratch": done / len(curve)}
    won = better(_hits(cell["scratch"]), old) < GATE_LEVEL
    return ("scratch" if won else "layers"), {"layers": 1.0, "scratch": 1.0}


def _course(cell: Cell) -> tuple[str, dict[str, float]]:
    """Small or large by images a class; similar or not by what the set is said to be."""
    large = cell["evidence"]["train"] / cell["evidence"]["classes"] >= LARGE
    similar = cell["linear"]["kind"] != "dissimilar"
    arm = ("shallow" if similar else "deep") if large else ("linear" if similar else "layers")
    return arm, {arm: 1.0}


def _auto(side: int | None, tuned_from: int | None, level: float) -> Rule:
    """What is tried by the settings (None: by striate's own rule), kept if better by `level`."""

    def rule(cell: Cell) -> tuple[str, dict[str, float]]:
        facts = cell["evidence"]
        each = facts["train"] / facts["classes"]
        if side is None or tuned_from is None:
            tried = to_try(facts["image_size"], each, fmean(facts["shift"].values()))
        else:
            tried = "scratch" if facts["image_size"] <= side else ""
            tried = tried or ("shallow" if each >= tuned_from else "")
        if not tried:
            return "layers", {"layers": 1.0}
        new, old = _hits(cell[tried]), _hits(cell["layers"])
        won = better(new, old) < level
        return (tried if won else "layers"), {"layers": 1.0, tried: 1.0}

    return rule


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
    settings = [(s, t, v) for s in SMALL_SIDES for t in TUNED_FROM for v in LEVELS]
    taken: dict[str, Rule] = {}
    for name in sets:
        others = {key: cell for key, cell in cells.items() if key[0] != name}
        lost = {
            one: _mean_over_sets(
                {key: _regret(cell, _auto(*one)(cell)[0], arms) for key, cell in others.items()}
            )
            for one in settings
        }
        best = min(settings, key=lambda one: lost[one])
        taken[name] = _auto(*best)
        print(f"left out {name}: scratch up to {best[0]} px, tuned from {best[1]}, level {best[2]}")
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
