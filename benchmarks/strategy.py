"""Which strategy is best for which images? Every strategy on eleven sets, at four sizes.

    python benchmarks/strategy.py SETS --store FOLDER --results benchmarks/results/strategy.json

SETS holds the sets as folders. Each is read, grouped (duplicates; gtsrb32 by track) and decoded
at 128 pixels at most. Up to 1,000 images in whole groups are the test, in two halves of whole
groups; from the others 5, 20 or 100 images a class are drawn, or all of them up to 2,000. A fifth
of what is drawn is validation. The strategies are striate's own pieces: `linear` (ridge on the
top), `layers` (ridge on several stages), `shallow`, `deep`, `scratch` and a short `trial` of it,
and `fastai`: the head alone for an epoch, from zero, at 2e-3, then all layers at 1e-3 and a
hundredth of it below.

The clock is the process's CPU time with one thread, so that other programs do not matter. Every
training gets as many epochs as fit into `--budget` seconds at its measured speed, at least one,
at most what its recipe allows. A piece is a set, size, seed and strategy; what stands in the
results is not measured again. `benchmarks/strategy_regret.py` draws the conclusions.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch count the cores

import numpy as np
from strategy_cells import NET, SETS, Cell, Whole, cut, load, spec
from strategy_rows import Places, Row, chances, judged_row, named

from striate.learn.context import FitResult
from striate.learn.finetune.train_plan import initial_network, model_spec_of
from striate.learn.finetune.weight_interpolation import fit_best_penalty, interpolate_weights
from striate.learn.linear.linear_model import LinearProbes, fit_ridge_on_taps
from striate.metrics.intervals import accuracy_interval
from striate.predict.classifier import Classifier
from striate.probe.features import extract_features
from striate.probe.similarity import class_mean_hits, measure_layer_shift, nearest_neighbour_hits
from striate.probe.stage_probes import ProbeResults, gather_probes, probe_taps
from striate.probe.trials import measure_training_speed
from striate.strategy.budget import epoch_seconds, epochs_within, frozen_seconds
from striate.strategy.plans import recipe_for, training_plan
from striate.train.fast.forward_pass import compute_logits
from striate.train.fast.inference import optimise_for_inference
from striate.train.fast.machine import measure_machine
from striate.train.head import Network, build_network
from striate.train.loop import train_network
from striate.values import RANDOM, TUNED, Choice, Evidence, ModelSpec, Plan, Probe, say

TRAINED = ("scratch", "trial", "shallow", "deep", "fastai")
STANDS_FOR = {"fastai": "deep", "trial": "scratch"}
# Of a training's time; `striate fit` gives a trial 12 % of its own.
TRIAL = 1 / 8
WHY = say("benchmark.why", "the benchmark asks for it")


def main() -> None:
    """Measures the pieces that are missing, the most telling first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, help="the folder that holds the sets")
    parser.add_argument("--store", type=Path, default=Path("scratch/strategy"))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=20.0, help="CPU seconds of a training")
    parser.add_argument("--only", nargs="+", default=["closed", *TRAINED])
    parser.add_argument("--names", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 0, 5, 100])
    given = parser.parse_args()
    places = Places(sets=given.sets, store=given.store, results=given.results)
    machine = replace(measure_machine("cpu"), threads=1)
    done = {(r["set"], r["size"], r["seed"], r["strategy"]) for r in places.rows()}
    pieces = list(_pieces(given.only, given.names, given.seeds, given.sizes))
    wholes: dict[str, Whole] = {}
    for number, (name, size, seed, strategy) in enumerate(pieces):
        row_name = "linear" if strategy == "closed" else strategy
        if (name, size, seed, row_name) in done or (name, size, seed, "left out") in done:
            continue
        whole = wholes.get(name) or load(places.sets, places.store, name, machine)
        wholes[name] = whole
        cell = cut(whole, size, seed, machine)
        if cell is None:
            rows = [named(name, size, seed, "left out")]
            done.add((name, size, seed, "left out"))
        elif strategy == "closed":
            rows = _closed(cell)
        else:
            rows = _trained(cell, strategy, given.budget)
        places.add(rows, given.budget)
        told = ", ".join(f"{r['strategy']} {r.get('first', 0):.3f}" for r in rows)
        print(f"{number + 1}/{len(pieces)} {name} {size} {seed}: {told}", flush=True)


def _pieces(
    only: Sequence[str], names: Sequence[str], seeds: int, sizes: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """Closed forms of all; then the trainings of seed 0, size after size; then the other seeds."""
    few = [size for size in sizes if 0 < size <= 20]
    if "closed" in only:
        for seed in range(seeds):
            for size in sizes if seed == 0 else few:
                yield from ((name, size, seed, "closed") for name in names)
    trained = [strategy for strategy in only if strategy != "closed"]
    for seed in range(seeds):
        for size in sizes if seed == 0 else few:
            for strategy in trained:
                yield from ((name, size, seed, strategy) for name in names)


def _closed(cell: Cell) -> list[Row]:
    """Everything in closed form: a row a probe, the two strategies, and the evidence."""
    probed = probed_of(cell)
    job, table, labels = cell.job, cell.whole.table, cell.whole.index.labels()
    rows = []
    for probe in probed.probes:
        rows.append(_linear(cell, f"probe {probe.name}", probe))
    top = next(probe for probe in probed.probes if probe.name == "top")
    others = [probe for probe in probed.probes if probe.name in ("taps", "all")]
    rows.append(_linear(cell, "linear", top))
    rows.append(_linear(cell, "layers", min(others, key=lambda probe: probe.loo_log_loss)))
    rows.append(_linear(cell, "best probe", probed.best))
    every = np.sort(np.concatenate([job.data.train, job.data.val]))
    tops = table.of(every, top.taps)
    begun = time.process_time()
    network = build_network(
        spec(cell.whole.index, job.data.cache, job.machine, cell.whole.input_size)
    )
    shift = measure_layer_shift(
        network,
        job.data.cache,
        every,
        spec(cell.whole.index, job.data.cache, job.machine, cell.whole.input_size),
        cell.seed,
    )
    shift_seconds = time.process_time() - begun
    owners = cell.whole.groups[every]
    near = nearest_neighbour_hits(tops, labels[every], owners, cell.seed)
    means = class_mean_hits(tops, labels[every], len(job.data.index.classes), owners)
    rows.append(
        named(*cell.key, "evidence")
        | {
            "best": probed.best.name,
            "shift": {stage: round(value, 3) for stage, value in shift.items()},
            "neighbour": round(float(near.mean()), 4),
            "class_mean": round(float(means.mean()), 4),
            "image_size": job.data.cache.size,
            "input_size": cell.whole.input_size,
            "classes": len(job.data.index.classes),
            "train": len(job.data.train),
            "val": len(job.data.val),
            "groups": len(np.unique(owners)),
            "seconds": round(shift_seconds, 2),
        }
    )
    return rows


def probed_of(cell: Cell) -> ProbeResults:
    """The probes of a cell's training images."""
    job = cell.job
    return probe_taps(
        cell.whole.table,
        job.data.labels,
        len(job.data.index.classes),
        job.data.train,
        job.data.val,
        job.data.groups,
        cell.seed,
    )


def _linear(cell: Cell, name: str, probe: Probe) -> Row:
    """A linear model on a probe's taps: fitted on all that was drawn; its choice on a part."""
    job, table = cell.job, cell.whole.table
    begun = time.process_time()
    part = fit_ridge_on_taps(job.data, table, probe.taps, job.data.train)
    every = np.sort(np.concatenate([job.data.train, job.data.val]))
    whole = fit_ridge_on_taps(job.data, table, probe.taps, every)
    fitted = time.process_time() - begun
    right = whole.loo_scores.argmax(axis=1) == job.data.labels[every]
    said = accuracy_interval(right, job.data.groups[every], cell.seed)
    return judged_row(
        cell,
        name,
        whole.scores(table.of(cell.test, probe.taps)),
        part.scores(table.of(job.data.val, probe.taps)),
        fitted + cell.whole.feature_seconds * len(every),
    ) | {
        "taps": probe.name,
        "loo": [round(probe.loo_accuracy.value, 4), round(probe.loo_log_loss, 4)],
        "loo_all": [round(v, 4) for v in (said.value, said.low, said.high)],
    }


def _trained(cell: Cell, strategy: str, budget: float) -> list[Row]:
    """A strategy that trains by steps, its network as it is and with its head fitted anew."""
    probed = probed_of(cell)
    job, whole = cell.job, cell.whole
    evidence = evidence_of(cell, probed)
    name = STANDS_FOR.get(strategy, strategy)
    budget *= TRIAL if strategy == "trial" else 1
    plan = in_budget(
        cell, training_plan(evidence, job.options, job.machine, choice(name), choice(1)), budget
    )
    model = model_spec_of(job, plan)
    begun = time.process_time()
    network = (
        build_network(spec(whole.index, job.data.cache, job.machine, whole.input_size), RANDOM)
        if name == "scratch"
        else None
    )
    linear = LinearProbes(
        net=NET,
        input_size=whole.input_size,
        network=network,
        table=whole.table,
        probed=probed,
    )
    network = initial_network(job, plan, model, linear)
    if strategy == "fastai":
        network.head.weight.data.zero_()
        network.head.bias.data.zero_()
        for stage in _fastai(plan):
            history = train_in_place(cell, network, stage, model)
    else:
        history = train_in_place(cell, network, plan, model)
    trained = time.process_time() - begun
    if strategy in TUNED:
        rows = [
            _judged(cell, f"{strategy} as tuned", network, model, trained),
            _delivered(cell, plan, evidence, network, model, trained),
        ]
    else:
        rows = [_judged(cell, strategy, network, model, trained)]
    if strategy == "fastai":
        rows.append(_refitted(cell, f"{strategy}+refit", network, model, trained))
    facts = {"epochs": plan.epochs.value, "kept": history[0], "curve": history[1]}
    return [row | facts | chances(whole.store, row) for row in rows]


def evidence_of(cell: Cell, probed: ProbeResults) -> Evidence:
    """What a plan is made from, as far as a recipe heeds it."""
    job = cell.job
    return gather_probes(
        probed,
        labels=job.data.labels,
        train_rows=job.data.train,
        val_rows=job.data.val,
        classes=job.data.index.classes,
        net=NET,
        input_size=cell.whole.input_size,
        image_size=job.data.cache.size,
        channels=job.data.cache.channels,
        speeds={},
    )


def in_budget(cell: Cell, plan: Plan, budget: float) -> Plan:
    """The plan in the precision that trains faster, with the epochs that the budget holds."""
    job, best = cell.job, (0.0, "float32")
    for precision in dict.fromkeys((job.machine.precision, "float32")):
        key = (cell.whole.name, plan.strategy.value, plan.batch_size.value, precision)
        if key not in SPEEDS:
            tried = replace(plan, precision=choice(precision))
            SPEEDS[key] = measure_training_speed(
                build_network(model_spec_of(job, tried), RANDOM),
                tried,
                job.data.cache,
                job.data.train,
                job.machine,
                labels=job.data.labels,
                seconds=1.0,
                clock=time.process_time,
            )
        best = max(best, (SPEEDS[key], precision))
    seconds = epoch_seconds(len(job.data.train), best[0], len(job.data.val))
    if plan.tuned.value:
        speed = 1 / cell.whole.feature_seconds
        budget -= frozen_seconds(len(job.data.train), len(job.data.val), speed)
    epochs = max(1, epochs_within(budget, seconds, recipe_for(plan.strategy.value).most_epochs))
    return replace(plan, epochs=choice(epochs), precision=choice(best[1]))


def _fastai(plan: Plan) -> list[Plan]:
    """The head alone for an epoch, then all layers at half its rate, a hundredth below."""
    cycle = replace(
        plan, schedule=choice("one-cycle"), head_rate=choice(1.0), batch_size=choice(32)
    )
    return [
        replace(cycle, tuned=choice(1), epochs=choice(1), learning_rate=choice(2e-3)),
        replace(cycle, learning_rate=choice(1e-3), layer_decay=choice(0.01 ** (1 / 8))),
    ]


def train_in_place(
    cell: Cell, network: Network, plan: Plan, model: ModelSpec
) -> tuple[int, list[list[float]]]:
    """Trains in place; the kept epoch, and loss and accuracy on validation after each."""
    job = cell.job
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    found = train_network(
        network,
        plan,
        job.data.cache,
        job.data.train,
        job.data.val,
        job.machine,
        labels=job.data.labels,
        mean=model.mean,
        std=model.std,
    )
    curve = [[round(e.val_loss, 3), round(e.val_accuracy, 3)] for e in found.history.epochs]
    return found.history.kept_epoch, curve


def _judged(cell: Cell, name: str, network: Network, model: ModelSpec, seconds: float) -> Row:
    job = cell.job
    quick = optimise_for_inference(network, machine=job.machine, precision=model.precision)
    scores = [
        compute_logits(quick, job.data.cache.images, rows, model, job.machine)
        for rows in (cell.test, job.data.val)
    ]
    return judged_row(cell, name, scores[0], scores[1], seconds)


def _delivered(
    cell: Cell, plan: Plan, evidence: Evidence, network: Network, model: ModelSpec, seconds: float
) -> Row:
    """What `striate fit --strategy` delivers: an exact head, as far on the way as is best."""
    job = cell.job
    classifier = Classifier(spec=model, network=network.eval())
    tuned = FitResult(
        classifier=classifier,
        plan=plan,
        evidence=evidence,
        history=None,
        val_probabilities=classifier.probabilities(job.data.cache.images, job.data.val),
    )
    begun = time.process_time()
    found = interpolate_weights(job, tuned)
    seconds += time.process_time() - begun
    assert found.val_probabilities is not None
    found_row = judged_row(
        cell,
        plan.strategy.value,
        found.classifier.logits(job.data.cache.images, cell.test),
        np.log(np.maximum(found.val_probabilities, 1e-12)),
        seconds,
    )
    return found_row | {"share": found.plan.interpolation.value, "head": found.plan.head.value}


def _refitted(cell: Cell, name: str, network: Network, model: ModelSpec, seconds: float) -> Row:
    """The exact head on the tuned features, its penalty picked by the validation images."""
    job = cell.job
    every = np.concatenate([job.data.train, job.data.val, cell.test])
    begun = time.process_time()
    table = extract_features(network, job.data.cache, np.sort(every), model, job.machine)
    taken = (time.process_time() - begun) * len(job.data.feature_rows) / len(every)
    begun = time.process_time()
    fit = fit_best_penalty(
        table.of(job.data.train),
        job.data.labels[job.data.train],
        table.of(job.data.val),
        job.data.labels[job.data.val],
        len(job.data.index.classes),
        table.widths,
    )
    seconds += taken + time.process_time() - begun
    scores = [fit.scores(table.of(rows)) for rows in (cell.test, job.data.val)]
    return judged_row(cell, name, scores[0], scores[1], seconds)


def choice(value: Any) -> Choice[Any]:
    """A value that the benchmark asks for."""
    return Choice(value=value, why=WHY, ground="asked")


SPEEDS: dict[tuple[str, str, int, str], float] = {}

if __name__ == "__main__":
    main()
