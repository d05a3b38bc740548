"""What does each technique of a course on CNNs bring on CIFAR-10, at equal computing time?

    python benchmarks/ablation.py SETS/cifar10 --seconds 12 --seeds 0 1 2

One base, the recipe of `scratch`, and variants that change one thing of it. Every training gets
the same seconds of processor time of one thread, from the first weights to the last step, so that
other work on the machine does not matter; its schedule goes by the share of them that is used.
5,000 training images, drawn once; judged once by the last weights on 2,000 test images. Variants
take turns within a seed. Results are kept after every training in `--store`, and a call that was
broken off goes on there. `--table` prints what is there: accuracy, and the difference to the base
of the same seed with its spread. Nothing is tuned by these figures.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.data.batches import batches
from striate.data.cache import build_cache
from striate.data.preprocess import fit_scaling
from striate.data.scan import read
from striate.nets import RANDOM
from striate.statistics import rng, seed_for, wilson
from striate.strategy.recipes import SCRATCH
from striate.train.averaging import averaged, averages_of
from striate.train.feed import Feed
from striate.train.head import Network, assemble
from striate.train.initialise import initialise, kaiming, scale_features
from striate.train.machine import apply, measure_machine
from striate.train.schedule import SCHEDULES, plateau
from striate.train.steps import evaluate, prepare, step, training_mode
from striate.values import Cache, Choice, Machine, ModelSpec, NetSettings, Options, Plan, Rows, say

TRAIN, TEST, FIRST_LOOK = 5_000, 2_000, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What differs from the base: choices of the plan, settings of the net, or the whitening."""

    about: str
    against: str = "base"
    choices: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    whiten: bool = True


SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}
PLAIN: dict[str, Any] = {"normalisation": "none"}
VARIANTS: dict[str, Variant] = {
    "base": Variant(about="the recipe"),
    "no whitening": Variant(about="first layer random and trained", whiten=False),
    "torch initialisation": Variant(about="no identity", choices={"initialisation": "torch"}),
    "kaiming": Variant(about="normal, He et al.", choices={"initialisation": "kaiming"}),
    "orthogonal": Variant(about="orthogonal", choices={"initialisation": "orthogonal"}),
    "LSUV": Variant(about="unit variance, layer by layer", choices={"initialisation": "lsuv"}),
    "calibrated": Variant(about="input's variance", choices={"initialisation": "calibrated"}),
    "no normalisation": Variant(about="instead of batch normalisation", settings=PLAIN),
    "group normalisation": Variant(about="instead of batch", settings={"normalisation": "group"}),
    "no normalisation, LSUV": Variant(
        about="calibration where nothing normalises",
        against="no normalisation",
        choices={"initialisation": "lsuv"},
        settings=PLAIN,
    ),
    "no normalisation, calibrated": Variant(
        about="calibration where nothing normalises",
        against="no normalisation",
        choices={"initialisation": "calibrated"},
        settings=PLAIN,
    ),
    "dropout 0.2": Variant(about="of features", choices={"dropout": 0.2}),
    "spatial dropout 0.1": Variant(about="of maps", settings={"spatial_dropout": 0.1}),
    "SGD": Variant(about="Nesterov momentum, rate 0.1", choices=SGD),
    "SGD, no L2": Variant(about="0 for 5e-4", against="SGD", choices={**SGD, "weight_decay": 0.0}),
    "SGD, L2 5e-3": Variant(
        about="ten times as much", against="SGD", choices={**SGD, "weight_decay": 5e-3}
    ),
    "SGD, L1 1e-4": Variant(about="beside L2", against="SGD", choices={**SGD, "l1": 1e-4}),
    "SGD, no normalisation": Variant(
        about="identity initialisation", against="SGD", choices=SGD, settings=PLAIN
    ),
    "SGD, no normalisation, torch": Variant(
        about="torch's weights",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "torch"},
        settings=PLAIN,
    ),
    "SGD, no normalisation, LSUV": Variant(
        about="unit variance, layer by layer",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "lsuv"},
        settings=PLAIN,
    ),
    "SGD, no normalisation, calibrated": Variant(
        about="input's variance",
        against="SGD, no normalisation",
        choices={**SGD, "initialisation": "calibrated"},
        settings=PLAIN,
    ),
    "no L2": Variant(about="0 for 5e-4", choices={"weight_decay": 0.0}),
    "L1 1e-4": Variant(about="beside L2", choices={"l1": 1e-4}),
    "no augmentation": Variant(about="images as they are", choices={"augment": {}}),
    "flip": Variant(about="crop and mirror", choices={"augment": {"crop": 1.0, "flip": 1.0}}),
    "EMA 0.95": Variant(about="the averaged weights judged", choices={"ema": 0.95}),
    "flip, cutmix": Variant(
        about="and rectangles of others",
        choices={"augment": {"crop": 1.0, "flip": 1.0}, "mix": "cutmix"},
    ),
    "constant rate": Variant(about="schedule", choices={"schedule": "constant"}),
    "step decay": Variant(about="schedule", choices={"schedule": "step"}),
    "cosine": Variant(about="schedule", choices={"schedule": "cosine"}),
    "plateau": Variant(about="schedule, by the training loss", choices={"schedule": "plateau"}),
    "kernel 5": Variant(about="for 3", settings={"kernel_size": 5}),
    "kernel 1": Variant(about="for 3", settings={"kernel_size": 1}),
    "stride 2": Variant(about="of the first layer, for 1", settings={"stride": 2}),
    "one convolution a block": Variant(about="for 2", settings={"depth": 1}),
    "padding valid": Variant(
        about="whole windows only, one convolution a block",
        against="one convolution a block",
        settings={"padding": "valid", "depth": 1},
    ),
    "mean pooling": Variant(about="for max", settings={"pool": "mean"}),
    "pooling size 3": Variant(about="for 2", settings={"pool_size": 3}),
    "leaky ReLU": Variant(about="for ReLU", settings={"activation": "leaky_relu"}),
    "ELU": Variant(about="for ReLU", settings={"activation": "elu"}),
    "GELU": Variant(about="for ReLU", settings={"activation": "gelu"}),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What every variant is run over."""

    cache: Cache
    labels: Rows
    train: Rows
    test: Rows
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    machine: Machine


def main() -> None:
    """Runs what is missing, keeps it, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="CIFAR-10 as folders")
    parser.add_argument("--seconds", type=float, default=12.0, help="of one thread, a training")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--store", type=Path, default=Path("benchmarks/results/ablation.json"))
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    given = parser.parse_args()
    if not given.table:
        course = _course(given.source)
        for seed in given.seeds:
            for name in VARIANTS:
                _once(course, given.store, name, seed, given.seconds)
    print(table(_read(given.store)))


def _once(course: Course, store: Path, name: str, seed: int, seconds: float) -> None:
    found = _read(store)
    key = f"{name}/{seed}/{seconds:g}"
    if key in found:
        return
    found[key] = {
        "variant": name,
        "seed": seed,
        "seconds": seconds,
        **_run(course, name, seed, seconds),
    }
    store.parent.mkdir(parents=True, exist_ok=True)
    temporary = store.with_suffix(".new")
    temporary.write_text(json.dumps(found, indent=1) + "\n")
    temporary.replace(store)
    print(key, found[key], flush=True)


def _read(store: Path) -> dict[str, dict[str, Any]]:
    return dict(json.loads(store.read_text())) if store.exists() else {}


def _course(source: str) -> Course:
    options = Options()
    index, cache = build_cache(read(source, options), options)
    labels = index.labels()
    draw = rng(0, "ablation")
    parts = {
        name: np.flatnonzero([e.split == name and e.status == "used" for e in index.examples])
        for name in ("train", "test")
    }
    train = np.sort(draw.choice(parts["train"], TRAIN, replace=False))
    test = np.sort(draw.choice(parts["test"], TEST, replace=False))
    mean, std = fit_scaling(cache, train)
    machine = replace(measure_machine(), threads=1)
    return Course(
        cache=cache,
        labels=labels,
        train=train,
        test=test,
        mean=mean,
        std=std,
        classes=index.classes,
        machine=machine,
    )


def _run(course: Course, name: str, seed: int, seconds: float) -> dict[str, float]:
    variant = VARIANTS[name]
    plan = _plan(course, variant, seed)
    feed = Feed(
        cache=course.cache,
        labels=course.labels,
        input_size=course.cache.size,
        mean=course.mean,
        std=course.std,
        layout=course.machine.layout,
    )
    network = _network(course, plan)
    with apply(course.machine), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "dropout"))
        start = time.process_time()
        if not variant.whiten:
            network.backbone.whiten.weight.requires_grad_(True)
        optimizer = prepare(network, plan, feed)
        _initialise(course, network, plan, feed, variant.whiten)
        steps, loss = _train(
            course, network, optimizer, plan, feed, lambda: (time.process_time() - start) / seconds
        )
        spent = time.process_time() - start
        _, accuracy = evaluate(network, plan, feed, course.test)
    return {
        "accuracy": accuracy,
        "epochs": steps * plan.batch_size.value / TRAIN,
        "train_loss": loss if math.isfinite(loss) else -1.0,
        "spent": round(spent, 2),
    }


def _initialise(course: Course, network: Network, plan: Plan, feed: Feed, whiten: bool) -> None:
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "initialise"))
    some = next(batches(course.train, FIRST_LOOK, seed=plan.seed, purpose="initialise"))
    images = feed.images(some)
    initialise(network, images, generator, plan.initialisation.value)
    if not whiten:
        layer = network.backbone.whiten
        assert isinstance(layer, nn.Conv2d)
        kaiming(layer, generator)
        scale_features(network, images)


def _train(
    course: Course,
    network: Network,
    optimizer: Any,
    plan: Plan,
    feed: Feed,
    done: Callable[[], float],
) -> tuple[int, float]:
    """Steps until all of the time is used; their number and the mean loss of the last epoch."""
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "augment"))
    losses: list[float] = []
    steps, epoch = 0, 0
    average = averaged(network, plan.ema.value)
    training_mode(network, plan)
    while True:
        epoch += 1
        summed, count = 0.0, 0
        for rows in batches(
            course.train, plan.batch_size.value, seed=plan.seed, epoch=epoch, drop_last=True
        ):
            share = done()
            if share >= 1:
                if average is not None:
                    network.load_state_dict(averages_of(average))
                return steps, summed / count if count else (losses or [float("nan")])[-1]
            schedule = plan.schedule.value
            rate = plateau(losses) if schedule == "plateau" else SCHEDULES[schedule](share)
            logits, labels = step(
                network, optimizer, plan, feed, rows, generator, rate * plan.learning_rate.value
            )
            if average is not None:
                average.update_parameters(network)
            summed += float(nn.functional.cross_entropy(logits.float(), labels))
            count, steps = count + 1, steps + 1
        losses.append(summed / count)


def _plan(course: Course, variant: Variant, seed: int) -> Plan:
    why = say("benchmark.why", "the recipe, for a benchmark")

    def as_asked(value: Any) -> Choice[Any]:
        return Choice(value=value, why=why, ground="asked")

    recipe = SCRATCH
    plan = Plan(
        seed=seed,
        classes=course.classes,
        strategy=as_asked("scratch"),
        net=as_asked("compact"),
        settings=as_asked(NetSettings(**{"width": 0.5, **variant.settings})),
        taps=recipe.taps,
        alpha=as_asked(0.0),
        input_size=as_asked(course.cache.size),
        epochs=as_asked(1),
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        layer_decay=recipe.layer_decay,
        weight_decay=recipe.weight_decay,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        label_smoothing=recipe.label_smoothing,
        dropout=recipe.dropout,
        augment=recipe.augment,
        precision=as_asked(course.machine.precision),
        threads=as_asked(1),
        inference_batch_size=as_asked(256),
    )
    return replace(plan, **{name: as_asked(value) for name, value in variant.choices.items()})


def _network(course: Course, plan: Plan) -> Network:
    spec = ModelSpec(
        net="compact",
        settings=plan.settings.value,
        classes=plan.classes,
        channels=course.cache.channels,
        input_size=course.cache.size,
        cache_size=course.cache.size,
        resize=course.cache.resize,
        mean=course.mean,
        std=course.std,
        taps=plan.taps.value,
        dropout=plan.dropout.value,
    )
    return assemble(spec, RANDOM)


def table(found: dict[str, dict[str, Any]]) -> str:
    """A row a variant: mean accuracy, its range over seeds, the paired difference ± its spread."""
    by: dict[str, dict[int, dict[str, Any]]] = {}
    for one in found.values():
        by.setdefault(one["variant"], {})[one["seed"]] = one
    lines = [
        "| variant | what | epochs | accuracy | range | against | difference, points ± sd | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, variant in VARIANTS.items():
        runs = by.get(name, {})
        if not runs:
            continue
        accuracies = [run["accuracy"] for run in runs.values()]
        base = by.get(variant.against, {})
        paired = [
            100 * (run["accuracy"] - base[seed]["accuracy"])
            for seed, run in runs.items()
            if seed in base
        ]
        spread = f" ± {stdev(paired):.1f}" if len(paired) > 1 else ""
        gain = "–" if name == "base" or not paired else f"{fmean(paired):+.1f}{spread}"
        lines.append(
            f"| {name} | {variant.about} | {fmean(r['epochs'] for r in runs.values()):.1f} | "
            f"{fmean(accuracies):.1%} | {min(accuracies):.1%}–{max(accuracies):.1%} | "
            f"{'–' if name == 'base' else variant.against} | {gain} | {len(runs)} |"
        )
    low = wilson(round(0.6 * TEST), TEST)
    lines.append(f"\nOne run's 95 % interval at 60 %: {low.low:.1%} to {low.high:.1%} ({TEST:,}).")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
