"""The course's four corners with full budgets: what each way of training is right on, and its cost.

    python benchmarks/corners.py SETS --store FOLDER --results benchmarks/results/corners.json

SETS holds the sets as folders. Two corners are small (20 images a class), two large (400 a class:
some 3,200 to learn from); the similar ones are photographs of things, the others are not. A fifth
of what is drawn is validation; up to 1,000 other images are the test, the same for every way.

Epochs are stated, not what a clock allows, so a busy machine gives the same figures. Minutes are
CPU minutes of one thread. A cell is stored as it ends and not measured again; `--results` gathers
what is there and names the cells that were not reached.
"""

import argparse
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch count the cores

import numpy as np
import torch
from numpy.typing import NDArray
from strategy_cells import Cell, cut, load, spec

from strategy import choice, evidence_of, in_budget, probed_of, train_in_place
from striate.learn.finetune.train_plan import initial_network, model_spec_of
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics.intervals import accuracy_interval
from striate.probe.similarity import measure_layer_shift
from striate.strategy.plans import training_plan
from striate.train.fast.forward_pass import compute_logits
from striate.train.fast.inference import optimise_for_inference
from striate.train.fast.machine import measure_machine
from striate.train.head import build_network
from striate.values import RANDOM, Machine, Probe

CORNERS = {
    "flowers": ("small", "similar", 20),
    "neu_steel": ("small", "dissimilar", 20),
    "cifar10": ("large", "similar", 400),
    "demo": ("large", "dissimilar", 400),
}
CLOSED = ("linear", "first", "layers")
WAYS = (*CLOSED, "hidden", "shallow", "deep", "scratch")
EPOCHS = {"small": {"shallow": 30, "deep": 30, "scratch": 60, "hidden": 100}}
EPOCHS["large"] = {"shallow": 8, "deep": 8, "scratch": 30, "hidden": 100}
PIXELS = {"small": 128, "large": 96}
MOST_OF_A_CLASS = 600  # images: what a large set is cut to, so that its features take minutes
FIRST_STAGES = 3
HIDDEN = 256  # units
Scores = NDArray[np.float32]


def main() -> None:
    """Measures the cells that are missing, the cheapest first, and gathers all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, help="the folder that holds the sets")
    parser.add_argument("--store", type=Path, default=Path("scratch/corners"))
    parser.add_argument("--results", type=Path)
    parser.add_argument("--names", nargs="+", default=list(CORNERS), choices=list(CORNERS))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    machine = replace(measure_machine("cpu"), threads=1)
    for name in given.names:
        missing = [way for way in given.ways if not _place(given.store, name, way).exists()]
        if missing:
            _measure(given.sets, given.store, name, missing, machine)
    if given.results:
        given.results.write_text(_gathered(given.store), "utf-8")


def _measure(sets: Path, store: Path, name: str, ways: list[str], machine: Machine) -> None:
    size, likeness, each = CORNERS[name]
    whole = load(_few(sets, store, name), store, name, machine, PIXELS[size])
    cell = cut(whole, each, 0, machine)
    assert cell is not None, name
    facts = {"set": name, "size": size, "likeness": likeness, "input": whole.input_size}
    facts |= {"train": len(cell.job.data.train), "val": len(cell.job.data.val)}
    facts |= {"test_images": len(cell.test), "classes": len(whole.index.classes)}
    facts["shift"] = _shift(cell)
    for way in ways:
        begun = time.process_time()
        scores, more = _closed(cell, way) if way in CLOSED else _trained(cell, way, size)
        right = scores.argmax(axis=1) == cell.job.data.labels[cell.test]
        found = accuracy_interval(right, whole.groups[cell.test], cell.seed)
        row = facts | {"way": way, "epochs": 0} | more
        row["test"] = [round(value, 4) for value in (found.value, found.low, found.high)]
        row["minutes"] = round((time.process_time() - begun) / 60, 2)
        place = _place(store, name, way)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(row), "utf-8")
        np.save(place.with_suffix(".npy"), right)
        print(name, way, row["test"], f"{row['epochs']} epochs, {row['minutes']} min", flush=True)


def _few(sets: Path, store: Path, name: str) -> Path:
    """The folder of sets; of a set with more images a class than are needed, a smaller copy."""
    if name != "cifar10":
        return sets
    for part in sorted((sets / name / "train").iterdir()):
        target = store / "sets" / name / part.name
        target.mkdir(parents=True, exist_ok=True)
        for image in sorted(part.iterdir())[:MOST_OF_A_CLASS]:
            if not (target / image.name).exists():
                shutil.copy(image, target / image.name)
    return store / "sets"


def _shift(cell: Cell) -> float:
    """How far the images are from those of the pretraining, in nats, the mean of all stages."""
    job, size = cell.job, cell.whole.input_size
    model = spec(cell.whole.index, job.data.cache, job.machine, size)
    rows = np.sort(np.concatenate([job.data.train, job.data.val]))[:1000]
    found = measure_layer_shift(build_network(model), job.data.cache, rows, model, cell.seed)
    return round(fmean(found.values()), 4)


def _closed(cell: Cell, way: str) -> tuple[Scores, dict[str, Any]]:
    """Ridge regression on the top, on the best of the first stages, or on several stages."""
    probes = {probe.name: probe for probe in probed_of(cell).probes}
    if way == "linear":
        probe = probes["top"]
    elif way == "layers":
        probe = min((probes["taps"], probes["all"]), key=_left_out_loss)
    else:
        singles = [name for name in probes if name not in ("top", "taps", "all")]
        probe = min((probes[name] for name in singles[:FIRST_STAGES]), key=_left_out_loss)
    every = np.sort(np.concatenate([cell.job.data.train, cell.job.data.val]))
    fit = fit_ridge_on_taps(cell.job.data, cell.whole.table, probe.taps, every)
    return fit.scores(cell.whole.table.of(cell.test, probe.taps)), {"reads": probe.name}


def _left_out_loss(probe: Probe) -> float:
    return probe.loo_log_loss


def _trained(cell: Cell, way: str, size: str) -> tuple[Scores, dict[str, Any]]:
    """Training by steps: a hidden layer on the top, or a network by the recipe of `way`."""
    epochs = EPOCHS[size][way]
    if way == "hidden":
        return _hidden_layer(cell, epochs), {"epochs": epochs}
    job, whole, probed = cell.job, cell.whole, probed_of(cell)
    plan = training_plan(
        evidence_of(cell, probed), job.options, job.machine, choice(way), choice(epochs)
    )
    plan = replace(in_budget(cell, plan, 1e9), epochs=choice(epochs))
    model = model_spec_of(job, plan)
    blank = None
    if way == "scratch":
        blank = build_network(
            spec(whole.index, job.data.cache, job.machine, whole.input_size), RANDOM
        )
    linear = LinearProbes(
        net=evidence_of(cell, probed).net,
        input_size=whole.input_size,
        network=blank,
        table=whole.table,
        probed=probed,
    )
    network = initial_network(job, plan, model, linear)
    kept, curve = train_in_place(cell, network, plan, model)
    quick = optimise_for_inference(network, machine=job.machine, precision=model.precision)
    scores = compute_logits(quick, job.data.cache.images, cell.test, model, job.machine)
    facts = {"epochs": epochs, "kept": kept, "curve": curve, "network": plan.net.value}
    return scores, facts | {"trained_at": plan.input_size.value, "batch": plan.batch_size.value}


def _hidden_layer(cell: Cell, epochs: int) -> Scores:
    """One hidden layer on the top features, by AdamW; the epoch of the least validation loss."""
    job, table = cell.job, cell.whole.table
    top = next(probe for probe in probed_of(cell).probes if probe.name == "top").taps
    torch.manual_seed(cell.seed)
    train, val, test = (
        torch.from_numpy(table.of(rows, top).astype(np.float32))
        for rows in (job.data.train, job.data.val, cell.test)
    )
    mean, std = train.mean(0), train.std(0)
    std = std.clamp(min=float(std.mean()) / 10)  # a channel that is silent here may speak there
    train, val, test = ((each - mean) / std for each in (train, val, test))
    truth = torch.from_numpy(job.data.labels[job.data.train])
    val_truth = torch.from_numpy(job.data.labels[job.data.val])
    network = torch.nn.Sequential(
        torch.nn.Linear(train.shape[1], HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(HIDDEN, len(cell.whole.index.classes)),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    least, kept = float("inf"), None
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(train)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(train[rows]), truth[rows]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            loss = float(torch.nn.functional.cross_entropy(network(val), val_truth))
            if loss < least:
                least, kept = loss, network(test).numpy()
    assert kept is not None
    return kept


def _place(store: Path, name: str, way: str) -> Path:
    return store / "cells" / f"{name}-{way}.json"


def _gathered(store: Path) -> str:
    """The results: a row a cell, in order; cells that are missing say so."""
    rows = []
    for name, (size, likeness, each) in CORNERS.items():
        for way in WAYS:
            place = _place(store, name, way)
            if place.exists():
                rows.append(
                    json.loads(place.read_text("utf-8")) | _against_linear(store, name, way)
                )
            else:
                missing = {"set": name, "size": size, "likeness": likeness, "way": way}
                rows.append(missing | {"each": each, "reached": False})
    return '{"rows":[\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]}\n"


def _against_linear(store: Path, name: str, way: str) -> dict[str, list[float]]:
    """Points gained over the linear model on the top, paired by image, and twice their error."""
    path = _place(store, name, "linear").with_suffix(".npy")
    if way == "linear" or not path.exists():
        return {}
    own = np.load(_place(store, name, way).with_suffix(".npy")).astype(float)
    gain = own - np.load(path)
    spread = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
    return {
        "gain": [
            round(100 * v, 2) for v in (gain.mean(), gain.mean() - spread, gain.mean() + spread)
        ]
    }


if __name__ == "__main__":
    main()
