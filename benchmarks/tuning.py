"""How should a pretrained network be tuned? Recipes side by side, judged on validation images.

    python benchmarks/tuning.py SETS --store FOLDER --results benchmarks/results/tuning.json

SETS holds the sets as folders. Each is cut as by `strategy.py`; its test images are put aside and
never looked at. Of the others so many a class train and up to 300, in whole groups, judge. Every
training starts at the exact head, lasts `--epochs` epochs, and its last epoch is judged, so that
no choice of an epoch flatters it: as it is (`tuned`), and with the head fitted anew on the tuned
features, the penalty picked by leave-one-out (`refit`) or by one half of the judging images for
the other (`held out`). `exact` is the head before. A recipe is a strategy and what `--set` takes;
`fastai` tunes the head from zero for an epoch, then everything for the others. `watched` before a
strategy keeps the best epoch by one half of the judging images, and the other half alone judges.
What stands in the results is not measured again. Rows hold which judging images were right. At
the end a table: the mean over sets of what each recipe changed against `exact`.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch count the cores

import numpy as np
from numpy.typing import NDArray
from strategy_cells import NET, SETS, Cell, Whole, _job, load

from strategy import _bits, _choice, _evidence, _fastai
from striate.data.split.portions import assign_portions, split_groups
from striate.learn.finetune.train_plan import initial_network, model_spec_of
from striate.learn.finetune.weight_interpolation import fit_best_penalty
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics.intervals import log_loss, softmax
from striate.probe.features import extract_features
from striate.probe.stage_probes import fit_taps, probe_taps
from striate.strategy.plans import training_plan
from striate.train.fast.machine import measure_machine
from striate.train.head import Network
from striate.train.loop import train_network
from striate.values import Machine, ModelSpec, Plan, Rows
from striate.values.seeds import make_rng

RATES, DECAYS = ("2e-4", "5e-4", "1e-3"), ("0.7", "0.5", "0.3")
GRID = [f"deep learning_rate={rate} layer_decay={decay}" for rate in RATES for decay in DECAYS]
NAMES = ("trashnet", "magnetic_tile", "sign_digits", "dtd10", "neu_steel", "hymenoptera")
MOST_JUDGING, PIXELS = 300, 96
WATCHED = "watched "

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heads:
    """Scores of the judging images N x K by the heads on one network's features."""

    tuned: NDArray[np.float32]
    refit: NDArray[np.float32]
    held_out: NDArray[np.float32]
    left_out: float


def main() -> None:
    """Measures the pieces that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, help="the folder that holds the sets")
    parser.add_argument("--store", type=Path, default=Path("scratch/tuning"))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--names", nargs="+", default=list(NAMES), choices=list(SETS))
    parser.add_argument("--size", type=int, default=20, help="training images a class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--recipes", nargs="+", default=GRID)
    given = parser.parse_args()
    machine = replace(measure_machine("cpu"), threads=1)
    rows = json.loads(given.results.read_text())["rows"] if given.results.exists() else []
    done = {_key(row) for row in rows}
    for name in given.names:
        whole = None
        for seed in given.seeds:
            for recipe in given.recipes:
                head = {"set": name, "size": given.size, "seed": seed, "epochs": given.epochs}
                if _key(head | {"recipe": recipe}) in done:
                    continue
                whole = whole or load(given.sets, given.store, name, machine, PIXELS)
                cell = cut(whole, given.size, seed, machine)
                if cell is None:
                    continue
                row = head | {"recipe": recipe} | _measured(cell, recipe, given.epochs)
                rows.append(row)
                _write(given.results, rows)
                told = " ".join(f"{k} {row[k][0]:.3f}" for k in ("exact", "tuned", "held out"))
                print(f"{name} {given.size} {seed} {recipe}: {told}", flush=True)
    some = [row for row in rows if row["size"] == given.size and row["epochs"] == given.epochs]
    _tabulate([r for r in some if r["recipe"] in given.recipes and r["set"] in given.names])


def _tabulate(rows: Sequence[Row]) -> None:
    """A line a recipe: points and log loss against the exact head before, means over sets."""
    heads = ("tuned", "refit", "held out")
    print("| recipe | sets |" + "".join(f" {head}, points | log loss |" for head in heads))
    print("|---|---|" + "---|---|" * len(heads))
    for recipe in sorted({row["recipe"] for row in rows}):
        found = [row for row in rows if row["recipe"] == recipe]
        cells = ""
        for head in heads:
            points, lost = ([row[head][i] - row["exact"][i] for row in found] for i in (0, 1))
            cells += f" {100 * np.mean(points):+.1f} | {np.mean(lost):+.3f} |"
        print(f"| {recipe} | {len({row['set'] for row in found})} |{cells}")


def cut(whole: Whole, size: int, seed: int, machine: Machine) -> Cell | None:
    """So many a class to train, others to judge; None where a class has too few images."""
    index, labels = whole.index, whole.index.labels()
    units = split_groups(index, whole.groups, seed)
    pool = np.array(sorted(assign_portions(units, {"test": (0.4, 1000)})["train"]), np.int64)
    pool = make_rng(seed, "draw").permutation(pool)
    by_class = [pool[labels[pool] == k] for k in range(len(index.classes))]
    if min(len(found) for found in by_class) < 0.6 * size:
        return None
    # A class that is rare keeps a third of its images for judging.
    train = np.sort(np.concatenate([b[: min(size, 2 * len(b) // 3)] for b in by_class]))
    apart = ~np.isin(whole.groups[pool], whole.groups[train])
    judging = np.sort(pool[apart][:MOST_JUDGING])
    nobody = np.zeros(0, np.int64)
    return Cell(
        whole=whole,
        size=size,
        seed=seed,
        job=_job(whole, train, judging, seed, machine),
        test=nobody,
        first=nobody.astype(bool),
    )


def _measured(cell: Cell, recipe: str, epochs: int) -> Row:
    job, whole = cell.job, cell.whole
    recipe, watched = recipe.removeprefix(WATCHED), recipe.startswith(WATCHED)
    strategy, _, asked = recipe.partition(" ")
    if watched:
        cell, looked = _halved(cell)
        job = cell.job
    else:
        looked = job.data.val[:0]
    probed = probe_taps(
        whole.table,
        job.data.labels,
        len(job.data.index.classes),
        job.data.train,
        job.data.val,
        job.data.groups,
        cell.seed,
    )
    options = replace(job.options, set=asked or None)
    plan = training_plan(
        _evidence(cell, probed),
        options,
        job.machine,
        _choice("deep" if strategy == "fastai" else strategy),
        _choice(epochs),
    )
    plan = replace(plan, precision=_choice("float32"))
    model = model_spec_of(job, plan)
    linear = LinearProbes(
        net=NET, input_size=whole.input_size, network=None, table=whole.table, probed=probed
    )
    network = initial_network(job, plan, model, linear)
    begun = time.process_time()
    if strategy == "fastai":
        network.head.weight.data.zero_()
        network.head.bias.data.zero_()
        head, rest = _fastai(plan)
        _train(cell, network, head, model, looked)
        _train(cell, network, replace(rest, epochs=_choice(epochs - 1)), model, looked)
    else:
        _train(cell, network, plan, model, looked)
    seconds = time.process_time() - begun
    heads = _heads(cell, network, model)
    exact = fit_ridge_on_taps(job.data, whole.table, plan.taps.value, job.data.train)
    scores = exact.scores(whole.table.of(job.data.val, plan.taps.value))
    return {
        "exact": _told(cell, softmax(scores, exact.temperature)),
        "tuned": _told(cell, softmax(heads.tuned)),
        "refit": _told(cell, heads.refit),
        "held out": _told(cell, heads.held_out),
        "left out says": round(heads.left_out, 4),
        "rate": plan.learning_rate.value,
        "batch": plan.batch_size.value,
        "train": len(job.data.train),
        "seconds": round(seconds, 1),
    }


def _halved(cell: Cell) -> tuple[Cell, Rows]:
    """The cell with half of its judging images, and the other half, to keep an epoch by."""
    half = make_rng(cell.seed, "watched").random(len(cell.job.data.val)) < 0.5
    judged = replace(cell.job, data=replace(cell.job.data, val=cell.job.data.val[~half]))
    return replace(cell, job=judged), cell.job.data.val[half]


def _train(cell: Cell, network: Network, plan: Plan, model: ModelSpec, looked: Rows) -> None:
    """Trains in place: to the last epoch, or to the best of those `looked` at."""
    job = cell.job
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    train_network(
        network,
        plan,
        job.data.cache,
        job.data.train,
        looked,
        job.machine,
        labels=job.data.labels,
        mean=model.mean,
        std=model.std,
    )


def _heads(cell: Cell, network: Network, model: ModelSpec) -> Heads:
    """The head that was tuned and those fitted anew, on the judging images: probabilities."""
    job, classes = cell.job, len(cell.job.data.index.classes)
    every = np.sort(np.concatenate([job.data.train, job.data.val]))
    table = extract_features(network, job.data.cache, every, model, job.machine)
    train, val = table.of(job.data.train), table.of(job.data.val)
    left = fit_taps(table, network.taps, job.data.train, job.data.labels, classes)
    half = make_rng(cell.seed, "halves").random(len(job.data.val)) < 0.5
    apart = np.empty((len(job.data.val), classes), np.float32)
    for picks in (half, ~half):
        fit = fit_best_penalty(
            train,
            job.data.labels[job.data.train],
            val[picks],
            job.data.labels[job.data.val[picks]],
            classes,
            table.widths,
        )
        apart[~picks] = fit.probabilities(val[~picks])
    return Heads(
        tuned=_through(network, val),
        refit=left.probabilities(val),
        held_out=apart,
        left_out=float((left.loo_scores.argmax(axis=1) == job.data.labels[job.data.train]).mean()),
    )


def _through(network: Network, features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return network.eval().classify(torch.from_numpy(features_ND)).numpy()


def _told(cell: Cell, probabilities_NK: NDArray[np.float32]) -> list[Any]:
    truth: Rows = cell.job.data.labels[cell.job.data.val]
    right = probabilities_NK.argmax(axis=1) == truth
    lost = log_loss(probabilities_NK, truth)
    return [round(float(right.mean()), 4), round(float(lost), 4), _bits(right)]


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("set", "size", "seed", "epochs", "recipe"))


def _write(path: Path, rows: Sequence[Row]) -> None:
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in sorted(rows, key=_key))
    setup = json.dumps({"net": NET, "pixels": PIXELS, "judging": MOST_JUDGING})
    fresh = path.with_suffix(".new")
    fresh.write_text(f'{{"setup":{setup},"rows":[\n{lines}\n]}}\n')
    fresh.replace(path)


if __name__ == "__main__":
    main()
