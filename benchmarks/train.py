"""How good the compact network gets from scratch, and how fast a training step is.

    python benchmarks/train.py SOURCE... --seconds 60 --seeds 1 2 3

Each source (a folder, or `demo`) is read, split and decoded as `striate fit` does. The recipe of
`scratch` is trained for as many epochs as its measured speed allows in the seconds given, once a
seed. One line a run: images per second, epochs, accuracy on validation and test with intervals.
`--plain` trains the same network as a plain loop would: float32, contiguous layout, Nesterov
momentum, for the same seconds.
"""

import argparse
import time
from dataclasses import replace
from statistics import fmean

import numpy as np

from striate import statistics
from striate.data.cache import build_cache
from striate.data.duplicates import find_duplicates
from striate.data.preprocess import fit_scaling
from striate.data.scan import read
from striate.data.split import split_index
from striate.nets import RANDOM
from striate.probe.trials import training_speed
from striate.strategy.budget import epoch_seconds, epochs_within
from striate.strategy.recipes import SCRATCH
from striate.train.feed import Feed
from striate.train.head import Network, assemble
from striate.train.loop import train
from striate.train.machine import measure_machine
from striate.train.steps import evaluate
from striate.values import Cache, Choice, Machine, ModelSpec, Options, Plan, Rows, say


def main() -> None:
    """Trains the compact network from scratch on each source and prints what it reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--no-test", action="store_true", help="judge on validation alone")
    given = parser.parse_args()
    machine = measure_machine()
    if given.plain:
        machine = replace(machine, precision="float32", layout="contiguous")
    for source in given.sources:
        options = Options()
        index, cache = build_cache(read(source, options), options)
        split = split_index(index, find_duplicates(index, cache), options)
        rows = split.val if given.no_test else np.setdiff1d(split.test, split.leaked)
        found = []
        for seed in given.seeds:
            run = _run(
                seed,
                cache,
                index.labels(),
                split.train,
                split.val,
                machine,
                given.seconds,
                given.plain,
            )
            found.append(_report(source, *run, rows))
        spread = max(found) - min(found)
        print(f"{source}: mean {fmean(found):.4f}, range {spread:.4f}, n={len(found)}", flush=True)


def _run(
    seed: int,
    cache: Cache,
    labels: Rows,
    train_rows: Rows,
    val_rows: Rows,
    machine: Machine,
    seconds: float,
    plain: bool,
) -> tuple[Network, Plan, Feed, str]:
    scaling = fit_scaling(cache, train_rows)
    classes = tuple(str(k) for k in range(int(labels.max()) + 1))
    plan = _plan(seed, classes, cache.size, machine, plain)
    network = _network(plan, cache, scaling)
    speed = training_speed(network, plan, cache, train_rows, machine, labels=labels)
    each = epoch_seconds(len(train_rows), speed, len(val_rows))
    epochs = max(1, epochs_within(seconds, each, SCRATCH.most_epochs))
    plan = replace(plan, epochs=replace(plan.epochs, value=epochs))
    start = time.perf_counter()
    trained = train(
        network,
        plan,
        cache,
        train_rows,
        val_rows,
        machine,
        labels=labels,
        mean=scaling[0],
        std=scaling[1],
    )
    spent = time.perf_counter() - start
    kept = trained.history.epochs[trained.history.kept_epoch - 1]
    said = (
        f"seed {seed}: {len(train_rows):,} images, {speed:,.0f} images/s, {epochs} epochs in "
        f"{spent:.0f} s, kept {kept.epoch}, validation {kept.val_accuracy:.4f}"
    )
    feed = Feed(
        cache=cache,
        labels=labels,
        input_size=cache.size,
        mean=scaling[0],
        std=scaling[1],
        device=machine.device,
        layout=machine.layout,
    )
    return network, plan, feed, said


def _report(source: str, network: Network, plan: Plan, feed: Feed, said: str, rows: Rows) -> float:
    _, accuracy = evaluate(network, plan, feed, rows)
    found = statistics.wilson(round(accuracy * len(rows)), len(rows))
    print(f"{source} {said}, judged {found.value:.4f} [{found.low:.4f}, {found.high:.4f}]")
    return accuracy


def _plan(seed: int, classes: tuple[str, ...], size: int, machine: Machine, plain: bool) -> Plan:
    why = say("benchmark.why", "the recipe, for a benchmark")
    recipe = SCRATCH
    optimizer, rate = recipe.optimizer, recipe.learning_rate
    if plain:
        optimizer, rate = replace(optimizer, value="sgd"), replace(rate, value=0.1)
    return Plan(
        seed=seed,
        classes=classes,
        strategy=Choice(value="scratch", why=why, ground="asked"),
        net=Choice(value="compact", why=why, ground="asked"),
        settings=recipe.settings,
        taps=recipe.taps,
        alpha=Choice(value=0.0, why=why, ground="convention"),
        input_size=Choice(value=size, why=why, ground="convention"),
        epochs=Choice(value=1, why=why, ground="measured"),
        batch_size=recipe.batch_size,
        learning_rate=rate,
        layer_decay=recipe.layer_decay,
        weight_decay=recipe.weight_decay,
        optimizer=optimizer,
        schedule=recipe.schedule,
        label_smoothing=recipe.label_smoothing,
        dropout=recipe.dropout,
        augment=recipe.augment,
        precision=Choice(value=machine.precision, why=why, ground="measured"),
        threads=Choice(value=machine.threads, why=why, ground="measured"),
        inference_batch_size=Choice(value=machine.batch_size, why=why, ground="measured"),
    )


def _network(
    plan: Plan, cache: Cache, scaling: tuple[tuple[float, ...], tuple[float, ...]]
) -> Network:
    spec = ModelSpec(
        net="compact",
        settings=plan.settings.value,
        classes=plan.classes,
        channels=cache.channels,
        input_size=cache.size,
        cache_size=cache.size,
        resize=cache.resize,
        mean=scaling[0],
        std=scaling[1],
        taps=plan.taps.value,
        dropout=plan.dropout.value,
    )
    return assemble(spec, RANDOM)


if __name__ == "__main__":
    main()
