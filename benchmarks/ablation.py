"""What does each technique of a course on CNNs bring on CIFAR-10, at equal computing time?

    python benchmarks/ablation.py SETS/cifar10 --seconds 12 --seeds 0 1 2
    python benchmarks/ablation.py SETS/cifar10 --updates 234 --only base zca

One base, the recipe of `scratch`, and variants that change one thing of it. Every training gets
the same seconds of processor time of one thread, from the first weights to the last step, so that
other work on the machine does not matter; its schedule goes by the share of them that is used.
With `--updates` every training makes that many steps instead, whatever they cost.
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
from ablation_variants import VARIANTS, Variant
from torch import nn

from striate.data.batches import iterate_batches
from striate.data.cache import build_cache
from striate.data.preprocess import channel_scaling, count_components, fit_preprocessing_layer
from striate.data.scan import read_index
from striate.metrics.intervals import wilson
from striate.strategy.recipes import SCRATCH
from striate.train.batch_source import BatchSource
from striate.train.best_epoch import averaged_state, make_weight_average
from striate.train.fast.machine import apply_machine, measure_machine
from striate.train.head import Network, build_network
from striate.train.initialise import init_kaiming, initialise_network, scale_features
from striate.train.schedule import SCHEDULES, plateau_schedule
from striate.train.steps import (
    evaluate_network,
    prepare_training,
    set_training_mode,
    training_step,
)
from striate.values import (
    RANDOM,
    WHITENING,
    Cache,
    Choice,
    Machine,
    ModelSpec,
    NetSettings,
    Options,
    Plan,
    Preprocessing,
    Rows,
    say,
)
from striate.values.seeds import make_rng, seed_for

TRAIN, TEST, FIRST_LOOK = 5_000, 2_000, 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What every variant is run over."""

    cache: Cache
    labels: Rows
    train: Rows
    test: Rows
    classes: tuple[str, ...]
    machine: Machine
    fitted: dict[Preprocessing, dict[str, torch.Tensor]] = field(default_factory=dict)


def main() -> None:
    """Runs what is missing, keeps it, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="CIFAR-10 as folders")
    parser.add_argument("--seconds", type=float, default=12.0, help="of one thread, a training")
    parser.add_argument("--updates", type=int, help="steps of a training, instead of seconds")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--store", type=Path, default=Path("benchmarks/results/ablation.json"))
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    given = parser.parse_args()
    if not given.table:
        course = _course(given.source)
        for seed in given.seeds:
            for name in given.only:
                _once(course, given.store, name, seed, given.seconds, given.updates)
    print(table(_read(given.store)))


def _once(
    course: Course, store: Path, name: str, seed: int, seconds: float, updates: int | None
) -> None:
    found = _read(store)
    key = f"{name}/{seed}/{updates} updates" if updates else f"{name}/{seed}/{seconds:g}"
    if key in found:
        return
    found[key] = {
        "variant": name,
        "seed": seed,
        "seconds": seconds,
        **_run(course, name, seed, seconds, updates),
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
    index, cache = build_cache(read_index(source, options), options)
    labels = index.labels()
    draw = make_rng(0, "ablation")
    parts = {
        name: np.flatnonzero([e.split == name and e.status == "used" for e in index.examples])
        for name in ("train", "test")
    }
    train = np.sort(draw.choice(parts["train"], TRAIN, replace=False))
    test = np.sort(draw.choice(parts["test"], TEST, replace=False))
    machine = replace(measure_machine(), threads=1)
    return Course(
        cache=cache,
        labels=labels,
        train=train,
        test=test,
        classes=index.classes,
        machine=machine,
    )


def _run(
    course: Course, name: str, seed: int, seconds: float, updates: int | None
) -> dict[str, float]:
    variant = VARIANTS[name]
    plan = _plan(course, variant, seed)
    spec = _spec(course, plan)
    feed = BatchSource(
        cache=course.cache,
        labels=course.labels,
        input_size=course.cache.size,
        mean=spec.mean,
        std=spec.std,
        layout=course.machine.layout,
    )
    network = build_network(spec, RANDOM)
    _fit_preprocessing(course, network, spec)
    with apply_machine(course.machine), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "dropout"))
        start = time.process_time()
        if not variant.whiten:
            network.backbone.whiten.weight.requires_grad_(True)
        optimizer = prepare_training(network, plan, feed)
        _initialise(course, network, plan, feed, variant.whiten)
        steps, loss = _train(
            course,
            network,
            optimizer,
            plan,
            feed,
            lambda done: done / updates if updates else (time.process_time() - start) / seconds,
        )
        spent = time.process_time() - start
        _, accuracy = evaluate_network(network, plan, feed, course.test)
    return {
        "accuracy": accuracy,
        "epochs": steps * plan.batch_size.value / TRAIN,
        "train_loss": loss if math.isfinite(loss) else -1.0,
        "spent": round(spent, 2),
    }


def _initialise(
    course: Course, network: Network, plan: Plan, feed: BatchSource, whiten: bool
) -> None:
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "initialise"))
    some = next(iterate_batches(course.train, FIRST_LOOK, seed=plan.seed, purpose="initialise"))
    images = feed.images(some)
    initialise_network(network, images, generator, plan.initialisation.value)
    if not whiten:
        layer = network.backbone.whiten
        assert isinstance(layer, nn.Conv2d)
        init_kaiming(layer, generator)
        scale_features(network, images)


def _train(
    course: Course,
    network: Network,
    optimizer: Any,
    plan: Plan,
    feed: BatchSource,
    done: Callable[[int], float],
) -> tuple[int, float]:
    """Steps until all of the time is used; their number and the mean loss of the last epoch."""
    generator = torch.Generator().manual_seed(seed_for(plan.seed, "augment"))
    losses: list[float] = []
    steps, epoch = 0, 0
    average = make_weight_average(network, plan.ema.value)
    set_training_mode(network, plan)
    while True:
        epoch += 1
        summed, count = 0.0, 0
        for rows in iterate_batches(
            course.train, plan.batch_size.value, seed=plan.seed, epoch=epoch, drop_last=True
        ):
            share = done(steps)
            if share >= 1:
                if average is not None:
                    network.load_state_dict(averaged_state(average))
                return steps, summed / count if count else (losses or [float("nan")])[-1]
            schedule = plan.schedule.value
            rate = plateau_schedule(losses) if schedule == "plateau" else SCHEDULES[schedule](share)
            logits, labels = training_step(
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


def _fit_preprocessing(course: Course, network: Network, spec: ModelSpec) -> None:
    """Fitted once for all trainings, which see the same images; outside their time."""
    if spec.preprocess not in course.fitted:
        layer = network.preprocess
        fit_preprocessing_layer(
            layer, spec.preprocess, course.cache, course.train, course.cache.size
        )
        course.fitted[spec.preprocess] = {name: t.clone() for name, t in layer.state_dict().items()}
    network.preprocess.load_state_dict(course.fitted[spec.preprocess])


def _spec(course: Course, plan: Plan) -> ModelSpec:
    kind, shape = plan.preprocess.value, course.cache.images.shape[1:]
    mean, std = channel_scaling(kind, course.cache, course.train)
    kept = count_components(0, math.prod(shape), len(course.train)) if kind in WHITENING else 0
    return ModelSpec(
        net="compact",
        settings=plan.settings.value,
        classes=plan.classes,
        channels=course.cache.channels,
        input_size=course.cache.size,
        cache_size=course.cache.size,
        resize=course.cache.resize,
        mean=mean,
        std=std,
        taps=plan.taps.value,
        dropout=plan.dropout.value,
        preprocess=Preprocessing(kind=kind, components=kept, eps=plan.whiten_eps.value),
    )


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
