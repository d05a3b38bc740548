"""Which epoch: the regret of the smoothed criterion, of the raw minimum and of the last epoch.

`python benchmarks/epoch_choice.py` draws 200 validation curves whose true loss is known: decays,
rises after the best epoch, plateaus and noisy ones with spikes, 50 each. What a criterion sees is
the true loss plus the error of a validation split; its regret is the true loss of the epoch that
it keeps minus the least true loss, in units of the deviation of that error. A spike is true: the
weights of that epoch are bad. Below the table: how often the 95% band holds the true loss, over
all epochs but planted spikes and at the kept one, and how often the epochs that cannot be told
from the best hold the true best. `--write FILE` records the curves.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from striate.metrics.curve_smoothing import find_best_epoch, smooth_curve
from striate.values.seeds import make_rng

KINDS = ("decay", "overfit", "plateau", "spikes")


def drawn(number: int, seed: int) -> tuple[str, np.ndarray, np.ndarray, float]:
    """Kind, true loss, loss seen, deviation of what is seen, of one curve."""
    draw = make_rng(seed, f"curve {number}")
    kind = KINDS[number % len(KINDS)]
    count = int(draw.integers(12, 120))
    epochs = np.arange(count)
    start, floor = draw.uniform(1.0, 2.5), draw.uniform(0.1, 0.9)
    tau = count * draw.uniform(0.05, 0.4)
    true = floor + (start - floor) * np.exp(-epochs / tau)
    if kind == "decay":
        true = floor + (start - floor) * (1 + epochs / tau) ** -draw.uniform(0.5, 1.5)
    if kind in ("overfit", "spikes"):
        best = count * draw.uniform(0.2, 0.8)
        rise = draw.uniform(0.05, 0.8) * (kind == "overfit" or draw.random() < 0.5)
        true = true + rise * np.maximum(0, epochs - best) / count
    deviation = draw.uniform(0.005, 0.06) * (true[-1] + 0.2)
    if kind == "spikes":
        for place in draw.choice(count, max(1, count // 12), replace=False):
            true[place] += draw.uniform(5, 25) * deviation
    seen = true + deviation * draw.standard_normal(count)
    return kind, true, seen, float(deviation)


def coverage(curves: list[tuple[str, np.ndarray, np.ndarray, float]]) -> str:
    """How often the band and the epochs named with the best hold the truth."""
    points, kept, named, half = [], [], [], []
    for _, true, seen, deviation in curves:
        low, high = smooth_curve(seen).band()
        inside = (low <= true) & (true <= high)
        points.append(inside[~planted(true, deviation)].mean())
        best = find_best_epoch(seen)
        kept.append(inside[best.place])
        named.append(best.low <= int(np.argmin(true)) <= best.high)
        half.append((high - low).mean() / 2 / deviation)
    shares = [
        f"{100 * np.mean(found):.1f}% ± {100 * np.std(found, ddof=1) / len(found) ** 0.5:.1f}"
        for found in (points, kept, named)
    ]
    return (
        f"The 95% band holds the true loss of {shares[0]} of the epochs, of {shares[1]} of the "
        f"kept ones; it is ± {np.mean(half):.2f} deviations wide. The epochs named hold the true "
        f"best in {shares[2]}."
    )


def planted(true: np.ndarray, deviation: float) -> np.ndarray:
    """The epochs that stand out of the true curve by over four deviations, after the first three.

    They are no part of the curve that smoothing looks for.
    """
    found = np.zeros(len(true), np.bool_)
    for place in range(4, len(true)):
        sides = np.r_[true[place - 3 : place], true[place + 1 : place + 4]]
        found[place] = true[place] > np.median(sides) + 4 * deviation
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--ties", type=float, nargs="*", default=[1.0])
    given = parser.parse_args()
    curves = [drawn(number, given.seed) for number in range(given.curves)]
    if given.write:
        lines = [{"kind": k, "true": list(t), "seen": list(s)} for k, t, s, _ in curves]
        given.write.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    ways = {
        "raw minimum": lambda seen: int(np.argmin(seen)),
        "last epoch": lambda seen: len(seen) - 1,
        **{
            f"smoothed, tie {tie:g}": lambda seen, tie=tie: find_best_epoch(seen, tie).place
            for tie in given.ties
        },
    }
    print("| criterion | " + " | ".join((*KINDS, "all", "± standard error")) + " |")
    print("|---" * (len(KINDS) + 3) + "|")
    base = None
    for name, way in ways.items():
        regrets = np.array(
            [(true[way(seen)] - true.min()) / deviation for _, true, seen, deviation in curves]
        )
        kinds = np.array([kind for kind, *_ in curves])
        row = [f"{regrets[kinds == kind].mean():.2f}" for kind in KINDS]
        base = regrets if base is None else base
        less = base - regrets
        paired = f"less than raw by {less.mean():.2f} ± {less.std(ddof=1) / len(less) ** 0.5:.2f}"
        error = regrets.std(ddof=1) / len(regrets) ** 0.5
        print(f"| {name} | {' | '.join(row)} | {regrets.mean():.2f} | {error:.2f} | {paired}")
    print(coverage(curves))


if __name__ == "__main__":
    main()
