"""How good the compact network gets from scratch, and how fast a training step is.

    python benchmarks/train.py SOURCE... --seconds 60 --seeds 1 2 3

Each source (a folder, or `demo`) is read, split and decoded as `striate fit` does, mirroring is
measured and the faster precision taken as there. The plan of `scratch` is trained for as many
epochs as its measured speed allows in the seconds given, or for `--epochs`, once a seed. One line
a run: images per second, epochs, accuracy on validation and test with intervals. `--set` asks for
choices as `fit` does. `--plain` trains the same network as a plain loop would: float32,
contiguous layout, Nesterov momentum, for the same seconds, judged in one view.
"""

import argparse
import time
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from striate.config.overrides import is_overridden
from striate.data.cache import build_cache
from striate.data.preprocess import fit_scaling
from striate.data.scan import read_index
from striate.data.split.duplicates import find_duplicate_groups
from striate.data.split.split import split_index
from striate.learn.flip_rotation_test import measure_augmentation_on_sample
from striate.metrics import intervals
from striate.predict.classifier import Classifier
from striate.probe.stage_probes import gather_probes
from striate.probe.trials import measure_training_speed
from striate.strategy.budget import epoch_seconds, epochs_within
from striate.strategy.plans import training_plan
from striate.strategy.recipes import SCRATCH
from striate.train.fast.machine import measure_machine
from striate.train.head import build_network
from striate.train.loop import train_network
from striate.values import (
    RANDOM,
    Cache,
    Choice,
    Evidence,
    Index,
    Machine,
    ModelSpec,
    Options,
    Plan,
    Rows,
    Split,
    say,
)

COPIES_SECONDS = 18.0


def main() -> None:
    """Trains the compact network from scratch on each source and prints what it reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--epochs", type=int, help="instead of as many as the seconds hold")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--set", help="choices asked for, as of `striate fit`")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--no-test", action="store_true", help="judge on validation alone")
    given = parser.parse_args()
    machine = measure_machine()
    if given.plain:
        machine = replace(machine, precision="float32", layout="contiguous")
    for source in given.sources:
        course = _course(source, Options(strategy="scratch", set=given.set), machine)
        rows = course.split.val if given.no_test else course.test
        found = []
        for seed in given.seeds:
            plan = _plan(course, seed, given.plain)
            found.append(_run(source, course, plan, given.seconds, given.epochs, rows))
        spread = max(found) - min(found)
        print(f"{source}: mean {fmean(found):.4f}, range {spread:.4f}, n={len(found)}", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """A source as `fit` sees it before a training from scratch."""

    index: Index
    cache: Cache
    split: Split
    machine: Machine
    options: Options
    evidence: Evidence

    @property
    def test(self) -> Rows:
        """The test images that count."""
        return np.setdiff1d(self.split.test, self.split.leaked)


def _course(source: str, options: Options, machine: Machine) -> Course:
    index, cache = build_cache(read_index(source, options), options)
    split = split_index(index, find_duplicate_groups(index, cache), options)
    evidence = gather_probes(
        None,
        labels=index.labels(),
        train_rows=split.train,
        val_rows=split.val,
        classes=index.classes,
        net="",
        input_size=0,
        image_size=cache.size,
        channels=cache.channels,
        speeds={},
    )
    copies = None
    if not is_overridden(options.set, "augment"):
        copies = measure_augmentation_on_sample(
            index,
            cache,
            split.train,
            split.val,
            split.groups,
            machine,
            COPIES_SECONDS,
            options.seed,
        )
        print(f"{source}: {copies}", flush=True)
    return Course(
        index=index,
        cache=cache,
        split=split,
        machine=machine,
        options=options,
        evidence=replace(
            evidence,
            flips=copies.flips if copies else None,
            rotations=copies.rotations if copies else None,
        ),
    )


def _plan(course: Course, seed: int, plain: bool) -> Plan:
    """What `fit` would train, in the precision that is faster here; or the plain loop."""
    precisions = dict.fromkeys(("float32", course.machine.precision))
    plans = [_in(course, seed, precision) for precision in precisions]
    if plain:
        return replace(
            plans[0],
            optimizer=replace(plans[0].optimizer, value="sgd"),
            learning_rate=replace(plans[0].learning_rate, value=0.1),
            views=replace(plans[0].views, value=1),
        )
    return max(plans, key=lambda plan: _speed(course, plan))


def _in(course: Course, seed: int, precision: str) -> Plan:
    why = say("benchmark.why", "for a benchmark")
    return training_plan(
        replace(course.evidence, precisions={"scratch": precision}),
        replace(course.options, seed=seed),
        course.machine,
        Choice(value="scratch", why=why, ground="asked"),
        Choice(value=1, why=why, ground="measured"),
    )


def _speed(course: Course, plan: Plan) -> float:
    network = build_network(_spec(course, plan), RANDOM)
    rows, labels = course.split.train, course.index.labels()
    return measure_training_speed(network, plan, course.cache, rows, course.machine, labels=labels)


def _spec(course: Course, plan: Plan) -> ModelSpec:
    mean, std = fit_scaling(course.cache, course.split.train)
    return ModelSpec(
        net="compact",
        settings=plan.settings.value,
        classes=course.index.classes,
        channels=course.cache.channels,
        input_size=plan.input_size.value,
        cache_size=course.cache.size,
        resize=course.cache.resize,
        mean=mean,
        std=std,
        taps=plan.taps.value,
        dropout=plan.dropout.value,
        precision=course.machine.precision,
        batch_size=plan.inference_batch_size.value,
        mirror=plan.views.value == 2,
    )


def _run(
    source: str, course: Course, plan: Plan, seconds: float, asked: int | None, rows: Rows
) -> float:
    """Trains once, prints a line, and gives the accuracy on `rows`."""
    split, labels, spec = course.split, course.index.labels(), _spec(course, plan)
    speed = _speed(course, plan)
    each = epoch_seconds(len(split.train), speed, len(split.val))
    epochs = asked or max(1, epochs_within(seconds, each, SCRATCH.most_epochs))
    plan = replace(plan, epochs=replace(plan.epochs, value=epochs))
    network = build_network(spec, RANDOM)
    start = time.perf_counter()
    trained = train_network(
        network,
        plan,
        course.cache,
        split.train,
        split.val,
        course.machine,
        labels=labels,
        mean=spec.mean,
        std=spec.std,
    )
    spent = time.perf_counter() - start
    kept = trained.history.epochs[trained.history.kept_epoch - 1]
    logits = Classifier(spec=spec, network=network.eval()).logits(course.cache.images, rows)
    right = int((logits.argmax(axis=1) == labels[rows]).sum())
    found = intervals.wilson(right, len(rows))
    print(
        f"{source} seed {plan.seed}: {len(split.train):,} images, {plan.precision.value}, "
        f"{', '.join(plan.augment.value)}, {speed:,.0f} images/s, {epochs} epochs in "
        f"{spent:.0f} s, kept {kept.epoch}, validation {kept.val_accuracy:.4f} in one view, "
        f"judged {found.value:.4f} [{found.low:.4f}, {found.high:.4f}] in {plan.views.value}",
        flush=True,
    )
    return found.value


if __name__ == "__main__":
    main()
