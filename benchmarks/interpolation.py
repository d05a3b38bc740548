"""How far should a tuning be followed, and by which head?

    python benchmarks/interpolation.py SETS --sizes 20 5 --results FILE

On the cells of `benchmarks/strategy.py` all layers (or, by `--strategy shallow`, the last stages)
are tuned as the recipe has it, for `--budget` seconds of processor time. Then, at a quarter, half,
three quarters and all of the way from the first weights to the tuned ones, three heads are judged:
the one that the steps left, the exact one of the training images with its penalty by validation,
and the exact one of both with that penalty. A row a cell: test accuracy and log loss, and the
same on validation, which the last head knows.
"""

import argparse
import copy
import json
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch count the cores

import numpy as np
import torch
from numpy.typing import NDArray
from strategy_cells import NET, SETS, Cell, cut, load

import strategy
from striate.learn.finetune.train_plan import initial_network, model_spec_of
from striate.learn.finetune.weight_interpolation import fit_best_penalty, interpolate_backbone
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics.intervals import log_loss, softmax
from striate.metrics.probability_calibration import fit_temperature
from striate.probe.features import FeatureTable, extract_features
from striate.probe.ridge import RidgeFit, fit_ridge_path
from striate.strategy.plans import training_plan
from striate.train.fast.forward_pass import compute_logits
from striate.train.fast.inference import optimise_for_inference
from striate.train.fast.machine import measure_machine

SHARES = (0.25, 0.5, 0.75, 1.0)
Scores = NDArray[np.float32]
Figures = dict[str, list[float]]


def main() -> None:
    """A line of JSON a cell, added to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, help="the folder that holds the sets")
    parser.add_argument("--store", type=Path, default=Path("scratch/strategy"))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--names", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--strategy", default="deep", choices=["deep", "shallow"])
    parser.add_argument("--budget", type=float, default=20.0, help="CPU seconds of a training")
    given = parser.parse_args()
    machine = replace(measure_machine("cpu"), threads=1)
    for name in given.names:
        whole = load(given.sets, given.store, name, machine)
        for size, seed in ((size, seed) for size in given.sizes for seed in given.seeds):
            cell = cut(whole, size, seed, machine)
            if cell is None:
                continue
            row = {"set": name, "size": size, "seed": seed, "strategy": given.strategy}
            line = json.dumps(row | _judged(cell, given.strategy, given.budget))
            print(line, flush=True)
            with given.results.open("a") as file:
                file.write(line + "\n")


def _judged(cell: Cell, name: str, budget: float) -> Figures:
    job, whole = cell.job, cell.whole
    probed = strategy.probed_of(cell)
    evidence = strategy.evidence_of(cell, probed)
    first_plan = training_plan(
        evidence, job.options, job.machine, strategy.choice(name), strategy.choice(1)
    )
    plan = strategy.in_budget(cell, first_plan, budget)
    model = model_spec_of(job, plan)
    read = LinearProbes(
        net=NET, input_size=whole.input_size, network=None, table=whole.table, probed=probed
    )
    network = initial_network(job, plan, model, read)
    first = copy.deepcopy(network.backbone.state_dict())
    born = copy.deepcopy(network.head.state_dict())
    strategy.train_in_place(cell, network, plan, model)
    tuned_head = copy.deepcopy(network.head.state_dict())
    both = np.sort(np.concatenate([job.data.train, job.data.val]))
    taps = probed.best.taps
    found = {"epochs": [float(plan.epochs.value)]}
    for title, rows in (("linear", job.data.train), ("linear, both", both)):
        fit = fit_ridge_on_taps(job.data, whole.table, taps, rows)
        of = (whole.table.of(cell.test, taps), whole.table.of(job.data.val, taps))
        found[title] = _figures(cell, *(fit.scores(each) for each in of))
    for share in SHARES:
        between = copy.deepcopy(interpolate_backbone(network, first, share)).eval()
        with torch.no_grad():
            for part, value in between.head.state_dict().items():
                value.copy_(torch.lerp(born[part], tuned_head[part], share))
        quick = optimise_for_inference(between, machine=job.machine, precision=model.precision)
        logits = (
            compute_logits(quick, job.data.cache.images, rows, model, job.machine)
            for rows in (cell.test, job.data.val)
        )
        found[f"steps {share}"] = _figures(cell, *logits)
        every = np.sort(np.concatenate([both, cell.test]))
        table = extract_features(between, job.data.cache, every, model, job.machine)
        for title, fit in _exact(cell, table, both).items():
            scores = (fit.scores(table.of(rows)) for rows in (cell.test, job.data.val))
            found[f"{title} {share}"] = _figures(cell, *scores)
    return found


def _exact(cell: Cell, table: FeatureTable, both: NDArray[np.int64]) -> dict[str, RidgeFit]:
    job, classes = cell.job, len(cell.job.data.index.classes)
    alone = fit_best_penalty(
        table.of(job.data.train),
        job.data.labels[job.data.train],
        table.of(job.data.val),
        job.data.labels[job.data.val],
        classes,
        table.widths,
    )
    together = fit_ridge_path(
        table.of(both), job.data.labels[both], classes, None, [alone.alpha], widths=table.widths
    )
    return {"exact": alone, "exact, both": together}


def _figures(cell: Cell, test_NK: Scores, val_NK: Scores) -> list[float]:
    """Per cent right and log loss, of test and of validation, at validation's temperature."""
    labels, job = cell.job.data.labels, cell.job
    heat = fit_temperature(val_NK, labels[job.data.val])
    found = []
    for scores, rows in ((test_NK, cell.test), (val_NK, job.data.val)):
        right = float((scores.argmax(axis=1) == labels[rows]).mean())
        found += [round(100 * right, 1), round(log_loss(softmax(scores, heat), labels[rows]), 3)]
    return found


if __name__ == "__main__":
    main()
