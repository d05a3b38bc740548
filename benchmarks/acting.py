"""Are promises kept? Coverage of prediction sets, calibration error, and outsiders told apart.

`python benchmarks/acting.py SETS/flowers SETS/gtsrb32 … --runs FOLDER --minutes 1` fits each set
(or finds its run), holds the test split against promises of 80, 90, 95 and 99 %, and against the
images of all other sets given. The band holds 95 % of binomial draws at the promise. Where a model
has more than one temperature the error is given without the rest too, in brackets.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import striate
from striate.data.scan import read_index
from striate.metrics.intervals import expected_calibration_error
from striate.predict.classifier import copy_with
from striate.predict.conformal import prediction_sets
from striate.predict.decision_rules import derive_rules
from striate.run import Run
from striate.values import Index, Options, Predictions, Rows
from striate.values.seeds import make_rng

PROMISES = (0.8, 0.9, 0.95, 0.99)
MOST_OUTSIDERS = 300
# Tracks of one sign, characters of one writer: without them the promise is for the same ones.
PATTERNS = {"gtsrb32": r"(\d{5}_\d{5})_", "chinese_digits": r"input_(\d+)_"}


def main() -> None:
    """Fits, measures, prints a table."""
    given = _parsed()
    for source in given.sources:
        out = given.runs / f"{source.name}-{given.strategy}"
        settings = {"minutes": given.minutes, "strategy": given.strategy}
        if given.set:
            settings["set"] = given.set
        if source.name in PATTERNS:
            settings["group_pattern"] = PATTERNS[source.name]
        run = striate.fit(source, out=str(out), seed=given.seed, **settings)
        _coverage(source.name, run)
        if source.name in given.outsiders.split(","):
            _outsiders(source, run, [other for other in given.sources if other != source])


def _coverage(name: str, run: Run) -> None:
    predictions = run.read("predictions.csv")
    index = run.read("index.csv")
    counted = _counted(predictions, index)
    table, truth = predictions.probabilities[counted], predictions.truth[counted]
    held_out = run.classifier.held_out
    how = "–" if held_out is None else f"{held_out.how}, {held_out.card.groups} groups"
    error = expected_calibration_error(table, truth)
    right = float((table.argmax(axis=1) == truth).mean())
    print(
        f"{name}: {run.plan.strategy.value}, {how}; n = {len(truth)}, right {right:.4f}, "
        f"calibration error {error:.4f} ({_spread(table, truth)}){_plain(run, index, counted)}",
        flush=True,
    )
    for promise in PROMISES:
        try:
            least = derive_rules(run.classifier, coverage=promise).least
        except striate.StriateError as refusal:
            print(f"  {promise}: {refusal.sentence}")
            continue
        plain = table[np.arange(len(truth)), truth] >= np.float32(least)
        sets = prediction_sets(table, least)
        held = sets[np.arange(len(truth)), truth]
        low, high = _band(len(truth), promise)
        print(
            f"  {promise}: plain {plain.mean():.4f}, with the best {held.mean():.4f}, "
            f"band {low:.4f}–{high:.4f}, classes in a set {sets.sum(axis=1).mean():.2f}"
        )


def _plain(run: Run, index: Index, counted: NDArray[np.bool_]) -> str:
    how = run.classifier.spec.calibration
    why = "" if how is None or how.why is None else f"\n  {how.why.text}"
    if how is None or how.neutral:
        return why
    paths = [
        path for path, one in zip(run.read("predictions.csv").paths, counted, strict=True) if one
    ]
    place = {example.path: row for row, example in enumerate(index.examples)}
    rows = np.array([place[path] for path in paths])
    found = copy_with(run.classifier, calibration=None).predict(index, rows)
    error = expected_calibration_error(found.probabilities, found.truth)
    return f" [one temperature: {error:.4f}]{why}"


def _outsiders(source: Path, run: Run, others: list[Path]) -> None:
    index = run.read("index.csv")
    predictions = run.read("predictions.csv")
    counted = _counted(predictions, index)
    root = Path(index.root)
    known = run.predict(
        [root / path for path, one in zip(predictions.paths, counted, strict=True) if one]
    )
    for other in others:
        found = read_index(other, Options())
        rows = found.used()
        rows = np.sort(make_rng(0, "outsiders").permutation(rows)[:MOST_OUTSIDERS])
        strange = run.predict([Path(found.root) / found.examples[row].path for row in rows])
        far, near = strange.familiarity, known.familiarity
        below = (far[:, None] < near).mean() + (far[:, None] == near).mean() / 2
        print(
            f"  {other.name} as outsiders of {source.name}: AUROC {below:.4f}; at a rate of "
            f"0.01 {np.mean(far <= 0.01):.3f} of {len(far)} turned away, and of "
            f"{len(near)} known {np.mean(near <= 0.01):.4f}",
            flush=True,
        )


def _counted(predictions: Predictions, index: Index) -> NDArray[np.bool_]:
    """Known truth, no copy in training, every picture once: as the stated accuracy counts."""
    place = {example.path: row for row, example in enumerate(index.examples)}
    rows = np.array([place[path] for path in predictions.paths])
    fine = np.array(["not counted" not in index.examples[row].reason for row in rows])
    return (predictions.truth >= 0) & fine & index.firsts(rows)


def _spread(table: NDArray[np.float32], truth: Rows, draws: int = 500) -> str:
    generator = make_rng(0, "calibration error")
    found = []
    for _ in range(draws):
        some = generator.integers(0, len(truth), len(truth))
        found.append(expected_calibration_error(table[some], truth[some]))
    low, high = np.quantile(found, (0.025, 0.975))
    return f"bootstrap {low:.4f}–{high:.4f}"


def _band(n: int, promise: float) -> tuple[float, float]:
    counts = np.arange(n + 1)
    logs = np.array(
        [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts]
    )
    mass = np.exp(logs + counts * math.log(promise) + (n - counts) * math.log1p(-promise))
    total = np.cumsum(mass)
    return (
        float(counts[np.searchsorted(total, 0.025)] / n),
        float(counts[np.searchsorted(total, 0.975)] / n),
    )


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--set", default="")
    parser.add_argument("--outsiders", default="flowers")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
