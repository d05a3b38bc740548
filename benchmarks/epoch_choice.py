"""Which epoch: the regret of the smoothed criterion, of the raw minimum and of the last epoch.

`python benchmarks/epoch_choice.py` draws 200 validation curves whose true loss is known: decays,
rises after the best epoch, plateaus and noisy ones with spikes, 50 each. What a criterion sees is
the true loss plus the error of a validation split; its regret is the true loss of the epoch that
it keeps minus the least true loss, in units of the deviation of that error. A spike is true: the
weights of that epoch are bad. `--write FILE` records the curves.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from striate import statistics
from striate.trends import best_epoch

KINDS = ("decay", "overfit", "plateau", "spikes")


def drawn(number: int, seed: int) -> tuple[str, np.ndarray, np.ndarray, float]:
    """Kind, true loss, loss seen, deviation of what is seen, of one curve."""
    draw = statistics.rng(seed, f"curve {number}")
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
            f"smoothed, tie {tie:g}": lambda seen, tie=tie: best_epoch(seen, tie).place
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


if __name__ == "__main__":
    main()
