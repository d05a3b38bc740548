"""What `striate fit` reaches on real image sets: accuracy, seconds, first model, by set and seed.

    python benchmarks/first_light.py SETS_FOLDER --sets demo flowers --seeds 1 2 3 --minutes 2

Every run is a process of its own, as a person would start it. Prints a row a run and a mean a set.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

SETS = ("demo", "flowers", "hymenoptera", "neu_steel", "chinese_digits", "gtsrb32")


def main() -> None:
    """Runs every set with every seed and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the unpacked sets stand")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--strategy", default="auto")
    args = parser.parse_args()
    print("set            seed  accuracy  interval       n     plan     wall s  budget  first s")
    for name in args.sets:
        found = [run(args.folder, name, seed, args.minutes, args.strategy) for seed in args.seeds]
        mean = fmean(row["test"]["value"] for row in found)
        spread = max(row["test"]["value"] for row in found) - min(
            row["test"]["value"] for row in found
        )
        print(f"{name:14} mean  {mean:.4f}    range {spread:.4f}  n={len(found)}", flush=True)


def run(folder: Path, name: str, seed: int, minutes: float, strategy: str) -> dict[str, Any]:
    """The summary of one run, its row printed."""
    source = name if name == "demo" else str(folder / name)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "striate", "fit", source, "--out", f"{out}/run"]
        command += ["--minutes", str(minutes), "--seed", str(seed), "--strategy", strategy]
        started = time.monotonic()
        done = subprocess.run(
            [*command, "--json", "--quiet"], capture_output=True, text=True, check=False
        )
        wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr}")
    summary: dict[str, Any] = json.loads(done.stdout)
    test, seconds = summary["test"], summary["seconds"]
    low, high = test["interval"]
    kept = "in time" if wall <= 60 * minutes + max(10, 6 * minutes) else "LATE"
    print(
        f"{name:14} {seed:4}  {test['value']:.4f}    {low:.4f}-{high:.4f}  {test['n']:5}  "
        f"{summary['plan']['strategy']:8} {wall:6.1f}  {kept:7} {seconds['first_model']:6.1f}",
        flush=True,
    )
    return summary


if __name__ == "__main__":
    main()
