"""Rows of the strategy benchmark: what a model said, in the figures that the conclusions need."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from strategy_cells import NET, SETS, SIZE, Cell

from striate.learn.gate import compare_losses
from striate.metrics.intervals import accuracy_interval, log_loss, softmax
from striate.metrics.probability_calibration import fit_temperature
from striate.values import Rows

Hits = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the sets lie, where what is computed once is kept, and where the results go."""

    sets: Path
    store: Path
    results: Path

    def rows(self) -> list[Row]:
        """What was measured so far."""
        return json.loads(self.results.read_text())["rows"] if self.results.exists() else []

    def add(self, rows: Sequence[Row], budget: float) -> None:
        """Writes the results with more rows, a row a line, whole and then renamed."""
        every = sorted([*self.rows(), *rows], key=_order)
        head = {"net": NET, "size": SIZE, "budget": budget, "clock": "process CPU, 1 thread"}
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in every)
        fresh = self.results.with_suffix(".new")
        fresh.write_text(f'{{"setup":{json.dumps(head)},"rows":[\n{lines}\n]}}\n')
        fresh.replace(self.results)


def judged_row(
    cell: Cell,
    name: str,
    test_NK: NDArray[np.float32],
    val_NK: NDArray[np.float32],
    seconds: float,
) -> Row:
    """A row of a model by its scores of the test and the validation images, which are kept."""
    labels = cell.job.data.labels
    right = test_NK.argmax(axis=1) == labels[cell.test]
    val = val_NK.argmax(axis=1) == labels[cell.job.data.val]
    said = accuracy_interval(right, cell.job.data.groups[cell.test], cell.seed)
    _keep_scores(cell, name, test_NK, val_NK)
    return named(*cell.key, name) | {
        "first": round(float(right[cell.first].mean()), 5),
        "second": round(float(right[~cell.first].mean()), 5),
        "n": [int(cell.first.sum()), int((~cell.first).sum())],
        "test": [round(v, 4) for v in (said.value, said.low, said.high)],
        "val": _bits(val),
        "loss": _loss(val_NK, labels[cell.job.data.val]),
        "seconds": round(seconds, 2),
    }


def _keep_scores(
    cell: Cell, name: str, test_NK: NDArray[np.float32], val_NK: NDArray[np.float32]
) -> None:
    """What every model said of every image, for questions that come later."""
    folder = cell.whole.store / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    labels = cell.job.data.labels
    np.savez(
        folder / f"{'-'.join(str(part) for part in cell.key)}-{name}.npz",
        test=test_NK.astype(np.float32),
        val=val_NK.astype(np.float32),
        test_truth=labels[cell.test],
        val_truth=labels[cell.job.data.val],
        first=cell.first,
        val_groups=cell.job.data.groups[cell.job.data.val],
    )


def _loss(scores_NK: NDArray[np.float32], truth: Rows) -> float:
    """Log loss on validation at the temperature that suits it best: alike for all strategies."""
    return round(log_loss(softmax(scores_NK, fit_temperature(scores_NK, truth)), truth), 4)


def chances(store: Path, row: Row) -> dict[str, float]:
    """What the gate of `striate fit` says of a row: luck's chance to put it before another model.

    That is the linear model, and `deep` and `scratch` where they were run before.
    """
    found = {}
    for name, rival in (("chance", "best probe"), *((f"chance over {r}", r) for r in RIVALS)):
        old, new = _scores(store, row, rival), _scores(store, row, row["strategy"])
        if old is None or new is None or rival == row["strategy"]:
            continue
        held = compare_losses(
            softmax(new["val"]), softmax(old["val"]), new["val_truth"], new["val_groups"]
        )
        found[name] = round(held.chance, 4)
    return found


def _scores(store: Path, row: Row, strategy: str) -> Any:
    key = "-".join(str(row[name]) for name in ("set", "size", "seed"))
    path = store / "scores" / f"{key}-{strategy}.npz"
    return np.load(path) if path.exists() else None


def _bits(hits: Hits) -> str:
    """Which validation images were right: four a hexadecimal digit, the count before."""
    return f"{len(hits)}:{np.packbits(hits).tobytes().hex()}"


def named(name: str, size: int, seed: int, strategy: str) -> Row:
    """A row with nothing but what names it."""
    return {"set": name, "kind": SETS[name], "size": size, "seed": seed, "strategy": strategy}


def _order(row: Row) -> tuple[Any, ...]:
    return (list(SETS).index(row["set"]), row["size"] or 10**6, row["seed"], row["strategy"])


RIVALS = ("deep", "scratch")
